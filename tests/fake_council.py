"""A council in memory: implements `cluster.council.Council` without Ray, models or files.

By itself it sits at once and ends as `outcome` says. With `held=True` a session stays in the
opinions stage until the test says `finish(session_id)`; `hear(session_id, event)` adds to it.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from fastapi import FastAPI

from actors.errors import (
    CouncilError,
    IdempotencyKeyReused,
    InvalidRequest,
    ModelNotAvailable,
    NodeNotFound,
    SessionFinished,
    SessionNotFound,
    SessionRunning,
)
from actors.messages.calls import CallTiming, Delta, Generated, TokenUsage
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.events import (
    DeltaEvent,
    LiveEvent,
    OpinionDelta,
    OpinionHeard,
    SessionClosed,
    SessionStarted,
    StageStarted,
    StoredEvent,
)
from actors.messages.judgement import Standing, Vote
from actors.messages.nodes import (
    Duty,
    InstalledModel,
    MemoryUse,
    ModelCatalogue,
    ModelLimits,
    NodeEnergy,
    NodeReport,
    NodeStanding,
    NodeVitals,
    OllamaStatus,
)
from actors.messages.readings import MeterReading
from actors.messages.requests import (
    NOWHERE,
    CouncilRequest,
    Origin,
    Seat,
    WorkerRequest,
    WorkerResult,
)
from actors.messages.sessions import (
    Absence,
    AgentView,
    CouncilSession,
    FinalAnswer,
    Notice,
    Opinion,
    Review,
    SessionLatencyStats,
    SessionSummary,
    SessionTokenUsage,
)
from actors.meters.catalogue import OPEN_SESSIONS
from serve_app.api import build_api
from serve_app.configuration import ApiConfig

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODEL = "smollm2:135m"
MAX_AGENTS = 5
MAX_QUERY = 32_000
AnyEvent = StoredEvent | LiveEvent


def api(council: "FakeCouncil", config: ApiConfig) -> FastAPI:
    """The application over this council; built once a configuration, which takes 20 ms. What an
    earlier test got wrong is forgotten."""
    app = _built(config)
    app.state.council = council
    app.state.attempts.forget()
    return app


@cache
def _built(config: ApiConfig) -> FastAPI:
    return build_api(FakeCouncil(), config)


class Sitting:
    """One session: its request, what was heard, and how it ended."""

    def __init__(self, session_id: str, number: int, request: CouncilRequest) -> None:
        self.id = session_id
        self.request = request
        self.created_at = T0 + timedelta(seconds=number)
        self.heard: list[AnyEvent] = []
        self.changed = asyncio.Condition()
        self.closed: SessionClosed | None = None

    async def hear(self, *events: AnyEvent) -> None:
        async with self.changed:
            self.heard.extend(events)
            for event in events:
                if isinstance(event, SessionClosed):
                    self.closed = event
            self.changed.notify_all()

    @property
    def seq(self) -> int:
        return max((event.seq for event in self.heard), default=0)


class FakeCouncil:
    def __init__(self, *, held: bool = False, error_code: str | None = None) -> None:
        self.held = held
        self.error_code = error_code
        self.failure: Exception | None = None
        """Raised by everything that asks the orchestrator."""
        self.ready = {"store": True, "agents": True}
        self.sittings: dict[str, Sitting] = {}
        self.keys: dict[str, tuple[CouncilRequest, str]] = {}
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        self.duties: dict[str, Duty] = {"pc1": "serving", "pc2": "serving"}
        self.listeners = 0
        self.listened, self.left = asyncio.Event(), asyncio.Event()
        self.calls = 0
        self.origins: list[Origin] = []

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        self._pass()
        self.origins.append(origin)
        _check(request)
        if idempotency_key in self.keys:
            earlier, session_id = self.keys[idempotency_key]
            if earlier != request:
                raise IdempotencyKeyReused("That key was used with another body.")
            return await self.session(session_id)
        sitting = Sitting(str(uuid.uuid4()), len(self.sittings), request)
        self.sittings[sitting.id] = sitting
        if idempotency_key is not None:
            self.keys[idempotency_key] = (request, sitting.id)
        await sitting.hear(*opening(sitting))
        self.opened.put_nowait(sitting.id)
        if not self.held:
            await self.finish(sitting.id)
        return view(sitting)

    async def finish(self, session_id: str) -> None:
        sitting = self._sitting(session_id)
        if self.error_code is None:
            await sitting.hear(*opinions(sitting))
        closed: dict[str, Any] = {"outcome": "complete"}
        if self.error_code is not None:
            closed = {"outcome": "error", "error_code": self.error_code, "error": "It went wrong."}
        await sitting.hear(
            SessionClosed(session_id=session_id, seq=sitting.seq + 1, at=T0, **closed)
        )

    async def wait(self, session_id: str) -> CouncilSession:
        sitting = self._sitting(session_id)
        async with sitting.changed:
            await sitting.changed.wait_for(lambda: sitting.closed is not None)
        return view(sitting)

    async def session(self, session_id: str) -> CouncilSession:
        self._pass()
        return view(self._sitting(session_id))

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        self._pass()
        found = [
            summary(sitting)
            for sitting in reversed(self.sittings.values())
            if (before is None or sitting.created_at < before)
            and (q or "") in sitting.request.query
        ]
        return tuple(found[:limit])

    async def events(self, session_id: str, after: int = 0) -> AsyncIterator[AnyEvent]:
        self._pass()
        sitting = self._sitting(session_id)
        self.listeners += 1
        self.listened.set()
        try:
            told = 0
            while True:
                async with sitting.changed:
                    while told == len(sitting.heard) and sitting.closed is None:
                        await sitting.changed.wait()
                    fresh, told = sitting.heard[told:], len(sitting.heard)
                for event in fresh:
                    if event.seq > after or isinstance(event, DeltaEvent) and not sitting.closed:
                        yield event
                if sitting.closed is not None and told == len(sitting.heard):
                    return
                self._pass()
        finally:
            self.listeners -= 1
            self.left.set()

    async def cancel(self, session_id: str) -> CouncilSession:
        sitting = self._sitting(session_id)
        if sitting.closed is None:
            await sitting.hear(
                SessionClosed(
                    session_id=session_id,
                    seq=sitting.seq + 1,
                    at=T0,
                    outcome="error",
                    error_code="cancelled",
                    error="The session was cancelled.",
                )
            )
        elif sitting.closed.error_code != "cancelled":
            raise SessionFinished("The session has ended already.")
        return view(sitting)

    async def purge(self, session_id: str) -> None:
        if self._sitting(session_id).closed is None:
            raise SessionRunning("Cancel it first.")
        del self.sittings[session_id]

    async def catalogue(self) -> ModelCatalogue:
        self._pass()
        return ModelCatalogue(recommended=(), installed=(MODEL,), nodes={MODEL: ("pc1",)})

    async def generate(self, request: WorkerRequest, origin: Origin = NOWHERE) -> WorkerResult:
        self._pass()
        self.origins.append(origin)
        self.calls += 1
        await asyncio.sleep(0)
        if request.model != MODEL:
            raise ModelNotAvailable(f"No PC has {request.model}.")
        return WorkerResult(
            model=request.model,
            content=request.prompt.upper(),
            done=True,
            total_duration=1,
            prompt_eval_count=2,
            eval_count=3,
        )

    async def chat(
        self, request: LocalChat, origin: Origin = NOWHERE
    ) -> AsyncIterator[Delta | Generated | None]:
        self._pass()
        self.origins.append(origin)
        self.calls += 1
        if request.model != MODEL:
            raise ModelNotAvailable(f"No PC has {request.model}.")
        yield Delta(text="It ")
        yield Delta(text="scatters.")
        usage = TokenUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
        yield Generated(content="It scatters.", usage=usage, timing=CallTiming(), node="pc1")

    async def embed(self, request: LocalEmbedding, origin: Origin = NOWHERE) -> Generated:
        self._pass()
        self.origins.append(origin)
        if request.model != MODEL:
            raise ModelNotAvailable(f"No PC has {request.model}.")
        vectors = tuple((float(len(text)), 1.0) for text in request.inputs)
        return Generated(content="", vectors=vectors, usage=TokenUsage(), timing=CallTiming())

    async def limits(self, model: str) -> ModelLimits:
        self._pass()
        if model != MODEL:
            raise ModelNotAvailable(f"No PC has {model}.")
        return ModelLimits(context_length=8192, capabilities=("completion",))

    async def nodes(self) -> tuple[NodeReport, ...]:
        self._pass()
        energy = NodeEnergy(joules=7200, since=T0, watts=41.7)
        return (
            report("pc1", "head").model_copy(update={"energy": energy}),
            report("pc2", "worker").model_copy(update={"ollama": None}),
        )

    async def standings(self) -> tuple[NodeStanding, ...]:
        self._pass()
        return tuple(map(self._standing, self.duties))

    async def drain(self, node: str) -> NodeStanding:
        return self._send(node, "draining")

    async def readmit(self, node: str) -> NodeStanding:
        return self._send(node, "serving")

    def _send(self, node: str, duty: Duty) -> NodeStanding:
        self._pass()
        if node not in self.duties:
            raise NodeNotFound(f"There is no PC {node}.")
        self.duties[node] = duty
        return self._standing(node)

    def _standing(self, node: str) -> NodeStanding:
        return NodeStanding(
            name=node,
            ip="127.0.0.1",
            role="head" if node == "pc1" else "worker",
            state=self.duties[node],
            breaker_open=False,
            calls=1,
            max_models=3,
        )

    async def readiness(self) -> dict[str, bool]:
        self._pass()
        return self.ready

    async def meters(self) -> tuple[MeterReading, ...]:
        self._pass()
        sitting = sum(one.closed is None for one in self.sittings.values())
        name = OPEN_SESSIONS.name
        samples = ((name, {}, float(sitting)),)
        return (MeterReading(name=name, kind="gauge", help=OPEN_SESSIONS.help, samples=samples),)

    def _pass(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _sitting(self, session_id: str) -> Sitting:
        if session_id not in self.sittings:
            raise SessionNotFound(f"There is no session {session_id}.")
        return self.sittings[session_id]


class TalkingCouncil(FakeCouncil):
    """Holds what starts with "hold", after one delta. For replicas: tests reach it by HTTP only."""

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        self.held = request.query.startswith("hold")
        session = await super().open(request, idempotency_key, origin)
        if self.held:
            await self.sittings[session.session_id].hear(delta(session.session_id, "Blue"))
        return session


def _check(request: CouncilRequest) -> None:
    problem: CouncilError | None = None
    if len(request.query) > MAX_QUERY:
        ctx = {"max_length": MAX_QUERY}
        error = {"loc": ["query"], "msg": "too long", "type": "string_too_long", "ctx": ctx}
        problem = InvalidRequest(f"query: at most {MAX_QUERY} characters", [error])
    if len(request.selected_agents or ()) > MAX_AGENTS:
        error = {"loc": ["selected_agents"], "msg": "too many", "type": "too_long"}
        problem = InvalidRequest(f"selected_agents: at most {MAX_AGENTS}", [error])
    if problem is not None:
        raise problem


def seats(request: CouncilRequest) -> tuple[Seat, ...]:
    specs = request.selected_agents or ()
    return tuple(
        Seat(agent_id=f"agent_{n}", name=spec.name or f"Expert {n}", model=spec.model)
        for n, spec in enumerate(specs, 1)
    ) or (Seat(agent_id="agent_1", name="Expert 1", model=MODEL),)


def opening(sitting: Sitting) -> tuple[AnyEvent, ...]:
    started = SessionStarted(
        session_id=sitting.id,
        seq=1,
        at=T0,
        request=sitting.request,
        seats=seats(sitting.request),
        chairman_model=MODEL,
        seed=1,
        deadline_at=T0 + timedelta(seconds=600),
    )
    return started, StageStarted(session_id=sitting.id, seq=2, at=T0, stage="opinions")


def delta(session_id: str, text: str, offset: int = 0, seq: int = 2) -> OpinionDelta:
    return OpinionDelta(
        session_id=session_id, seq=seq, at=T0, agent_id="agent_1", text=text, offset=offset
    )


def opinions(sitting: Sitting) -> tuple[AnyEvent, ...]:
    return tuple(
        OpinionHeard(
            session_id=sitting.id,
            seq=sitting.seq + n,
            at=T0,
            agent_id=seat.agent_id,
            model=seat.model,
            usage=TokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
            timing=CallTiming(),
            started_at=T0,
            content="Blue light scatters.\r\n\r\nevent: forged\ndata: {}\u2028\u2029\x85",
        )
        for n, seat in enumerate(seats(sitting.request), 1)
    )


def view(sitting: Sitting) -> CouncilSession:
    closed = sitting.closed
    failed = closed is not None and closed.outcome == "error"
    done = closed is not None and not failed
    agents = tuple(
        AgentView(agent_id=seat.agent_id, name=seat.name, model=seat.model)
        for seat in seats(sitting.request)
    )
    return CouncilSession(
        session_id=sitting.id,
        query=sitting.request.query,
        stage="error" if failed else "complete" if done else "opinions",
        created_at=sitting.created_at,
        updated_at=sitting.created_at,
        chairman_model=MODEL,
        agents=agents,
        opinions=tuple(map(_opinion, agents)) if done else (),
        reviews=tuple(map(_review, agents)) if done else (),
        ranking=(Standing(agent_id="agent_1", place=1, mean_score=8, votes=1),) if done else (),
        final_answer=_answer() if done else None,
        token_usage=SessionTokenUsage(),
        latency_stats=SessionLatencyStats(),
        absences=(_absence(),) if failed else (),
        degraded=False,
        notices=(Notice(code="note", detail="A notice."),) if done else (),
        error=closed.error if closed else None,
        error_code=closed.error_code if closed else None,
    )


def summary(sitting: Sitting) -> SessionSummary:
    whole = view(sitting)
    return SessionSummary(
        session_id=whole.session_id,
        query=whole.query,
        stage=whole.stage,
        degraded=whole.degraded,
        created_at=whole.created_at,
        total_tokens=0,
        duration_ms=0,
    )


def report(name: str, role: Any) -> NodeReport:
    use = MemoryUse(total=100, used=50, percent=50.0)
    installed = (InstalledModel(name=MODEL, size=1),)
    return NodeReport(
        name=name,
        ip="127.0.0.1",
        role=role,
        at=T0,
        vitals=NodeVitals(cpu_percent=1.0, memory=use, disk=use, uptime_s=60),
        ollama=OllamaStatus(url="http://127.0.0.1:11434", connected=True, installed=installed),
    )


def _opinion(agent: AgentView) -> Opinion:
    return Opinion(
        agent_id=agent.agent_id,
        agent_name=agent.name,
        model=agent.model,
        content="Blue light scatters.",
        prompt_tokens=1,
        completion_tokens=2,
        tokens_used=3,
        duration_ms=4,
        node="pc1",
        truncated=False,
    )


def _review(agent: AgentView) -> Review:
    return Review(
        reviewer_id=agent.agent_id,
        reviewer_name=agent.name,
        model=agent.model,
        rankings=(Vote(agent_id="agent_1", score=8, reasoning="Clear."),),
        prompt_tokens=1,
        completion_tokens=2,
        tokens_used=3,
        duration_ms=4,
    )


def _answer() -> FinalAnswer:
    return FinalAnswer(
        content="It scatters.",
        chairman_model=MODEL,
        prompt_tokens=1,
        completion_tokens=2,
        tokens_used=3,
        duration_ms=4,
        sources_cited=("agent_1",),
        fallback=None,
    )


def _absence() -> Absence:
    return Absence(
        agent_id="agent_1",
        stage="opinions",
        code="model_crashed",
        detail="It stopped.",
        node="pc1",
        attempts=2,
    )
