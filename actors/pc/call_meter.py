"""What this PC uses while a call runs on it, in joules, all that runs there beside it included.

Of the processor by its counters, before and after; of NVIDIA cards by what they draw meanwhile
times the time. Nothing waits for a look at the cards.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.pc.card_watch import CardWatch, Look, mean_watts
from actors.pc.energy import POWERCAP, Meter
from actors.pc.own_pc import is_own
from actors.pc.pc_meter import MOST_WATTS


class CallMeter:
    """Of one call."""

    def __init__(self, meter: Meter | None, looks: list[Look]) -> None:
        self._meter = meter
        self._looks = looks
        self._began = _now()

    async def joules(self) -> float | None:
        """Until now; None where this PC does not tell all of it."""
        if self._meter is None:
            return None
        drawn, passed = mean_watts(self._looks), _now() - self._began
        processor = await asyncio.to_thread(self._meter.joules)
        if processor is None or drawn is None or processor > MOST_WATTS * max(1.0, passed):
            return None
        return round(processor + drawn * passed, 3)


class CallMeters:
    """Of all calls to the model server at `url`: one on another PC is not measured here."""

    def __init__(self, url: str, powercap: Path = POWERCAP) -> None:
        self._powercap = powercap
        self._told = is_own(url) and Meter(powercap).joules() is not None
        self._cards = CardWatch()

    @asynccontextmanager
    async def call(self) -> AsyncIterator[CallMeter]:
        """From now on. Where this PC tells nothing, it costs nothing."""
        if not self._told:
            yield CallMeter(None, [])
            return
        with self._cards.listening() as looks:
            yield CallMeter(await asyncio.to_thread(Meter, self._powercap), looks)


def _now() -> float:
    return asyncio.get_running_loop().time()
