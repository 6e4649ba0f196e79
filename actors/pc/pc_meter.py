"""What a whole PC uses, look by look: joules since the first one, watts now. For its probe.

Told only where every part that counts tells: the processor (`energy.py`), and each NVIDIA card
(`cards.py`). What a card used between two looks is estimated from what it drew at both.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from actors.clock import now
from actors.messages.nodes import NodeEnergy
from actors.pc import cards
from actors.pc.energy import POWERCAP, Meter

LONGEST_S = 60.0
"""Between two looks: after more, nobody knows what a card drew meanwhile."""
SHORTEST_S = 0.1
"""The processor's counters move in steps of a millisecond and more."""
MOST_WATTS = 4_000.0
"""More than the processors and the memory of a PC can draw: a counter was set back, as by sleep,
and looks as if it had begun anew. Not much more: what a package's counter holds is 262 kJ."""


@dataclass
class _Count:
    """From one look on, until something does not tell. `processor`: its joules at the last look."""

    meter: Meter
    since: datetime
    at: float
    drawn: tuple[float, ...]
    processor: float = 0.0
    joules: float = 0.0
    told: NodeEnergy | None = None


class PcMeter:
    """`look` is for one thread at a time."""

    def __init__(
        self, powercap: Path = POWERCAP, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._powercap = powercap
        self._clock = clock
        self._count: _Count | None = None

    def look(self) -> NodeEnergy | None:
        """None where this PC does not tell. Counts anew, with another `since`, after a look that
        failed or came late, and where a card has gone or come. Takes as long as `nvidia-smi`."""
        if self._count is None and Meter(self._powercap).joules() is None:
            return None
        drawn = cards.watts()
        if self._count is None or drawn is None or not self._goes_on(self._count, drawn):
            self._count = self._anew(drawn)
        return self._count.told if self._count else None

    def _goes_on(self, count: _Count, drawn: tuple[float, ...]) -> bool:
        """False where it cannot be told what was used since the last look."""
        at, processor = self._clock(), count.meter.joules()
        passed = at - count.at
        if processor is None or passed > LONGEST_S or len(drawn) != len(count.drawn):
            return False
        if passed < SHORTEST_S:
            return True  # the last look is as good, and the next one counts from there
        by_processor = processor - count.processor
        if by_processor > MOST_WATTS * passed:
            return False
        count.joules += by_processor + passed * (sum(drawn) + sum(count.drawn)) / 2
        count.at, count.drawn, count.processor = at, drawn, processor
        watts = by_processor / passed + sum(drawn)
        count.told = _told(count, round(watts, 1))
        return True

    def _anew(self, drawn: tuple[float, ...] | None) -> _Count | None:
        meter = Meter(self._powercap)
        if drawn is None or meter.joules() is None:
            return None
        count = _Count(meter, now(), self._clock(), drawn)
        count.told = _told(count, None)
        return count


def _told(count: _Count, watts: float | None) -> NodeEnergy:
    return NodeEnergy(
        joules=round(count.joules, 1), since=count.since, watts=watts, cards=len(count.drawn)
    )
