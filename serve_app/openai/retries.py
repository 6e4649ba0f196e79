"""Which session a client means that sends its question again by itself.

OpenAI's own clients do so after a lost connection or a 5xx, without an idempotency key, and count
their retries; other clients of the protocol (the AI SDK) do not count. The same question, asked
anew by a person, is another one: only a retry that is counted, or a question whose line has just
been lost, is given the session that the try before has opened.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from cluster.embedded.exchange import ClientGone, while_connected

COUNT = "x-stainless-retry-count"
WITHIN_S = 900.0
"""Longer than a session takes unless it is told to, and than a client waits before it retries."""
LOST_WITHIN_S = 60.0
"""After that much, whoever asks the same is no client that retries by itself."""
MOST = 1_000
Result = TypeVar("Result")


@dataclass
class _Try:
    """`lost_at`: its client left without the answer, and has not come back yet."""

    at: float
    opening: asyncio.Task[str]
    lost_at: float | None = None


class Retries:
    """In this process: a retry that reaches the next one, after a crash, opens a session anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[str, _Try] = {}

    async def session(self, request: Request, body: str, open: Callable[[], Awaitable[str]]) -> str:
        """What `open` gives, or gave to the try before. Leaving this leaves the opening alone."""
        mark = _mark(request, body)
        if known := self._known(mark, _is_retry(request)):
            known.lost_at = None
            return await asyncio.shield(known.opening)
        opening = asyncio.ensure_future(_opened(open))
        self._tries.pop(mark, None)
        while len(self._tries) >= MOST:
            del self._tries[next(iter(self._tries))]
        self._tries[mark] = _Try(self._clock(), opening)
        return await asyncio.shield(opening)

    def lost(self, request: Request, body: str) -> None:
        """Its client left before it had the answer."""
        if known := self._tries.get(_mark(request, body)):
            known.lost_at = self._clock()

    def _known(self, mark: str, is_retry: bool) -> _Try | None:
        """The try before, unless it opened nothing."""
        known = self._tries.get(mark)
        if known is None or (known.opening.done() and known.opening.exception() is not None):
            return None
        if is_retry:
            return known if self._clock() - known.at <= WITHIN_S else None
        was_lost = known.lost_at is not None and self._clock() - known.lost_at <= LOST_WITHIN_S
        return known if was_lost else None


async def while_waiting(request: Request, body: str, work: Coroutine[Any, Any, Result]) -> Result:
    """The work's result. Raises `ClientGone` when the client leaves first: the session goes on, and
    whoever asks the same again at once is given it."""
    try:
        return await while_connected(request, work)
    except ClientGone:
        retries: Retries = request.app.state.retries
        retries.lost(request, body)
        raise


async def _opened(open: Callable[[], Awaitable[str]]) -> str:
    return await open()


def _is_retry(request: Request) -> bool:
    return request.headers.get(COUNT, "0") not in ("", "0")


def _mark(request: Request, body: str) -> str:
    """Who asks what, and as which try. The key is in it by its hash only."""
    client = request.client.host if request.client else ""
    told = [request.headers.get(name, "") for name in ("authorization", "idempotency-key")]
    parts = (client, *told, request.url.path, body)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
