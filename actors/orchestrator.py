"""CouncilOrchestrator: accepts questions, keeps sessions, lets each be heard. Sits on PC1.

A thin shell: what is owed next is decided in `actors.council`, performed in `sessions/`, kept in
`store/`. After a crash it reads the open sessions back and goes on where they stood.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

import ray

from actors.admission import Admission
from actors.batches import Batch as Heard
from actors.clock import now
from actors.council.asking.briefs import Limits
from actors.council.backlog import Bounds
from actors.council.session import Session, replay
from actors.council.table.following import following, no_such_session
from actors.council.telling import minutes
from actors.errors import (
    CouncilError,
    SessionFinished,
    SessionNotFound,
    SessionRunning,
    Superseded,
)
from actors.messages.calls import Generated
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.configs import OrchestratorConfig
from actors.messages.nodes import ModelCatalogue, ModelLimits, NodeReport, NodeStanding
from actors.messages.readings import MeterReading
from actors.messages.requests import (
    NOWHERE,
    CouncilRequest,
    Origin,
    WorkerRequest,
    WorkerResult,
)
from actors.messages.sessions import CouncilSession, SessionSummary
from actors.meters.orchestrator import OrchestratorMeters
from actors.meters.outlet import Outlet
from actors.mistakes import told
from actors.pool import Pool
from actors.sessions.asking import Asking
from actors.sessions.audience import Batch
from actors.sessions.hearing import Chairman, Hearing
from actors.sessions.listening import listen
from actors.sessions.record import Record
from actors.sessions.sitting import Sitting
from actors.single_calls import SingleCalls
from actors.store.answers import AnswerCache
from actors.store.idempotency import Idempotency
from actors.store.sessions import SessionStore
from actors.summons import Summons
from actors.telemetry.about import About, nobody, speaking_of
from actors.telemetry.traces import Collector, Traces

log = logging.getLogger(__name__)


class CouncilOrchestrator:
    """`make_pool`, `make_collector` (of traces, if any) and `make_outlet` (of meters, beside
    `meters()`) are called once, in this process. Every method raises only `CouncilError`s."""

    def __init__(
        self,
        config: OrchestratorConfig,
        make_pool: Callable[[], Pool],
        chairman: Chairman,
        make_collector: Callable[[], Collector | None] = lambda: None,
        make_outlet: Callable[[], Outlet] | None = None,
    ) -> None:
        self._config = config
        self._limits = Limits(config.num_predict, config.review_tokens)
        self._store = SessionStore(config.store_path, minutes.summarise)
        self._cache = AnswerCache.beside(config.store_path, config.cache_ttl_s)
        self._pool = make_pool()
        self._chairman = chairman
        self._traces = Traces(make_collector(), self._store.events)
        self._admission = Admission(Bounds(config.max_queue_s, config.max_open))
        self._summons = Summons(config, self._pool, self._admission)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sittings: dict[str, Sitting] = {}
        self._arriving: dict[str, asyncio.Event] = {}
        self._meters = OrchestratorMeters(
            lambda: (len(self._sittings), self._pool.occupancy()), make_outlet and make_outlet()
        )
        self._single = SingleCalls(
            self._pool,
            self._cache,
            self._summons,
            self._admission,
            self._meters,
            self._limits,
            config.deadline_s,
        )
        self._superseded = False
        self._resumed = False
        self._starting = asyncio.get_running_loop().create_task(self._start())

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        """Stores the session and lets it be heard; returns once it is committed. What is over the
        bounds is refused with `QueueFull`, but never a retry of what was accepted."""
        await self._started()
        # What is stored is heard, even where whoever asked leaves in this very moment.
        with speaking_of(About.request(origin)):
            opening = asyncio.create_task(self._open(request, idempotency_key, origin))
            opening.add_done_callback(_refused)
        return await asyncio.shield(opening)

    async def _open(
        self, request: CouncilRequest, idempotency_key: str | None, origin: Origin
    ) -> CouncilSession:
        key = Idempotency.told(idempotency_key, request, origin, now())
        turn = self._turns.setdefault(key.key, asyncio.Lock()) if key else asyncio.Lock()
        async with turn:  # a retry finds what is on its way to the store
            if key and (known := await self._store.find(key)):
                return await self.session(known)
            whole, kept = await self._followed(request), origin.model_copy(update={"tried": None})
            return await self._accept(await self._summons.session(whole, kept), key)

    async def _followed(self, request: CouncilRequest) -> CouncilRequest:
        """With the conversation that it goes on with. Raises `InvalidRequest`, `SessionRunning`."""
        if request.follows is None:
            return request
        try:
            former = replay(await self._store.events(request.follows))
        except SessionNotFound:
            raise no_such_session() from None
        return following(request, former)

    async def _accept(self, session: Session, key: Idempotency | None) -> CouncilSession:
        arrived = self._arriving[session.session_id] = asyncio.Event()
        try:
            return await self._kept(session, key)
        finally:
            del self._arriving[session.session_id]
            arrived.set()

    async def _kept(self, session: Session, key: Idempotency | None) -> CouncilSession:
        try:
            created = await self._store.create(session.started, key)
        except BaseException as error:
            self._admission.leave(session.session_id)
            if isinstance(error, Superseded):
                self._step_down()
            raise
        if created.existing:
            self._admission.leave(session.session_id)
            return await self.session(created.session_id)
        return self._view(self._hear(session).session)

    async def wait(self, session_id: str) -> CouncilSession:
        """The session once it has ended, however it ended."""
        await self._started()
        if sitting := await self._sitting(session_id):
            await sitting.ended()
            if sitting.record.session.closed is not None:
                return self._view(sitting.record.session)
        return await self.session(session_id)

    async def session(self, session_id: str) -> CouncilSession:
        await self._started()
        if sitting := await self._sitting(session_id):
            return self._view(sitting.record.session)
        return self._view(replay(await self._store.events(session_id)))

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        await self._started()
        page = await self._store.page(limit, before, q)
        places = self._admission.places(s.session_id for s in page if s.stage == "pending")
        return tuple(minutes.placed(line, places.get(line.session_id)) for line in page)

    async def events(self, session_id: str, after: int = 0) -> AsyncIterator[Batch]:
        """Batches of events: what is stored after `after`, the text so far of who speaks now, then
        live until the closing event."""
        await self._started()
        sitting = await self._sitting(session_id)
        audience = sitting.record.audience if sitting else None
        stored = partial(self._store.events, session_id, after)
        async with aclosing(listen(audience, stored, after)) as batches:
            async for batch in batches:
                yield batch

    async def cancel(self, session_id: str) -> CouncilSession:
        """Ends a running session; a second cancel gives the same answer."""
        await self._started()
        if sitting := await self._sitting(session_id):
            sitting.cancel()
            await sitting.ended()
        ended = await self.session(session_id)
        if ended.error_code != "cancelled":
            raise SessionFinished(f"The session has ended already: {ended.stage}")
        return ended

    async def purge(self, session_id: str) -> None:
        """Removes a finished session, and its words from the cache of answers."""
        await self._started()
        if await self._sitting(session_id):
            raise SessionRunning("Cancel the session first, then remove it")
        await self._cache.forget(session_id)
        await self._store.delete(session_id)

    async def catalogue(self) -> ModelCatalogue:
        return await self._summons.catalogue()

    async def nodes(self) -> tuple[NodeReport, ...]:
        return await self._pool.reports()

    async def standings(self) -> tuple[NodeStanding, ...]:
        return await self._pool.standings()

    async def drain(self, node: str) -> NodeStanding:
        """Takes a PC out without failing a call: its models are offered no more, and what open
        sessions find nowhere else is still served there."""
        await self._started()
        return await self._pool.drain(node)

    async def readmit(self, node: str) -> NodeStanding:
        await self._started()
        return await self._pool.readmit(node)

    async def readiness(self) -> dict[str, bool]:
        """`store` writable; `agents`: some PC's model server is there and has a model."""
        await self._started()
        possible = await self._summons.possible()
        return {"store": await self._store.writable(), "agents": possible}

    async def generate(self, request: WorkerRequest, origin: Origin = NOWHERE) -> WorkerResult:
        """One stateless generation on whichever PC the pool picks. Raises `QueueFull` too."""
        return await self._single.generate(request, origin)

    async def chat(self, request: LocalChat, origin: Origin = NOWHERE) -> AsyncIterator[Heard]:
        """What a local model says, several pieces at a time, in the end its `Generated`; an empty
        batch is a sign of life. Raises as `generate` does, also in the middle."""
        await self._started()
        async with aclosing(self._single.chat(request, origin)) as batches:
            async for batch in batches:
                yield batch

    async def embed(self, request: LocalEmbedding, origin: Origin = NOWHERE) -> Generated:
        """A vector for each text, from whichever PC the pool picks. Raises as `generate` does."""
        return await self._single.embed(request, origin)

    async def limits(self, model: str) -> ModelLimits:
        """What a PC that has the model tells of it."""
        return await self._single.limits(model)

    async def meters(self) -> tuple[MeterReading, ...]:
        """What was counted since this process began, and how things stand now."""
        await self._started()
        return self._meters.readings()

    async def close(self) -> None:
        """Stops hearing without closing the sessions: the next start goes on with them."""
        self._meters.close()
        sittings = list(self._sittings.values())
        for sitting in sittings:
            sitting.adjourn()
        await asyncio.gather(*(sitting.ended() for sitting in sittings))
        await self._traces.close()
        await self._pool.close()
        await self._cache.close()
        await self._store.close()

    async def _start(self) -> None:
        """Takes the store over and goes on with the sessions that were open."""
        await self._store.open()
        await self._cache.open()
        for session_id in await self._store.open_sessions():
            record = self._hear(replay(await self._store.events(session_id)))
            with speaking_of(self._traces.about(record.session.started)):
                log.info("session %s resumed", session_id)
        self._resumed = True
        self._expect()

    async def _started(self) -> None:
        """Waits for the start; a start that failed is tried again by whoever asks next. Raises
        `Superseded` for good once another orchestrator has taken the store over."""
        if self._superseded:
            raise Superseded("Another orchestrator has taken over; this one has stopped.")
        if self._starting.done() and self._starting.exception() is not None:
            loop = asyncio.get_running_loop()
            self._starting = loop.create_task(self._start(), context=nobody())
        await asyncio.shield(self._starting)

    async def _sitting(self, session_id: str) -> Sitting | None:
        """The session's sitting, None once it has ended. One that is on disk, and so can be listed,
        but not heard yet will be in a moment."""
        if arriving := self._arriving.get(session_id):
            await arriving.wait()
        return self._sittings.get(session_id)

    def _view(self, session: Session) -> CouncilSession:
        """With its place in the queue, until a PC has come to it."""
        waits = not session.asked and session.closed is None
        places = self._admission.places([session.session_id]) if waits else {}
        return minutes.view(session, places.get(session.session_id), self._config.prices)

    def _hear(self, session: Session) -> Record:
        traces, started = self._traces, session.started
        record = Record(session, self._store.append, traces.witness, self._meters.heard)
        asking = Asking(record, self._pool, self._cache, self._limits, traces.sampled(started))
        hearing = Hearing(asking, self._pool, self._chairman)
        with speaking_of(traces.about(started)):
            self._sittings[session.session_id] = Sitting(record, hearing, self._ended)
        self._admission.follow(session.session_id, lambda: record.session)
        self._expect()
        return record

    def _ended(self, sitting: Sitting) -> None:
        self._sittings.pop(sitting.record.session.session_id, None)
        self._admission.leave(sitting.record.session.session_id)
        if sitting.record.session.closed is not None:  # else the next start owes it still
            self._expect()
        if sitting.superseded:
            self._step_down()

    def _expect(self) -> None:
        """Tells the pool which models open sessions may still ask for, once all are known."""
        if not self._resumed:
            return
        started = [sitting.record.session.started for sitting in self._sittings.values()]
        seated = {seat.model for one in started for seat in one.seats}
        self._pool.expect(seated | {one.chairman_model for one in started})

    def _step_down(self) -> None:
        """Another orchestrator writes the store now, and hears the open sessions: this one stops,
        and writes and asks nothing any more."""
        if not self._superseded:
            log.warning("another orchestrator has taken the sessions over; this one stops")
            self._superseded = True
            loop = asyncio.get_running_loop()
            self._stepping_down = loop.create_task(self.close(), context=nobody())


def _refused(opening: "asyncio.Task[CouncilSession]") -> None:
    """Takes note of why a question was not accepted, where nobody may be there to be told."""
    error = None if opening.cancelled() else opening.exception()
    if error is not None and not isinstance(error, CouncilError):
        log.error("a question was not accepted: %s", told(error))


RemoteCouncilOrchestrator = ray.remote(CouncilOrchestrator)
