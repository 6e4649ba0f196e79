"""`/mcp`: MCP over streamable HTTP, as one route of the API.

What may come in is settled before (`access`, `hosts`, `bodies`). The SDK is imported and started by
the first request: most councils never see one, and it takes most of a second. It ends with the loop
that it runs in, so that the application needs no lifespan for it.

Clients of the 2026 protocol keep nothing here: they cancel by leaving, and a replica that starts
again costs them the call at most. Older ones have a session in this process, since they cancel by a
message of its own, which has to find the call; where it is gone they are told 404, and begin anew.
"""

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serve_app.configuration import ApiConfig
from serve_app.hosts import check_origin
from serve_app.mcp.caller import Caller
from serve_app.routes.answers import origin_of

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
METHODS = ["GET", "POST", "DELETE"]
IDLE_S = 30 * 60.0
MOST_SESSIONS = 1_000
"""Of older clients, which often leave without a word; each is two tasks and some buffers."""


class McpEndpoint:
    """An ASGI application over the council of the application that it is a route of."""

    path = PATH
    """Read off the scope's route by who counts requests; FastAPI names only routes of its own."""

    def __init__(self) -> None:
        self._serving: asyncio.Task[None] | None = None
        self._started: asyncio.Future[StreamableHTTPSessionManager] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        config: ApiConfig = scope["app"].state.config
        check_origin(Headers(scope=scope), config.cors_origins)  # also of a GET: MCP wants it
        manager = await self._manager(config)
        await manager.handle_request(scope, receive, send)

    async def _manager(self, config: ApiConfig) -> "StreamableHTTPSessionManager":
        if self._serving is None or self._serving.done() or self._started is None:
            loop = asyncio.get_running_loop()
            self._started = loop.create_future()
            serving = self._serve(config, self._started)
            # In nobody's context: it must not speak for the request that happened to come first.
            self._serving = loop.create_task(serving, context=Context())
        return await asyncio.shield(self._started)

    async def _serve(
        self, config: ApiConfig, started: "asyncio.Future[StreamableHTTPSessionManager]"
    ) -> None:
        try:
            manager = await asyncio.to_thread(_manager_of, config)
            async with manager.run():
                started.set_result(manager)
                await asyncio.Event().wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)


def _manager_of(config: ApiConfig) -> "StreamableHTTPSessionManager":
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from serve_app.mcp.server import server_over

    return StreamableHTTPSessionManager(
        server_over(_caller_of, config.version),
        max_request_body_size=config.max_body,
        session_idle_timeout=IDLE_S,
        max_sessions=MOST_SESSIONS,
    )


async def _caller_of(request: Any) -> Caller:
    """Who sent this HTTP request, and the council of the application that it reached."""
    assert isinstance(request, Request)
    state = request.app.state
    return Caller(
        council=state.council,
        address=str(request.base_url),
        origin=await origin_of(request),
        heartbeat_s=state.config.heartbeat_s,
    )


def mcp_router() -> APIRouter:
    """A new one for each application."""
    route = Route(PATH, McpEndpoint(), methods=METHODS, include_in_schema=False)
    return APIRouter(routes=[route])
