"""The pool on Ray: PCs are Ray nodes, agents and probes are actors pinned to them.

Thin: decides nothing. Every question to another PC has its own timeout, since until Ray notices
that a PC is gone no call there raises.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any, Literal

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError
from ray.util import list_named_actors

from actors.agent import AgentConfig
from actors.errors import AgentLost, ModelLoadFailed, NodeUnreachable
from actors.messages.calls import Agent, CallFailed
from actors.messages.nodes import ModelLimits, NodeReport
from actors.ollama.deadlines import Deadlines
from actors.remote import RemoteAgent
from cluster import clocks, launch
from cluster.hosts import Site
from cluster.nodes import NodeView, views
from cluster.pool import CouncilPool, PoolConfig
from cluster.reach import Door, Reach

log = logging.getLogger(__name__)

CREATION_S = 150.0
"""For an actor's process to start: 1 s on an idle PC, far more when several start at once."""
STUCK_S = 12.0
"""An actor that is not created by then may find its place taken (`actors/pc/leftovers.py`)."""
REPORT_S = 15.0
PROBE_CREATION_S = 60.0
STOP_S = 10.0
AGAIN_S = 0.2


class RayHosts:
    """Implements `cluster.hosts.Hosts`."""

    def __init__(self, deadlines: Deadlines, num_ctx: int) -> None:
        self._deadlines = deadlines
        self._num_ctx = num_ctx
        self._probes: dict[str, Any] = {}
        self._nodes: tuple[NodeView, ...] = ()
        self._reach = Reach()

    async def nodes(self) -> tuple[NodeView, ...]:
        """Asked in a thread: it blocks, for about 2 ms. While Ray's head does not answer, the PCs
        are the last known ones. A PC that cannot be reached is gone before Ray says so."""
        try:
            records = await asyncio.to_thread(ray.nodes)
            reached = self._reach.within(_doors(records))
            self._nodes = views(r for r in records if r["NodeID"] in reached)
        except (RayError, ConnectionError) as error:
            log.warning("Ray does not say who is alive: %s", type(error).__name__)
        return self._nodes

    async def report(self, node: NodeView) -> NodeReport:
        """A PC's own report, or an empty one if it does not answer in time."""
        known = node.node_id in self._probes
        try:
            async with asyncio.timeout(REPORT_S if known else PROBE_CREATION_S):
                probe: Any = self._probes.get(node.node_id)
                if probe is None:
                    probe = await asyncio.to_thread(launch.start_probe, node)
                began = time.monotonic()
                report: NodeReport = await _patiently(probe.report)
                passed_s, now = time.monotonic() - began, datetime.now(UTC)
        except (RayError, TimeoutError) as error:
            log.warning("no report from %s: %s", node.name, type(error).__name__)
            self._probes.pop(node.node_id, None)
            role: Literal["head", "worker"] = "head" if node.is_head else "worker"
            return NodeReport(name=node.name, ip=node.ip, role=role, at=datetime.now(UTC))
        self._probes[node.node_id] = probe
        clock = clocks.reading(report.at, report.took_s, now, passed_s)
        return report.model_copy(update={"clock": clock})

    async def limits(self, node: NodeView, model: str) -> ModelLimits | CallFailed:
        """By the PC's probe, which is there once the PC has reported."""
        try:
            async with asyncio.timeout(REPORT_S):
                told: ModelLimits | CallFailed = await _patiently(
                    self._probes[node.node_id].show, model
                )
                return told
        except (KeyError, RayError, TimeoutError):
            error = NodeUnreachable(f"{node.name} does not tell of {model} just now.")
            return CallFailed(
                code=error.code, detail=error.detail, retryable=error.retryable, node=node.name
            )

    async def start(self, site: Site) -> Agent | CallFailed:
        """An agent with its model loaded. One with another config is replaced."""
        config = AgentConfig(
            model=site.model,
            url=site.url,
            node=site.node,
            num_ctx=self._num_ctx,
            num_parallel=site.num_parallel,
            deadlines=self._deadlines,
        )
        try:
            async with asyncio.timeout(CREATION_S):
                handle = await self._claimed(config)
            async with asyncio.timeout(self._deadlines.first_token_s + self._deadlines.connect_s):
                failure: CallFailed | None = await handle.load.remote()
        except RayError as error:
            return _failed(AgentLost, f"The agent died ({type(error).__name__}).", site)
        except TimeoutError:
            return _failed(ModelLoadFailed, "The model was not loaded in time.", site)
        return failure or RemoteAgent(handle, site.node)

    async def _claimed(self, config: AgentConfig) -> Any:
        """The agent that is there, or a new one; one made otherwise is replaced. While none is
        created, workers that Ray holds for nobody are ended: they may have its place. Over a bad
        cable a worker itself takes long to begin, so each round is twice as patient."""
        handle = await asyncio.to_thread(launch.start_agent, config)
        asked = asyncio.ensure_future(_patiently(handle.claim, config))
        patience_s = STUCK_S
        try:
            while not (await asyncio.wait((asked,), timeout=patience_s))[0]:
                await self._make_room(config.node, patience_s)
                patience_s *= 2
            if await asked:
                return handle
        finally:
            asked.cancel()
        ray.kill(handle)
        return await _replaced(config)

    async def _make_room(self, name: str, older_than_s: float) -> None:
        probe = next(
            (
                self._probes[n.node_id]
                for n in self._nodes
                if n.name == name and n.node_id in self._probes
            ),
            None,
        )
        if probe is None:
            return
        try:
            async with asyncio.timeout(REPORT_S):
                ended = await probe.end_idle_workers.remote(older_than_s)
        except (RayError, TimeoutError) as error:
            log.info("%s is not asked for idle workers: %s", name, type(error).__name__)
            return
        if ended:
            log.warning("%s: %d workers held a place for nobody; they were ended", name, ended)

    async def stop(self, site: Site) -> None:
        """Unloads, as far as the agent answers, and ends the actor."""
        name = launch.agent_name(site.node, site.model)
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, launch.NAMESPACE)
        except (ValueError, RayError):
            return
        try:
            async with asyncio.timeout(STOP_S):
                await handle.unload.remote()
        except (RayError, TimeoutError) as error:
            log.info("%s is ended without unloading: %s", name, type(error).__name__)
        ray.kill(handle)

    async def found(self) -> tuple[Site, ...]:
        """Detached agents in our namespace, whoever made them."""
        named = await asyncio.to_thread(list_named_actors)
        places = [launch.agent_place(name) for name in named]
        return tuple(Site(node=place[0], model=place[1]) for place in places if place)


