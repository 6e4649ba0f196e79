"""A whole council in this process: orchestrator, chairman, pool and agents, over real sockets.

All of it is the real thing but Ray: `LocalHosts` makes plain `OllamaAgent`s and `NodeProbe`s, and
listens to an agent's batches as `RemoteAgent` would. `LocalCouncil` is the `Council` for the API.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from actors.agent import AgentConfig, OllamaAgent
from actors.chairman import ChairmanActor
from actors.council.session import replay
from actors.council.telling import minutes
from actors.errors import AgentLost, NodeGone
from actors.messages.calls import Agent, CallFailed, Delta, GenerateCall, Generated
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import LiveEvent, StoredEvent
from actors.messages.nodes import ModelCatalogue, ModelLimits, NodeReport, NodeStanding
from actors.messages.readings import MeterReading
from actors.messages.requests import NOWHERE, CouncilRequest, Origin, WorkerRequest, WorkerResult
from actors.messages.sessions import CouncilSession, SessionSummary
from actors.ollama.deadlines import Deadlines
from actors.ollama.wire import new_http_client
from actors.orchestrator import CouncilOrchestrator
from actors.pc.call_meter import CallMeters
from actors.pc.energy import POWERCAP
from actors.pc.pc_meter import PcMeter
from actors.probe import LocalNode, NodeProbe
from actors.sessions.calls import failed
from actors.store import session_file, session_rows
from actors.telemetry.traces import Collector
from cluster.hosts import Site
from cluster.nodes import NodeView
from cluster.pool import CouncilPool, PoolConfig
from tests.fakes import Request

PATIENT = PoolConfig(report_s=3600.0, watch_s=0.05)
"""PCs are asked for their report once, and then only if need be: a test says when they change."""


@dataclass(frozen=True)
class LocalPc:
    """A PC, by the URL of its model server. `powercap`: where it tells what it uses."""

    name: str
    url: str
    max_models: int = 3
    num_parallel: int = 1
    is_head: bool = False
    powercap: Path = POWERCAP

    @property
    def view(self) -> NodeView:
        return NodeView(self.name, self.name, "127.0.0.1", self.max_models, self.is_head)

    def local(self) -> LocalNode:
        return LocalNode(
            name=self.name,
            ip="127.0.0.1",
            role="head" if self.is_head else "worker",
            ollama_url=self.url,
            max_models=self.max_models,
            num_parallel=self.num_parallel,
        )


class NearAgent:
    """An agent heard by its batches, as over Ray. `answered`: what was asked and answered."""

    def __init__(self, agent: OllamaAgent, answered: list[tuple[GenerateCall, Generated]]) -> None:
        self._agent = agent
        self._answered = answered

    async def generate(self, call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        async with aclosing(self._agent.batches(call)) as batches:
            async for batch in batches:
                for event in batch:
                    if isinstance(event, Generated):
                        self._answered.append((call, event))
                    yield event
                    if not isinstance(event, Delta):
                        return
        gone = AgentLost("The agent ended without a result.")
        yield CallFailed(code=gone.code, detail=gone.detail, retryable=gone.retryable)


class LocalHosts:
    """Implements `cluster.hosts.Hosts` in this process. `pcs` may change: PCs come and go."""

    def __init__(self, *pcs: LocalPc, deadlines: Deadlines, num_ctx: int) -> None:
        self.pcs = {pc.name: pc for pc in pcs}
        self.answered: list[tuple[GenerateCall, Generated]] = []
        self._deadlines = deadlines
        self._num_ctx = num_ctx
        self._probes: dict[str, NodeProbe] = {}
        self._agents: dict[Site, OllamaAgent] = {}
        self._made: list[OllamaAgent] = []
        self._clients: list[httpx.AsyncClient] = []

    async def unplug(self, name: str) -> LocalPc:
        """The PC is gone with all that ran there, as Ray tells it. Returns it, to be plugged in."""
        self._probes.pop(name, None)
        for site in [site for site in self._agents if site.node == name]:
            await self._agents.pop(site).claim(self._config(site))
        return self.pcs.pop(name)

    def plug(self, pc: LocalPc) -> None:
        self.pcs[pc.name] = pc

    async def nodes(self) -> tuple[NodeView, ...]:
        return tuple(pc.view for pc in self.pcs.values())

    async def report(self, node: NodeView) -> NodeReport:
        if node.name not in self._probes:
            pc = self.pcs.get(node.name)
            if pc is None:  # it has just left: it tells nothing, as over Ray
                role = "head" if node.is_head else "worker"
                return NodeReport(name=node.name, ip=node.ip, role=role, at=datetime.now(UTC))
            meter = partial(PcMeter, pc.powercap)
            self._probes[node.name] = NodeProbe(pc.local, self._http, meter)
        return await self._probes[node.name].report()

    async def limits(self, node: NodeView, model: str) -> ModelLimits | CallFailed:
        return await self._probes[node.name].show(model)

    async def start(self, site: Site) -> Agent | CallFailed:
        if site.node not in self.pcs:  # it went away while the agent was to be placed
            return failed(NodeGone(f"{site.node} is gone."), site.node)
        meters = partial(CallMeters, powercap=self.pcs[site.node].powercap)
        agent = self._agents[site] = OllamaAgent(self._config(site), self._http, meters)
        self._made.append(agent)
        return await agent.load() or NearAgent(agent, self.answered)

    async def stop(self, site: Site) -> None:
        if agent := self._agents.pop(site, None):
            await agent.unload()

    async def found(self) -> tuple[Site, ...]:
        return ()

    async def close(self) -> None:
        for agent in self._made:
            agent.let_go()
        for client in self._clients:
            await client.aclose()

    def _config(self, site: Site) -> AgentConfig:
        return AgentConfig(
            model=site.model,
            url=site.url,
            node=site.node,
            num_ctx=self._num_ctx,
            num_parallel=site.num_parallel,
            deadlines=self._deadlines,
        )

    def _http(self) -> httpx.AsyncClient:
        self._clients.append(new_http_client())
        return self._clients[-1]


class LocalCouncil:
    """Implements `cluster.council.Council` over an orchestrator in this process."""

    def __init__(self, orchestrator: CouncilOrchestrator, hosts: LocalHosts) -> None:
        self.orchestrator = orchestrator
        self.hosts = hosts

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        return await self.orchestrator.open(request, idempotency_key, origin)

    async def wait(self, session_id: str) -> CouncilSession:
        return await self.orchestrator.wait(session_id)

    async def ask(self, request: CouncilRequest) -> CouncilSession:
        return await self.wait((await self.open(request)).session_id)

    async def session(self, session_id: str) -> CouncilSession:
        return await self.orchestrator.session(session_id)

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        return await self.orchestrator.sessions(limit, before, q)

    async def events(
        self, session_id: str, after: int = 0
    ) -> AsyncIterator[StoredEvent | LiveEvent]:
        async with aclosing(self.orchestrator.events(session_id, after)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def cancel(self, session_id: str) -> CouncilSession:
        return await self.orchestrator.cancel(session_id)

    async def purge(self, session_id: str) -> None:
        await self.orchestrator.purge(session_id)

    async def catalogue(self) -> ModelCatalogue:
        return await self.orchestrator.catalogue()

    async def generate(self, request: WorkerRequest, origin: Origin = NOWHERE) -> WorkerResult:
        return await self.orchestrator.generate(request, origin)

    async def chat(
        self, request: LocalChat, origin: Origin = NOWHERE
    ) -> AsyncIterator[Delta | Generated | None]:
        async with aclosing(self.orchestrator.chat(request, origin)) as batches:
            async for batch in batches:
                for event in batch or (None,):
                    yield event  # type: ignore[misc]

    async def embed(self, request: LocalEmbedding, origin: Origin = NOWHERE) -> Generated:
        return await self.orchestrator.embed(request, origin)

    async def limits(self, model: str) -> ModelLimits:
        return await self.orchestrator.limits(model)

    async def nodes(self) -> tuple[NodeReport, ...]:
        return await self.orchestrator.nodes()

    async def standings(self) -> tuple[NodeStanding, ...]:
        return await self.orchestrator.standings()

    async def drain(self, node: str) -> NodeStanding:
        return await self.orchestrator.drain(node)

    async def readmit(self, node: str) -> NodeStanding:
        return await self.orchestrator.readmit(node)

    async def readiness(self) -> dict[str, bool]:
        return await self.orchestrator.readiness()

    async def meters(self) -> tuple[MeterReading, ...]:
        return await self.orchestrator.meters()


@asynccontextmanager
async def local_council(
    home: Path,
    *pcs: LocalPc,
    deadlines: Deadlines = Deadlines(),  # noqa: B008 - a frozen value
    pool: PoolConfig = PATIENT,
    make_collector: Callable[[], Collector | None] = lambda: None,
    **config: Any,
) -> AsyncIterator[LocalCouncil]:
    """`config`: fields of `OrchestratorConfig`. Its store is `home/sessions.db`."""
    hosts = LocalHosts(*pcs, deadlines=deadlines, num_ctx=pool.num_ctx)
    wanted = OrchestratorConfig(store_path=home / "sessions.db", **config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hosts.close)
        orchestrator = CouncilOrchestrator(
            wanted, lambda: CouncilPool(pool, hosts), ChairmanActor(), make_collector
        )
        stack.push_async_callback(orchestrator.close)
        yield LocalCouncil(orchestrator, hosts)


async def kept_events(home: Path, session_id: str) -> list[StoredEvent]:
    """What is on disk of the session, read beside whoever writes."""
    with closing(session_file.connect(home / "sessions.db", 5.0)) as reader:
        session_rows.read_only(reader)
        return session_rows.events(reader, session_id, 0)


async def kept(home: Path, session_id: str) -> CouncilSession:
    """The session as what is on disk tells it."""
    return minutes.view(replay(await kept_events(home, session_id)))


def stage_of(request: Request) -> str:
    """The stage that a chat belongs to, by its prompt. A review that begins with a critique has a
    second chat, `ballot`."""
    wanted, messages = request.json.get("format"), request.json["messages"]
    if wanted and "better" in wanted["properties"]:
        return "guard"
    if wanted:
        return "ballot" if messages[-2]["role"] == "assistant" else "review"
    last = messages[-1]["content"]
    if "Give no scores yet" in last:
        return "review"
    if "Anonymous judges read your answer" in last:
        return "revision"
    return "synthesis" if "you are the chairman" in last else "opinions"
