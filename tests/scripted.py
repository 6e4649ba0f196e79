"""A council without PCs: agents that say what a script tells them, and a pool that holds them.

Implements the same Protocols as the real ones (`Agent`, `Pool`); no Ray, no sockets.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from actors.errors import ModelNotAvailable, NodeNotFound
from actors.messages.calls import (
    CallFailed,
    CallTiming,
    Delta,
    GenerateCall,
    Generated,
    TokenUsage,
)
from actors.messages.nodes import (
    InstalledModel,
    ModelLimits,
    NodeReport,
    NodeStanding,
    OllamaStatus,
)
from actors.messages.occupancy import Occupancy, PcOccupancy
from actors.pool import Demand, Lease
from actors.sessions.retries import RetryBudget

Reply = str | CallFailed
Script = Callable[[GenerateCall], Reply]


def stage_of_call(call: GenerateCall) -> str:
    return call.call_id.split(":")[1]


def seat_of_call(call: GenerateCall) -> str:
    return call.call_id.split(":")[2]


def labels_of(ballot: dict[str, Any]) -> list[str]:
    """The labels that a ballot's schema asks to judge."""
    lines = ballot["properties"]["rankings"]["prefixItems"]
    return [line["properties"]["agent_id"]["enum"][0] for line in lines]


def plausible(call: GenerateCall) -> Reply:
    """An opinion, a valid ballot (10 for the first, then less), or a synthesis that cites A."""
    if isinstance(call.format, dict) and "better" in call.format["properties"]:
        return json.dumps({"reason": "It is better.", "better": "1"})
    if isinstance(call.format, dict):
        votes = [
            {"reasoning": "fine", "agent_id": label, "score": 10 - n}
            for n, label in enumerate(labels_of(call.format))
        ]
        return json.dumps({"rankings": votes})
    if stage_of_call(call) == "synthesis":
        return "As [A] says: because."
    if stage_of_call(call) == "review":
        return "\n".join(f"Response {label}: fine." for label in labels_of(call.then.format))
    return f"Opinion of {seat_of_call(call)}"


class ScriptedAgent:
    """Answers by its script; `gate`, when given, is awaited before each answer."""

    def __init__(self, script: Script, gate: Callable[[GenerateCall], asyncio.Event | None]):
        self.script = script
        self.gate = gate
        self.calls: list[GenerateCall] = []
        self.cancelled = 0
        self.joules: Callable[[GenerateCall], float | None] = lambda call: None

    async def generate(self, call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        self.calls.append(call)
        try:
            reply = self.script(call)
            if isinstance(reply, str):
                half = len(reply) // 2
                yield Delta(text=reply[:half])
                if (gate := self.gate(call)) is not None:
                    await gate.wait()
                yield Delta(text=reply[half:])
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        follow_up = self._followed_up(call) if isinstance(reply, str) else None
        if isinstance(reply, CallFailed) or isinstance(follow_up, CallFailed):
            yield reply if isinstance(reply, CallFailed) else follow_up
            return
        tokens = len(reply.split())
        yield Generated(
            content=reply,
            follow_up=follow_up,
            usage=TokenUsage(prompt_tokens=10, completion_tokens=tokens, total_tokens=10 + tokens),
            timing=CallTiming(wall_ms=5),
            joules=self.joules(call),
        )

    def _followed_up(self, call: GenerateCall) -> Reply | None:
        """What the script says to the conversation's next turn, if there is one."""
        if call.then is None:
            return None
        return self.script(call.model_copy(update={"format": call.then.format, "then": None}))


class ScriptedPool:
    """One PC with every model in `models`; remembers the demands."""

    def __init__(
        self,
        models: tuple[str, ...] = ("a:1", "b:1", "c:1"),
        script: Script = plausible,
        gate: Callable[[GenerateCall], asyncio.Event | None] = lambda call: None,
        num_ctx: int = 4096,
    ) -> None:
        self.models = models
        self.digests: dict[str, str] = {}
        """By model; those that are not in it are not told."""
        self.agent = ScriptedAgent(script, gate)
        self.num_ctx = num_ctx
        self.demands: list[Demand] = []
        self.expected: frozenset[str] = frozenset()
        self.retries = RetryBudget()

    @asynccontextmanager
    async def lease(self, demand: Demand) -> AsyncIterator[Lease]:
        self.demands.append(demand)
        if demand.model not in self.models:
            raise ModelNotAvailable(f"No PC has {demand.model}")
        yield Lease(self.agent, "pc1", self.num_ctx, 0)

    async def back(self, models: frozenset[str]) -> frozenset[str]:
        return models & frozenset(self.models)

    async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
        installed = tuple(
            InstalledModel(name=name, size=1, digest=self.digests.get(name, ""))
            for name in self.models
        )
        ollama = OllamaStatus(url="http://127.0.0.1:1", connected=True, installed=installed)
        return (
            NodeReport(
                name="pc1", ip="127.0.0.1", role="head", at=datetime.now(UTC), ollama=ollama
            ),
        )

    async def limits(self, model: str) -> ModelLimits:
        if model not in self.models:
            raise ModelNotAvailable(f"No PC has {model}")
        return ModelLimits(context_length=8192, capabilities=("completion",))

    def expect(self, models: Iterable[str]) -> None:
        self.expected = frozenset(models)

    async def standings(self) -> tuple[NodeStanding, ...]:
        return ()

    def occupancy(self) -> Occupancy:
        pc = PcOccupancy(name="pc1", busy=0, slots=3, models=self.models)
        return Occupancy(queued=dict.fromkeys(self.models, 0), pcs=(pc,))

    async def drain(self, node: str) -> NodeStanding:
        raise NodeNotFound(node)

    async def readmit(self, node: str) -> NodeStanding:
        raise NodeNotFound(node)

    async def close(self) -> None: ...
