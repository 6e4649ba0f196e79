"""The meters of an orchestrator: what it counts, in a registry of its own that is asked for
readings, and in one other outlet if there is one."""

import asyncio
from collections.abc import Callable

from actors.messages.occupancy import Occupancy
from actors.messages.readings import MeterReading
from actors.meters.catalogue import OF_COUNCIL
from actors.meters.labels import Bounded
from actors.meters.outlet import Outlet, Outlets
from actors.meters.registry import MeterRegistry
from actors.meters.sessions import SessionMeters
from actors.meters.standing import StandingMeters


class OrchestratorMeters:
    """`look` as in `StandingMeters`. `heard` is a `Witness`. With another outlet it has a task of
    its own, until `close`."""

    def __init__(
        self, look: Callable[[], tuple[int, Occupancy]], other: Outlet | None = None
    ) -> None:
        self._registry = MeterRegistry(OF_COUNCIL)
        outlet = Outlets(self._registry, *((other,) if other else ()))
        models, pcs = Bounded(), Bounded()
        self._standing = StandingMeters(outlet, models, pcs, look)
        self.heard = SessionMeters(outlet, models, pcs)
        self.generated = self.heard.generated
        self._task: asyncio.Task[None] | None = None
        if other is not None:
            self._task = asyncio.get_running_loop().create_task(self._standing.keep_reading())

    def readings(self) -> tuple[MeterReading, ...]:
        self._standing.read()
        return self._registry.readings()

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
