"""HTTP/1.1 by hand: a test can send any bytes and cut the line anywhere. Knows no Ollama."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


@dataclass(eq=False)
class Request:
    """What a client sent, and how it ended: `finished` = answered in full, `cancelled` = the
    client left before that."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    begun_at: float | None = None
    """When the first byte of the answer went (the first token's, for a stream); monotonic s."""
    finished: bool = False
    cancelled: bool = False

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object; empty if it is none."""
        try:
            payload = json.loads(self.body)
        except ValueError:
            return {}
        return payload if isinstance(payload, dict) else {}

    @property
    def model(self) -> str:
        return str(self.json.get("model", ""))


class Exchange:
    """One request and the line to answer it on."""

    def __init__(self, request: Request, transport: asyncio.Transport) -> None:
        self.request = request
        self.cut_by_us = False
        self._transport = transport
        self._writable = asyncio.Event()
        self._writable.set()
        self._chunked = False
        self.begun = False

    def head(self, status: int = 200, *headers: tuple[str, str], chunked: bool = True) -> None:
        """The status line and headers. Without `chunked` give a Content-Length yourself."""
        self.begun, self._chunked = True, chunked
        self.request.begun_at = time.monotonic()
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += ["Transfer-Encoding: chunked"] if chunked else []
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, *pieces: bytes) -> None:
        """Body bytes; each piece is a chunk of its own where the body is chunked."""
        if self._chunked:
            framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
            self._transport.write(b"".join(framed))
        else:
            self._transport.write(b"".join(pieces))

    def raw(self, data: bytes) -> None:
        """Bytes outside of HTTP."""
        self.begun = True
        self._transport.write(data)

    def line(self, *payloads: Any) -> None:
        """Lines of NDJSON, each in a chunk of its own, in one write."""
        self.send(*(json.dumps(payload).encode() + b"\n" for payload in payloads))

    def json(self, status: int, payload: Any) -> None:
        """A whole JSON response, as Ollama's framework writes it."""
        body = json.dumps(payload).encode()
        self.whole(status, body, "application/json; charset=utf-8")

    def whole(self, status: int, body: bytes, content_type: str | None) -> None:
        """A whole response of any type."""
        kind = [("Content-Type", content_type)] if content_type else []
        self.head(status, *kind, ("Content-Length", str(len(body))), chunked=False)
        self.send(body)

    def cut(self) -> None:
        """Sends what is written, then closes the connection, wherever the answer is."""
        self.cut_by_us = True
        self._transport.close()

    async def drain(self) -> None:
        """Waits while the client does not read."""
        await self._writable.wait()

    def flow(self, writable: bool) -> None:
        (self._writable.set if writable else self._writable.clear)()

    def end(self) -> None:
        """Nothing more comes; the connection stays for the next request."""
        if not self.begun:
            self.whole(500, b"", None)
        elif self._chunked:
            self._transport.write(b"0\r\n\r\n")


Handler = Callable[[Exchange], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other, keep-alive."""

    def __init__(
        self, handler: Handler, changed: Callable[[], None], closed: "Callable[[Connection], None]"
    ) -> None:
        self._handler, self._changed, self._closed = handler, changed, closed
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._serve_next()

    def pause_writing(self) -> None:
        if self._exchange:
            self._exchange.flow(False)

    def resume_writing(self) -> None:
        if self._exchange:
            self._exchange.flow(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed(self)
        if self._task and self._exchange and not self._task.done():
            self._exchange.request.cancelled = not self._exchange.cut_by_us
            self._task.cancel()
            self._changed()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _serve_next(self) -> None:
        if self._task is None and self._transport and (request := self._parse()):
            self._exchange = Exchange(request, self._transport)
            self._task = asyncio.get_running_loop().create_task(self._serve(self._exchange))

    def _parse(self) -> Request | None:
        head, blank, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not blank:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._received = bytearray(rest[length:])
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, rest[:length])

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._handler(exchange)
        except Exception:
            exchange.cut()
            raise
        if not exchange.cut_by_us and self._transport:
            exchange.end()
            exchange.request.finished = True
        self._task = None
        self._changed()
        self._serve_next()
