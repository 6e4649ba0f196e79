"""How things stand: gauges of the open sessions, the queue and the PCs, looked at when they are
asked for, and time and again for an outlet that cannot ask."""

import asyncio
from collections.abc import Callable

from actors.council.table.model_names import canonical
from actors.messages.occupancy import Occupancy
from actors.meters import catalogue
from actors.meters.labels import Bounded
from actors.meters.outlet import Labels, Outlet

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
        pcs = {self._pcs(pc.name): pc for pc in occupancy.pcs}
        slots: dict[Labels, float] = {}
        for name, pc in pcs.items():
            slots[name, "busy"] = pc.busy
            slots[name, "free"] = max(0, pc.slots - pc.busy)
        queued: dict[Labels, float] = {}
        for model, calls in occupancy.queued.items():
            label = (self._models(canonical(model)),)
            queued[label] = queued.get(label, 0) + calls
        self._outlet.set(catalogue.OPEN_SESSIONS, {(): sessions})
        self._outlet.set(catalogue.QUEUE_DEPTH, queued)
        self._outlet.set(catalogue.SLOTS, slots)
        self._outlet.set(catalogue.RESIDENT_MODELS, {(n,): len(pc.models) for n, pc in pcs.items()})
        self._outlet.set(catalogue.BREAKER_OPEN, {(n,): pc.breaker_open for n, pc in pcs.items()})

    async def keep_reading(self) -> None:
        """Until it is cancelled."""
        while True:
            self.read()
            await asyncio.sleep(EVERY_S)
