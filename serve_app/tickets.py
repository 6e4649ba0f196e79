"""Tickets: what a browser, which cannot send a header with a stream, shows in its place.

A ticket opens one stream, once, within 30 s; so it may stand in a URL, where a key must not. Knows
nothing of requests.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

LIFETIME_S = 30
MAX_WAITING = 1_024
"""Beyond that the oldest ones end early."""


class Tickets:
    """Those that wait to be used, by their hashes, the oldest first."""

    def __init__(
        self,
        clock: Callable[[], float] = monotonic,
        make: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._clock = clock
        self._make = make
        self._waiting: OrderedDict[bytes, float] = OrderedDict()

    def issue(self) -> str:
        ticket, now = self._make(), self._clock()
        while self._waiting and (
            len(self._waiting) >= MAX_WAITING or next(iter(self._waiting.values())) <= now
        ):
            self._waiting.popitem(last=False)
        self._waiting[_digest(ticket)] = now + LIFETIME_S
        return ticket

    def redeem(self, ticket: str) -> bool:
        """Whether it opens; it never does again."""
        return self._waiting.pop(_digest(ticket), 0.0) > self._clock()


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "replace")).digest()
