"""Which PCs can be reached at all: a knock a second at the port of each PC's Ray node.

Ray alone would tell either too soon or too late: over a connection that is up, TCP tries again ever
more rarely, so that a cable that was out for 10 s looks cut for 20. A knock is a new connection
each time. So a short cut only slows a council down, and after a long one the PC counts as gone.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

SILENT_S = 11.5
"""A PC that answers no knock for so long is gone. An answer may take as long: a full cable is slow
for seconds, and TCP tries a lost knock again after 1, 3 and 7 s."""
AGAIN_S = 1.0
"""While one is not answered yet, the next one goes after this long."""


@dataclass(frozen=True)
class Door:
    """Where to knock."""

    ip: str
    port: int


Knock = Callable[[Door], Awaitable[bool]]


async def knock(door: Door) -> bool:
    """Whether somebody answers there now."""
    try:
        async with asyncio.timeout(SILENT_S):
            _, writer = await asyncio.open_connection(door.ip, door.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@dataclass
class _Visit:
    """At one door. `silent_since` = when the first knock began of those that nobody answered since
    the one that began at `answered`."""

    knocks: dict[float, asyncio.Task[bool]] = field(default_factory=dict)
    answered: float = -math.inf
    silent_since: float | None = None

    def hear(self) -> None:
        """Takes in the knocks that are over."""
        over = {began_at: k for began_at, k in self.knocks.items() if k.done()}
        for began_at, done in over.items():
            del self.knocks[began_at]
            if done.result():
                self.answered, self.silent_since = max(self.answered, began_at), None
            elif began_at > self.answered:
                self.silent_since = self.silent_since or began_at


class Reach:
    """Knocks in the background: `within` never waits."""

    def __init__(
        self, knock: Knock = knock, silent_s: float = SILENT_S, again_s: float = AGAIN_S
    ) -> None:
        self._knock = knock
        self._silent_s = silent_s
        self._again_s = again_s
        self._visits: dict[str, _Visit] = {}

    def within(self, doors: Mapping[str, Door]) -> set[str]:
        """Those of `doors` that still count as reachable; asked again and again, it knocks anew."""
        now = asyncio.get_running_loop().time()
        for gone in self._visits.keys() - doors.keys():
            for underway in self._visits.pop(gone).knocks.values():
                underway.cancel()
        for name, door in doors.items():
            visit = self._visits.setdefault(name, _Visit())
            visit.hear()
            if now - max(visit.knocks, default=-math.inf) >= self._again_s:
                visit.knocks[now] = asyncio.ensure_future(self._knock(door))
        return {name for name in doors if self._counts(name, now)}

    def _counts(self, name: str, now: float) -> bool:
        since = self._visits[name].silent_since
        return since is None or now - since < self._silent_s
