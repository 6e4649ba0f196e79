"""Which PCs can be reached at all: a knock a second at the port of each PC's Ray node.

Ray alone would tell either too soon or too late: over a connection that is up, TCP tries again ever
more rarely, so that a cable that was out for 10 s looks cut for 20. A knock is a new connection
each time. So a short cut only slows a council down, and after a long one the PC counts as gone.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

SILENT_S = 11.5
"""A PC that answers no knock for so long is gone."""
KNOCK_S = 1.0


@dataclass(frozen=True)
class Door:
    """Where to knock."""

    ip: str
    port: int


Knock = Callable[[Door], Awaitable[bool]]


async def knock(door: Door) -> bool:
    """Whether somebody answers there now."""
    try:
        async with asyncio.timeout(KNOCK_S):
            _, writer = await asyncio.open_connection(door.ip, door.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@dataclass
class _Visit:
    """`failing_since` = when the first knock began of those that nobody answered in a row."""

    began_at: float
    answer: asyncio.Task[bool]
    failing_since: float | None = None


class Reach:
    """Knocks in the background: `within` never waits."""

    def __init__(self, knock: Knock = knock, silent_s: float = SILENT_S) -> None:
        self._knock = knock
        self._silent_s = silent_s
        self._visits: dict[str, _Visit] = {}

    def within(self, doors: Mapping[str, Door]) -> set[str]:
        """Those of `doors` that still count as reachable; asked again and again, it knocks anew."""
        now = asyncio.get_running_loop().time()
        for gone in self._visits.keys() - doors.keys():
            self._visits.pop(gone).answer.cancel()
        for name, door in doors.items():
            self._visit(name, door, now)
        return {name for name in doors if self._counts(name, now)}

    def _visit(self, name: str, door: Door, now: float) -> None:
        visit = self._visits.get(name)
        if visit is not None and not visit.answer.done():
            return
        failing_since = None
        if visit is not None and not visit.answer.result():
            failing_since = visit.failing_since or visit.began_at
        answer = asyncio.ensure_future(self._knock(door))
        self._visits[name] = _Visit(now, answer, failing_since)

    def _counts(self, name: str, now: float) -> bool:
        since = self._visits[name].failing_since
        return since is None or now - since < self._silent_s
