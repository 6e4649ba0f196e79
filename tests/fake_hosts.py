"""PCs without Ray: what they have is a dict, their agents answer by a script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from actors.messages.calls import (
    Agent,
    CallFailed,
    CallTiming,
    Delta,
    GenerateCall,
    Generated,
    TokenUsage,
)
from actors.messages.nodes import InstalledModel, ModelLimits, NodeReport, OllamaStatus
from cluster.hosts import Site
from cluster.nodes import NodeView


def failure(code: str) -> CallFailed:
    return CallFailed(code=code, detail=f"told so: {code}", retryable=True)


def answer(text: str) -> Generated:
    return Generated(content=text, usage=TokenUsage(), timing=CallTiming())


@dataclass
class FakePc:
    """A PC with models on disk. `load_fails` by model; `deaths`: so many agents die while they
    start; `gate` holds loads up, `exit` stops."""

    name: str
    models: tuple[str, ...]
    max_models: int = 3
    num_parallel: int = 1
    is_head: bool = False
    connected: bool = True
    answers: bool = True
    node_id: str = "first"
    load_fails: dict[str, str] = field(default_factory=dict)
    deaths: int = 0
    gate: asyncio.Event | None = None
    exit: asyncio.Event | None = None
    ends: list[CallFailed | None] = field(default_factory=list)

    @property
    def view(self) -> NodeView:
        return NodeView(self.name, self.node_id, "10.0.0.9", self.max_models, self.is_head)

    def report(self) -> NodeReport:
        status = OllamaStatus(
            url=f"http://{self.name}",
            connected=self.connected,
            installed=tuple(InstalledModel(name=m) for m in self.models if self.connected),
        )
        return NodeReport(
            name=self.name,
            ip="10.0.0.9",
            role="head" if self.is_head else "worker",
            at=datetime.now(UTC),
            ollama=status if self.answers else None,
            num_parallel=self.num_parallel,
        )


class FakeAgent:
    """Each call ends as the PC's list `ends` says, or else well."""

    def __init__(self, pc: FakePc) -> None:
        self._pc = pc

    async def generate(self, call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        yield Delta(text="Because")
        end = self._pc.ends.pop(0) if self._pc.ends else None
        yield end or answer("Because.")


class FakeHosts:
    """Remembers every start and stop in `log`. `left_over` = agents that a former pool left."""

    def __init__(self, *pcs: FakePc, left_over: tuple[Site, ...] = ()) -> None:
        self.pcs = {pc.name: pc for pc in pcs}
        self._all = dict(self.pcs)
        self.left_over = left_over
        self.log: list[tuple[str, str, str]] = []
        self.asked: list[str] = []

    async def nodes(self) -> tuple[NodeView, ...]:
        return tuple(pc.view for pc in self.pcs.values())

    async def report(self, node: NodeView) -> NodeReport:
        """A PC that has just left tells nothing, as over Ray."""
        self.asked.append(node.name)
        there = self.pcs.get(node.name)
        return there.report() if there else FakePc(node.name, (), answers=False).report()

    async def limits(self, node: NodeView, model: str) -> ModelLimits | CallFailed:
        self.asked.append(f"{node.name} of {model}")
        code = self.pcs[node.name].load_fails.get(model)
        return failure(code) if code else ModelLimits(context_length=8192)

    async def start(self, site: Site) -> Agent | CallFailed:
        self.log.append(("start", site.node, site.model))
        pc = self.pcs[site.node]
        if pc.gate:
            await pc.gate.wait()
        if pc.deaths:
            pc.deaths -= 1
            return failure("agent_lost")
        if code := pc.load_fails.get(site.model):
            return failure(code)
        return FakeAgent(pc)

    async def stop(self, site: Site) -> None:
        self.log.append(("stop", site.node, site.model))
        pc = self._all.get(site.node)
        if pc and pc.exit:
            await pc.exit.wait()

    async def found(self) -> tuple[Site, ...]:
        return self.left_over

    def count(self, what: str) -> int:
        return sum(entry[0] == what for entry in self.log)


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Lets the others run until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - any condition, of any object
            await asyncio.sleep(0.001)
