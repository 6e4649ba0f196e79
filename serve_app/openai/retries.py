"""Which session a client means that sends its question again by itself.

OpenAI's own clients do so after a lost connection or a 5xx, without an idempotency key, and count
their retries. The same question, asked anew by a person, is another one: only a retry is given the
session that its first try has opened.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request

COUNT = "x-stainless-retry-count"
WITHIN_S = 900.0
"""Longer than a session takes unless it is told to, and than a client waits before it retries."""
MOST = 1_000


class Retries:
    """In this process: a retry that reaches the next one, after a crash, opens a session anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[str, tuple[float, asyncio.Task[str]]] = {}

    async def session(self, request: Request, body: str, open: Callable[[], Awaitable[str]]) -> str:
        """What `open` gives, or gave to the try before. Leaving this leaves the opening alone."""
        mark = _mark(request, body)
        if _is_retry(request) and (known := self._known(mark)):
            return await asyncio.shield(known)
        opening = asyncio.ensure_future(_opened(open))
        self._tries.pop(mark, None)
        while len(self._tries) >= MOST:
            del self._tries[next(iter(self._tries))]
        self._tries[mark] = (self._clock(), opening)
        return await asyncio.shield(opening)

    def _known(self, mark: str) -> "asyncio.Task[str] | None":
        """The try before, unless it opened nothing."""
        at, opening = self._tries.get(mark, (float("-inf"), None))
        failed = opening is not None and opening.done() and opening.exception() is not None
        return None if failed or self._clock() - at > WITHIN_S else opening


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
