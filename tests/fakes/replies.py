"""How the fake may answer one call: well, badly, or not at all. Each function makes a `Reply`.

The misbehaviours are the rows O1–O27 of Ollama's real answers, down to the byte where it matters.
"""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tests.fakes.http import Exchange
from tests.fakes.speech import Wish

if TYPE_CHECKING:
    from tests.fakes.ollama import FakeOllama

Reply = Callable[["FakeOllama", Exchange], Awaitable[None]]
NDJSON = ("Content-Type", "application/x-ndjson")


class Answer(Wish):
    """A good answer, with the wishes that its fields name."""

    async def __call__(self, fake: "FakeOllama", exchange: Exchange) -> None:
        await fake.chat(exchange, self)


def error(status: int, message: Any, **more: Any) -> Reply:
    """`{"error": message}` before the stream began."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.json(status, {"error": message, **more})

    return reply


def body(status: int, content: str = "", content_type: str | None = None) -> Reply:
    """Any whole response: an empty 403 (O23), a page of HTML (O25)."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.whole(status, content.encode(), content_type)

    return reply


def lines(*payloads: Any, cut: bool = False) -> Reply:
    """Exactly these NDJSON lines; then the end of the stream, or a cut connection."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.head(200, NDJSON)
        exchange.line(*payloads)
        if cut:
            exchange.cut()

    return reply


def broken(text: str, message: str) -> Reply:
    """Some text, then `{"error": …}` as the last line (O8)."""
    return lines(*_tokens(text), {"error": message})


def unfinished(text: str, cut: bool = False) -> Reply:
    """Some text and no last line: a clean end (O9) or a cut connection (O22)."""
    return lines(*_tokens(text), cut=cut)


def silence(text: str = "") -> Reply:
    """Some text, then nothing, without an end; without text not even headers (O4, O5)."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        if text:
            exchange.head(200, NDJSON)
            exchange.line(*_tokens(text))
        await asyncio.Event().wait()

    return reply


def dribble(every_s: float, status: int = 200, text: str = "x" * 400) -> Reply:
    """A byte at a time, so that bytes move and nothing is ever said (fault 27)."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.head(status, NDJSON)
        for byte in json.dumps({"message": {"content": text}}).encode():
            exchange.send(bytes((byte,)))
            await asyncio.sleep(every_s)

    return reply


def endless(piece: bytes, status: int = 200, content_type: str = NDJSON[1]) -> Reply:
    """`piece` for ever, as fast as the client reads."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.head(status, ("Content-Type", content_type))
        while True:
            exchange.send(piece)
            await exchange.drain()
            await asyncio.sleep(0)

    return reply


def babble(token: str, count: int) -> Reply:
    """The same token over and over (O15), then a proper end."""
    return lines(*_tokens(*[token] * count), {"done": True, "done_reason": "stop"})


def bomb(megabytes: int = 16) -> Reply:
    """A good answer and then `megabytes` of blank lines, gzipped although nobody asked for it."""
    answer = json.dumps({"message": {"content": "Boom."}, "done": True, "done_reason": "stop"})
    packed = gzip.compress(answer.encode() + b"\n" * (megabytes * 2**20), compresslevel=1)

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        length = ("Content-Length", str(len(packed)))
        exchange.head(200, NDJSON, ("Content-Encoding", "gzip"), length, chunked=False)
        exchange.send(packed)

    return reply


def redirect(location: str) -> Reply:
    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.head(302, ("Location", location), ("Content-Length", "0"), chunked=False)

    return reply


def raw(*pieces: bytes, head: bool = True, pause_s: float = 0.0) -> Reply:
    """These bytes as the body (each its own chunk), or instead of HTTP altogether."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        if head:
            exchange.head(200, NDJSON)
        for piece in pieces:
            exchange.send(piece) if head else exchange.raw(piece)
            await asyncio.sleep(pause_s)
        if not head:
            exchange.cut()

    return reply


def hang_up() -> Reply:
    """Closes the connection without an answer."""

    async def reply(fake: "FakeOllama", exchange: Exchange) -> None:
        exchange.cut()

    return reply


KINDS: dict[str, Callable[..., Reply]] = {
    "answer": Answer,
    "error": error,
    "body": body,
    "lines": lines,
    "broken": broken,
    "unfinished": unfinished,
    "silence": silence,
    "dribble": dribble,
    "babble": babble,
    "bomb": bomb,
    "redirect": redirect,
    "hang_up": hang_up,
}
"""By name, for scripts that come over HTTP to a fake in another process."""


def _tokens(*texts: str) -> list[dict[str, Any]]:
    return [
        {"message": {"role": "assistant", "content": text}, "done": False} for text in texts if text
    ]
