"""NodeProbe: says what its PC has. A thin shell over `Vitals` and `OllamaClient`; one per PC."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import httpx
import psutil
import ray

from actors.errors import ModelCallError
from actors.messages.calls import CallFailed
from actors.messages.message import Message
from actors.messages.nodes import ModelLimits, NodeEnergy, NodeReport, NodeVitals
from actors.ollama.client import OllamaClient
from actors.ollama.deadlines import Deadlines
from actors.ollama.wire import new_http_client
from actors.pc.leftovers import end_idle_workers
from actors.pc.own_pc import is_own
from actors.pc.pc_meter import PcMeter
from actors.pc.vitals import Vitals

log = logging.getLogger(__name__)

ENERGY_S = 0.5
"""So long a report waits for a look at what the PC uses; else it has the last one's."""


class LocalNode(Message):
    """What a PC's own settings say of it. `disk` is a folder on the disk that matters there;
    `max_models` and `num_parallel` as in `NodeReport`."""

    name: str
    ip: str
    role: Literal["head", "worker"]
    ollama_url: str
    max_models: int
    num_parallel: int
    disk: Path = Path("/")


class NodeProbe:
    """`local` is called once, on the PC itself: only there are that PC's settings to be read.
    `meter` tells of this PC, and is not asked where its model server is on another one."""

    def __init__(
        self,
        local: Callable[[], LocalNode],
        http: Callable[[], httpx.AsyncClient] = new_http_client,
        meter: Callable[[], PcMeter] = PcMeter,
    ) -> None:
        self._local = local()
        self._meter = meter() if is_own(self._local.ollama_url) else None
        self._look: asyncio.Task[None] | None = None
        self._energy: NodeEnergy | None = None
        self._vitals = Vitals(self._local.disk)
        self._client = OllamaClient(http(), self._local.ollama_url, Deadlines(), num_ctx=None)

    async def report(self) -> NodeReport:
        """The PC as it is now. Never raises: what cannot be told is None, or says why."""
        began = time.monotonic()
        vitals, ollama, energy = await asyncio.gather(
            asyncio.to_thread(self._read_vitals), self._client.status(), self._read_energy()
        )
        return NodeReport(
            name=self._local.name,
            ip=self._local.ip,
            role=self._local.role,
            at=datetime.now(UTC),
            took_s=time.monotonic() - began,
            python=platform.python_version(),
            ray=ray.__version__,
            vitals=vitals,
            energy=energy,
            ollama=ollama,
            max_models=self._local.max_models,
            num_parallel=self._local.num_parallel,
        )

    async def show(self, model: str) -> ModelLimits | CallFailed:
        """The model's own limits, as this PC's server tells them."""
        try:
            return await self._client.show(model)
        except ModelCallError as error:
            return CallFailed(
                code=error.code,
                detail=error.detail,
                retryable=error.retryable,
                node=self._local.name,
            )

    def end_idle_workers(self, older_than_s: float) -> int:
        """Of this PC's Ray node, whose own child this process is. How many were ended."""
        return end_idle_workers(os.getppid(), older_than_s)

    async def _read_energy(self) -> NodeEnergy | None:
        """One look at a time, however long it takes."""
        if self._meter is None:
            return None
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._have_looked(self._meter))
        await asyncio.wait((self._look,), timeout=ENERGY_S)
        return self._energy

    async def _have_looked(self, meter: PcMeter) -> None:
        self._energy = await asyncio.to_thread(meter.look)

    def _read_vitals(self) -> NodeVitals | None:
        try:
            return self._vitals.read()
        except (OSError, psutil.Error) as error:
            log.warning("no vitals: %s", error)
            return None


RemoteNodeProbe = ray.remote(NodeProbe)
