"""Which models are loaded, and who waits for one. Knows nothing of HTTP or of what is asked.

As Ollama does it: a model is loaded by the first question for it; others wait for the same load.
With `max_loaded` models in memory the least recently used idle one has to go; while none is idle,
the question waits. Another `num_ctx` than the loaded one's reloads the model once it is idle. A
model leaves when its `keep_alive` has passed since its last question. A load that nobody waits for
any more is given up. Among those that wait there is no order: fairness is the caller's.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cluster.embedded.engine import Engine
from cluster.embedded.faults import EngineError
from cluster.embedded.library import ModelFile

log = logging.getLogger(__name__)

Load = Callable[[ModelFile, int], Coroutine[Any, Any, Engine]]


@dataclass(frozen=True)
class Limits:
    """`num_ctx` is the context where a question names none; `keep_alive` in seconds likewise."""

    max_loaded: int = 3
    num_parallel: int = 1
    num_ctx: int = 2048
    keep_alive: float = 300.0


@dataclass(eq=False)
class Resident:
    """A model in memory, or on its way there. `expires` on the monotonic clock, None while used."""

    model: ModelFile
    num_ctx: int
    slots: asyncio.Semaphore
    keep_alive: float
    loading: asyncio.Task[Engine]
    users: int = 0
    used: float = 0.0
    expires: float | None = None
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def engine(self) -> Engine | None:
        """None while it loads, and where the load failed."""
        if not self.loading.done() or self.loading.cancelled() or self.loading.exception():
            return None
        return self.loading.result()

    @property
    def sound(self) -> bool:
        """Still loading, or loaded and its process alive."""
        return not self.loading.done() or (self.engine is not None and self.engine.alive)


class Residents:
    def __init__(self, load: Load, limits: Limits) -> None:
        self._load = load
        self._limits = limits
        self._here: dict[str, Resident] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._closed = False

    @asynccontextmanager
    async def use(
        self, model: ModelFile, num_ctx: int | None, keep_alive: float | None
    ) -> AsyncIterator[tuple[Resident, Engine]]:
        """The loaded model, kept for as long as the context lasts; raises LoadFailed."""
        wanted = num_ctx or self._limits.num_ctx
        wanted = min(wanted, model.header.context_length or wanted)
        while (resident := self._find(model, wanted)) is None:
            await self._change()
        resident.users += 1
        self._keep(resident)
        if keep_alive is not None:
            resident.keep_alive = keep_alive
        try:
            yield resident, await asyncio.shield(resident.loading)
        finally:
            resident.users -= 1
            self._let_go(resident)

    def loaded(self) -> tuple[Resident, ...]:
        return tuple(r for r in self._here.values() if r.engine is not None and r.sound)

    def unload(self, name: str) -> None:
        """At once if the model is idle, else after its last question."""
        if resident := self._here.get(name):
            resident.keep_alive = 0.0
            self._let_go(resident)

    async def close(self) -> None:
        """Ends every model, used or not; nothing is loaded after that."""
        self._closed = True
        for resident in tuple(self._here.values()):
            self._dismiss(resident)
        await asyncio.gather(*self._leaving)

    def _find(self, model: ModelFile, num_ctx: int) -> Resident | None:
        """The resident to use; None if something has to leave first (which is then on its way)."""
        if self._closed:
            raise EngineError(503, "the engine is shutting down")
        found = self._here.get(model.name)
        if found is not None:
            if found.sound and (found.num_ctx, found.model.path) == (num_ctx, model.path):
                return found
            if not found.users:
                self._dismiss(found)
            return None
        if len(self._here) + len(self._leaving) < self._limits.max_loaded:
            return self._admit(model, num_ctx)
        idle = [resident for resident in self._here.values() if not resident.users]
        if idle and not self._leaving:
            self._dismiss(min(idle, key=lambda resident: resident.used))
        return None

    def _admit(self, model: ModelFile, num_ctx: int) -> Resident:
        log.info("loading %s with a context of %d", model.name, num_ctx)
        loading = asyncio.create_task(self._load(model, num_ctx))
        slots = asyncio.Semaphore(self._limits.num_parallel)
        resident = Resident(model, num_ctx, slots, self._limits.keep_alive, loading)
        self._here[model.name] = resident
        return resident

    def _keep(self, resident: Resident) -> None:
        resident.expires = None
        if resident.timer is not None:
            resident.timer.cancel()

    def _let_go(self, resident: Resident) -> None:
        """After a question: what becomes of a model that nobody uses just now."""
        if resident.users or self._here.get(resident.model.name) is not resident:
            return
        self._keep(resident)
        resident.used = time.monotonic()
        if resident.engine is None or not resident.sound or resident.keep_alive <= 0:
            self._dismiss(resident)
        elif math.isinf(resident.keep_alive):
            resident.expires = math.inf
        else:
            resident.expires = resident.used + resident.keep_alive
            resident.timer = asyncio.get_running_loop().call_later(
                resident.keep_alive, self._dismiss, resident
            )
        self._changed()

    def _dismiss(self, resident: Resident) -> None:
        self._keep(resident)
        del self._here[resident.model.name]
        task = asyncio.create_task(_end(resident))
        self._leaving.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        self._changed()

    def _changed(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def _change(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting


async def _end(resident: Resident) -> None:
    """Ends the runner, whether it has loaded or still loads."""
    resident.loading.cancel()
    await asyncio.wait([resident.loading])
    if resident.engine is not None:
        log.info("unloading %s", resident.model.name)
        await resident.engine.stop()
