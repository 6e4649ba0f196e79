"""A uvicorn on its own socket, for as long as a context lasts. Knows nothing of Ray or routes.

Serve's replica listens by itself with it: through Serve's proxy every request passes two more
processes and costs five times the CPU. `SO_REUSEPORT` lets replicas share the port, and lets a
replica that follows a killed one bind at once (Serve's own direct ingress waits a minute).
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_S = 30
GRACE_S = 2
BACKLOG = 2_048
MAX_FRAME = 64 * 1024
"""What a client may send us in one WebSocket frame; we only listen for it to leave."""


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        """The process is Ray's, and so are its signals."""
        return nullcontext()


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncIterator[int]:
    """Serves `app` on `host:port` (0 = any free one) and yields the port. Raises OSError."""
    with _bound(host, port) as listener:
        server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                ws_max_size=MAX_FRAME,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
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
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
