"""Which try of its question a client's request is.

Clients send a question again by themselves after a lost connection or a 5xx, without an idempotency
key. OpenAI's own count their retries; others (the AI SDK) do not. The same question, asked anew by
a person, is another one: only a retry that is counted, or a question whose line has just been lost,
means the session of the try before.
"""

import hashlib
import time
from collections.abc import Callable

from starlette.requests import Request

from actors.messages.requests import Try

COUNT = "x-stainless-retry-count"
LOST_WITHIN_S = 60.0
"""After that much, whoever asks the same is no client that retries by itself."""
MOST = 1_000


class LostLines:
    """The tries whose client left without the answer and has not come back yet. Of this process: a
    crash, which cuts all lines, is survived by clients that count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lost: dict[str, float] = {}

    def lost(self, mark: str) -> None:
        self._lost.pop(mark, None)
        while len(self._lost) >= MOST:
            del self._lost[next(iter(self._lost))]
        self._lost[mark] = self._clock()

    def found(self, mark: str) -> bool:
        """Whether it was lost a moment ago; from now on it is not."""
        return self._clock() - self._lost.pop(mark, float("-inf")) <= LOST_WITHIN_S


def tried(request: Request, body: str, lines: LostLines) -> Try:
    mark = mark_of(request, body)
    counted = request.headers.get(COUNT, "0") not in ("", "0")
    return Try(mark=mark, again=lines.found(mark) or counted)


def mark_of(request: Request, body: str) -> str:
    """Who asks what; the key is in it by its hash only."""
    client = request.client.host if request.client else ""
    parts = (client, request.headers.get("authorization", ""), request.url.path, body)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