def _doors(records: list[dict[str, Any]]) -> dict[str, Door]:
    """Of the nodes that are alive by Ray's account: the port of each one's node manager."""
    alive = [record for record in records if record["Alive"]]
    return {r["NodeID"]: Door(r["NodeManagerAddress"], r["NodeManagerPort"]) for r in alive}


async def _patiently(method: Any, *arguments: Any) -> Any:
    """Asks until the actor's process is up (again). The caller bounds the time; what is asked may
    be done twice."""
    while True:
        try:
            return await method.remote(*arguments)
        except ActorUnavailableError:
            await asyncio.sleep(AGAIN_S)


async def _replaced(config: AgentConfig) -> Any:
    """A new agent after a killed one: its name comes free a moment later."""
    while True:
        try:
            handle = await asyncio.to_thread(launch.start_agent, config)
            if await _patiently(handle.claim, config):
                return handle
        except RayActorError:
            await asyncio.sleep(AGAIN_S)


def _failed(kind: type[AgentLost] | type[ModelLoadFailed], why: str, site: Site) -> CallFailed:
    error = kind(f"{site.model} on {site.node}: {why}")
    return CallFailed(
        code=error.code, detail=error.detail, retryable=error.retryable, node=site.node
    )


class RayPool(CouncilPool):
    """The pool that the orchestrator makes, in its own process."""

    def __init__(self, config: PoolConfig, deadlines: Deadlines) -> None:
        super().__init__(config, RayHosts(deadlines, config.num_ctx))
