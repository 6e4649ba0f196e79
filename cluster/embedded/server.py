"""The HTTP side: Ollama's routes over the library and the residents. Knows nothing of llama.cpp."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.embedded import listings
from cluster.embedded.answers import lines
from cluster.embedded.asks import ChatAsk, GenerateAsk, ShowAsk
from cluster.embedded.exchange import ClientGone, Lines, every, first_of, read, while_connected
from cluster.embedded.faults import BadAsk, EngineError, ModelNotFound
from cluster.embedded.library import Library, ModelFile
from cluster.embedded.origins import refused
from cluster.embedded.protocol import VERSION, gathered
from cluster.embedded.residents import Resident, Residents


@dataclass(frozen=True)
class Service:
    """The routes' handlers."""

    library: Library
    residents: Residents

    async def root(self, request: Request) -> Response:
        return PlainTextResponse("Ollama is running (LLM Council's embedded engine)")

    async def version(self, request: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def tags(self, request: Request) -> Response:
        models = await asyncio.to_thread(self.library.models)
        return JSONResponse({"models": [listings.installed(model) for model in models]})

    async def ps(self, request: Request) -> Response:
        return JSONResponse({"models": [_loaded(r) for r in self.residents.loaded()]})

    async def show(self, request: Request) -> Response:
        ask = await read(request, ShowAsk)
        return JSONResponse(listings.shown(await self._find(ask.wanted)))

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, await read(request, ChatAsk))

    async def generate(self, request: Request) -> Response:
        return await self._answer(request, await read(request, GenerateAsk))

    async def embed(self, request: Request) -> Response:
        """The engines are started to write."""
        model = await self._find((await read(request, ShowAsk)).wanted)
        raise BadAsk(f'"{model.name}" does not support embeddings in the embedded engine')

    async def _answer(self, request: Request, ask: ChatAsk | GenerateAsk) -> Response:
        """Errors before the first line keep their status; later ones are the last line."""
        flow = lines(ask, await self._find(ask.model), self.residents)
        if not ask.stream:
            return JSONResponse(gathered(await while_connected(request, every(flow))))
        first = await while_connected(request, first_of(flow))
        return Lines(first, flow)

    async def _find(self, name: str) -> ModelFile:
        model = await asyncio.to_thread(self.library.find, name)
        if model is None:
            raise ModelNotFound(name)
        return model


def build(service: Service, bound_to: str) -> Starlette:
    """The ASGI application. Unloading the models at the end is its owner's part."""
    routes = [
        Route("/", service.root),
        Route("/api/version", service.version),
        Route("/api/tags", service.tags),
        Route("/api/ps", service.ps),
        Route("/api/show", service.show, methods=["POST"]),
        Route("/api/chat", service.chat, methods=["POST"]),
        Route("/api/generate", service.generate, methods=["POST"]),
        Route("/api/embed", service.embed, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    app.add_exception_handler(EngineError, _tell)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(ClientGone, _tell_nobody)
    app.add_middleware(_Door, bound_to=bound_to)
    return app


class _Door:
    """Turns away what `origins.refused` says."""

    def __init__(self, app: ASGIApp, bound_to: str) -> None:
        self._app = app
        self._bound_to = bound_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Request(scope).headers
            if refused(self._bound_to, headers.get("host", ""), headers.get("origin")):
                await Response(status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _loaded(resident: Resident) -> dict[str, Any]:
    memory = resident.engine.memory() if resident.engine is not None else 0
    left = resident.keep_alive
    if resident.expires is not None:
        left = resident.expires - time.monotonic()
    return listings.loaded(resident.model, memory, resident.num_ctx, datetime.now(UTC), left)


async def _tell(request: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)
    return JSONResponse({"error": error.text}, status_code=error.status)


async def _tell_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail.lower()}, status_code=error.status_code)


async def _tell_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)
