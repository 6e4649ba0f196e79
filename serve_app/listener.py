"""A uvicorn on its own socket, for as long as a context lasts. Knows nothing of Ray or routes.

Serve's replica listens by itself with it: through Serve's proxy every request passes two more
processes and costs five times the CPU. `SO_REUSEPORT` lets replicas share the port, and lets a
replica that follows a killed one bind at once (Serve's own direct ingress waits a minute).
"""

import asyncio
import math
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from serve_app.connections import Clients, HttpConnection, Patience, WebSocketConnection

GRACE_S = 2
BACKLOG = 2_048
MAX_FRAME = 64 * 1024
"""What a client may send us in one WebSocket frame; we only listen for it to leave."""
PING_S = 10
PONG_S = 15
"""A WebSocket client is asked that often whether it is there, and has so long to say so."""
SEND_BUFFER = 128 * 1024
"""Bytes that the kernel keeps for a client that reads slowly (it would take megabytes)."""
OWN_FILES = 500
"""Files that the process needs besides connections: Ray, libraries."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, clients: Clients) -> None:
        super().__init__(config)
        self.server_state: Clients = clients

    def capture_signals(self) -> Any:
        """The process is Ray's, and so are its signals."""
        return nullcontext()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 10 == 0:
            self.server_state.look(asyncio.get_running_loop().time())
        return await super().on_tick(counter)


@asynccontextmanager
async def listening(
    app: ASGIApp,
    host: str,
    port: int,
    patience: Patience = Patience(),  # noqa: B008 - a frozen value
) -> AsyncIterator[int]:
    """Serves `app` on `host:port` (0 = any free one) and yields the port. Raises OSError."""
    patience = replace(patience, connections=_places(patience.connections))
    with _bound(host, port) as listener:
        server = _Server(
            uvicorn.Config(
                app,
                http=HttpConnection,
                ws=WebSocketConnection,
                lifespan="off",
                log_config=None,
                log_level="warning",  # at INFO it names every WebSocket's URL with its query
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                ws_max_size=MAX_FRAME,
                ws_ping_interval=PING_S,
                ws_ping_timeout=PONG_S,
                timeout_keep_alive=math.ceil(patience.idle_s),
                timeout_graceful_shutdown=GRACE_S,
            ),
            Clients(patience),
        )
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving
            if left := set(
                server.server_state.tasks
            ):  # uvicorn cancels streams, but not to the end
                await asyncio.wait(left, timeout=GRACE_S)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY; without it, first tokens come 40 ms late.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _places(wanted: int) -> int:
    """How many of the `wanted` connections this process may have open; asks for more files where
    the usual 1,024 are too few, since without a file left nobody is let in at all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, max(1, soft - OWN_FILES))
