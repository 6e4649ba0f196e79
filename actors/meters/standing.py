"""How things stand: gauges of the open sessions, the queue and the PCs, looked at when they are
asked for, and time and again for an outlet that cannot ask."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from actors.council.table.model_names import canonical
from actors.messages.occupancy import Occupancy
from actors.meters.catalogue import (
    BREAKER_OPEN,
    OPEN_SESSIONS,
    QUEUE_DEPTH,
    RESIDENT_MODELS,
    SLOTS,
    Meter,
)
from actors.meters.labels import Bounded
from actors.meters.outlet import Labels, Outlet

GAUGES = (OPEN_SESSIONS, QUEUE_DEPTH, SLOTS, RESIDENT_MODELS, BREAKER_OPEN)
EVERY_S = 5.0
"""Ray tells what was set within its last ten seconds."""


class StandingMeters:
    """`look` gives the number of open sessions and how busy the PCs are; it asks nobody."""

    def __init__(
        self,
        outlet: Outlet,
        models: Bounded,
        pcs: Bounded,
        look: Callable[[], tuple[int, Occupancy]],
    ) -> None:
        self._outlet = outlet
        self._models = models
        self._pcs = pcs
        self._look = look

    def read(self) -> None:
        """Sets all gauges as things are now."""
        sessions, occupancy = self._look()
        told: dict[Meter, dict[Labels, float]] = {meter: defaultdict(float) for meter in GAUGES}
        told[OPEN_SESSIONS][()] = sessions
        for model, calls in occupancy.queued.items():
            told[QUEUE_DEPTH][self._models(canonical(model)),] += calls
        for pc in occupancy.pcs:
            name = self._pcs(pc.name)
            told[SLOTS][name, "busy"] += pc.busy
            told[SLOTS][name, "free"] += max(0, pc.slots - pc.busy)
            told[RESIDENT_MODELS][name,] += len(pc.models)
            told[BREAKER_OPEN][name,] += pc.breaker_open
        for meter, values in told.items():
            self._outlet.set(meter, values)

    async def keep_reading(self) -> None:
        """Until it is cancelled."""
        while True:
            self.read()
            await asyncio.sleep(EVERY_S)
