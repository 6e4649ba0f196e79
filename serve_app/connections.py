"""How long the server bears with a client that sends or reads too slowly. Knows nothing of routes.

uvicorn has no bound for a request's head, and a connection that it closes stays for ever if the
client reads nothing. Here every connection knows until when its client may take its time, and
once a second all are looked at (`Clients.look`); an exchange or a stream in progress is not
bounded. When all places are taken, who has waited longest without a request makes room.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from serve_app import problems


@dataclass(frozen=True)
class Patience:
    """Seconds for a whole request head, for the next request on the same connection, and for a
    reader that takes (almost) nothing; the most bytes of a head; how many may be connected.

    2,000 connections with 64 KB of an unfinished head each are 128 MB: what 1 GB of free memory
    on PC1 bears, and far more than the browsers of a LAN open."""

    head_s: float = 20.0
    idle_s: float = 25.0
    stall_s: float = 20.0
    head_bytes: int = 64 * 1024
    connections: int = 2_000


PROGRESS = 16 * 1024
"""What a reader must take in `stall_s` while more is there for it (6 kbit/s by default)."""


class Clients(ServerState):
    """All connections of one server. `waiting`: those that owe us a request, by when (loop time),
    the longest waiting first."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.patience = patience
        self.waiting: dict[HttpConnection, float] = {}

    def look(self, now: float) -> None:
        """Ends what has lasted too long."""
        for connection in [c for c, due in self.waiting.items() if due <= now]:
            connection.expire()
        for client in tuple(self.connections):
            if isinstance(client, HttpConnection | WebSocketConnection):
                client.reader.look(now)

    def make_room(self) -> None:
        """Called with the newcomer among the waiting: it goes itself if all others are served."""
        if len(self.connections) > self.patience.connections:
            longest = next(iter(self.waiting))
            del self.waiting[longest]
            longest.transport.abort()


class Reader:
    """Whether the client takes what we write: while it is held up or being closed it must take
    `PROGRESS` bytes in every `stall_s`."""

    def __init__(self, transport: asyncio.Transport, stall_s: float) -> None:
        self.held_up = False
        self._transport = transport
        self._stall_s = stall_s
        self._since: tuple[float, int] | None = None

    def look(self, now: float) -> None:
        if not (self.held_up or self._transport.is_closing()):
            self._since = None
            return
        left = self._transport.get_write_buffer_size()
        began, before = self._since or (now, left)
        if self._since is None:
            self._since = (now, left)
        elif now - began >= self._stall_s:
            self._since = (now, left)
            if before - left < PROGRESS:
                self._transport.abort()


class HttpConnection(HttpToolsProtocol):
    """`server_state` must be a `Clients`."""

    server_state: Clients
    reader: Reader
    head: int | None = None
    """Bytes of the request's head that have come so far; None between heads."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.reader = Reader(transport, self.server_state.patience.stall_s)
        self._wait(self.server_state.patience.head_s)
        self.server_state.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.head is not None:
            self.head += len(data)
            if self.head > self.server_state.patience.head_bytes:
                self._refuse(431, "The request's head is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head = 0
        if not self._is_served():
            self._wait(self.server_state.patience.head_s)

    def on_headers_complete(self) -> None:
        self.head = None
        self.server_state.waiting.pop(self, None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_served():  # else the next request came along with this one
            self._wait(self.server_state.patience.idle_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.reader.held_up = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.reader.held_up = False

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def expire(self) -> None:
        """The request did not come in time."""
        del self.server_state.waiting[self]
        if self.head is None:
            self.transport.abort()
        else:
            self._refuse(408, "The request's head did not arrive in time.")

    def _is_served(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self.server_state.waiting.pop(self, None)
        self.server_state.waiting[self] = self.loop.time() + seconds

    def _refuse(self, status: int, detail: str) -> None:
        """What no route can answer, since there is no request: a problem, and the end."""
        if self._is_served() or self.transport.is_closing():
            return self.transport.abort()
        answer = problems.response(problems.from_status(status, "-", detail))
        lines = [STATUS_LINE[status], b"connection: close\r\n"]
        lines += [b"%b: %b\r\n" % header for header in answer.raw_headers]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Made by `HttpConnection` once a request asks for it; `server_state` is a `Clients`."""

    reader: Reader

    def __init__(self, config: Config, server_state: Clients, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self._stall_s = server_state.patience.stall_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.reader = Reader(self.transport, self._stall_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.reader.held_up = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.reader.held_up = False

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # it does not read either: a close would wait for ever
