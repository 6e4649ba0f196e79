"""CouncilOrchestrator: accepts questions, keeps sessions, lets each be heard. Sits on PC1.

A thin shell: what is owed next is decided in `actors.council`, performed in `hearing.py`, kept in
`sessions.py`. After a crash it reads the open sessions back and goes on where they stood.
"""

import asyncio
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import ray

from actors.audience import Batch
from actors.calls import Caller, ask_agent, call_model
from actors.clock import boot_time, now
from actors.council import minutes
from actors.council.briefs import Limits, too_long, worker_call
from actors.council.deliberation import Closed, Session, begin, replay
from actors.council.recommended import catalogue
from actors.council.seating import SeatingDefaults, installed_name, seat
from actors.errors import (
    ContextOverflow,
    ModelNotInstalled,
    NoModelServer,
    SessionFinished,
    SessionRunning,
    model_call_error,
)
from actors.hearing import Chairman, Hearing
from actors.messages.calls import CallFailed, Delta, GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import AnswerEvent, LiveEvent, SessionStarted, StoredEvent
from actors.messages.nodes import InstalledModel, ModelCatalogue, NodeReport
from actors.messages.requests import CouncilRequest, WorkerRequest, WorkerResult
from actors.messages.sessions import CouncilSession, SessionSummary
from actors.pool import Demand, Pool
from actors.record import Record, stage_of
from actors.session_rows import Idempotency
from actors.sessions import SessionStore

T = TypeVar("T")
log = logging.getLogger(__name__)


class CouncilOrchestrator:
    """`make_pool` is called once, in this process. Every method raises only `CouncilError`s."""

    def __init__(
        self, config: OrchestratorConfig, make_pool: Callable[[], Pool], chairman: Chairman
    ) -> None:
        self._config = config
        self._limits = Limits(config.num_predict, config.review_tokens)
        self._store = SessionStore(config.store_path, minutes.summarise)
        self._pool = make_pool()
        self._chairman = chairman
        self._records: dict[str, Record] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._starting = asyncio.get_running_loop().create_task(self._start())

    async def open(
        self, request: CouncilRequest, idempotency_key: str | None = None
    ) -> CouncilSession:
        """Stores the session and lets it be heard; returns once it is committed."""
        await self._started()
        started = await self._by_reports(lambda reports: self._summon(request, reports))
        key = Idempotency.of(idempotency_key, request) if idempotency_key else None
        created = await self._store.create(started, key)
        if created.existing:
            return await self.session(created.session_id)
        return minutes.view(self._hear(begin(started)).session)

    async def wait(self, session_id: str) -> CouncilSession:
        """The session once it has ended, however it ended."""
        await self._started()
        record = self._records.get(session_id)
        if record is not None:
            await asyncio.wait([self._tasks[session_id]])
            if record.session.closed is not None:
                return minutes.view(record.session)
        return await self.session(session_id)

    async def session(self, session_id: str) -> CouncilSession:
        await self._started()
        if record := self._records.get(session_id):
            return minutes.view(record.session)
        return minutes.view(replay(await self._store.events(session_id)))

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        await self._started()
        return tuple(await self._store.page(limit, before, q))

    async def events(self, session_id: str, after: int = 0) -> AsyncIterator[Batch]:
        """Batches of events: what is stored after `after`, the text so far of who speaks now, then
        live until the closing event."""
        await self._started()
        record = self._records.get(session_id)
        reader, so_far = record.audience.join(now()) if record else (None, [])
        try:
            stored = await self._store.events(session_id, after)
            if stored:
                yield list[StoredEvent | LiveEvent](stored)
                after = stored[-1].seq
            if speaking := _still_speaking(so_far, stored):
                yield speaking
            if reader is not None and not _is_over(stored):
                async for batch in reader.batches(after):
                    yield batch
        finally:
            if reader is not None:
                reader.leave()

    async def cancel(self, session_id: str) -> CouncilSession:
        """Ends a running session; a second cancel gives the same answer."""
        await self._started()
        if task := self._tasks.get(session_id):
            if session_id not in self._cancelled:
                self._cancelled.add(session_id)
                task.cancel()
            await asyncio.wait([task])
        ended = await self.session(session_id)
        if ended.error_code != "cancelled":
            raise SessionFinished(f"The session has ended already: {ended.stage}")
        return ended

    async def purge(self, session_id: str) -> None:
        """Removes a finished session."""
        await self._started()
        if session_id in self._tasks:
            raise SessionRunning("Cancel the session first, then remove it")
        await self._store.delete(session_id)

    async def catalogue(self) -> ModelCatalogue:
        return catalogue(await self._pool.reports())

    async def nodes(self) -> tuple[NodeReport, ...]:
        return await self._pool.reports()

    async def readiness(self) -> dict[str, bool]:
        """`store` writable; `agents`: some PC's model server is there and has a model."""
        await self._started()
        reports = await self._pool.reports()
        return {"store": await self._store.writable(), "agents": bool(_installed(reports))}

    async def generate(self, request: WorkerRequest) -> WorkerResult:
        """One stateless generation on whichever PC the pool picks."""
        model = await self._by_reports(lambda reports: _resolve(request.model, reports))
        timeout_s = self._config.deadline_s
        call_id = str(uuid.uuid4())

        def compose(num_ctx: int, share: float) -> GenerateCall:
            if share < 1:
                raise ContextOverflow(too_long("The prompt", num_ctx))
            return worker_call(call_id, request, model, self._limits.opinion(num_ctx), timeout_s)

        def ignore_start(node: str, attempt: int, former: CallFailed | None) -> None: ...
        def ignore_text(delta: Delta) -> None: ...

        demand = Demand(model, call_id, now().timestamp(), timeout_s=timeout_s)
        caller = Caller(demand, compose, ask_agent, ignore_start, ignore_text)
        outcome = await call_model(self._pool, caller)
        if isinstance(outcome, CallFailed):
            raise model_call_error(outcome.code, outcome.detail)
        return WorkerResult(
            model=model,
            content=outcome.content,
            done=True,
            total_duration=outcome.timing.total_ns,
            prompt_eval_count=outcome.usage.prompt_tokens,
            eval_count=outcome.usage.completion_tokens,
            node=outcome.node,
            truncated=outcome.truncated,
        )

    async def close(self) -> None:
        """Stops hearing without closing the sessions: the next start goes on with them."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._pool.close()
        await self._store.close()

    async def _start(self) -> None:
        """Opens the store and goes on with the sessions that were open."""
        await self._store.open()
        for session_id in await self._store.open_sessions():
            self._hear(replay(await self._store.events(session_id)))
            log.info("session %s resumed", session_id)

    async def _started(self) -> None:
        """Waits for the start; a start that failed is tried again by whoever asks next."""
        if self._starting.done() and self._starting.exception() is not None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _by_reports(self, choose: Callable[[tuple[NodeReport, ...]], T]) -> T:
        """`choose` by what the PCs told last; if a model is missing there, by what they tell now:
        a PC may just have joined, a model just have been pulled."""
        try:
            return choose(await self._pool.reports())
        except (ModelNotInstalled, NoModelServer):
            return choose(await self._pool.reports(fresh=True))

    def _summon(self, request: CouncilRequest, reports: tuple[NodeReport, ...]) -> SessionStarted:
        config = self._config
        defaults = SeatingDefaults(
            models=config.models,
            chairman_model=config.chairman_model,
            max_agents=config.max_agents,
            max_query=config.max_query,
        )
        seating = seat(request, _installed(reports), defaults)
        at = now()
        return SessionStarted(
            session_id=str(uuid.uuid4()),
            seq=1,
            at=at,
            request=request,
            seats=seating.seats,
            chairman_model=seating.chairman_model,
            seed=secrets.randbits(32),
            deadline_at=at + timedelta(seconds=request.deadline_s or config.deadline_s),
            boot=boot_time(),
        )

    def _hear(self, session: Session) -> Record:
        record = Record(session, self._store.append)
        self._records[session.session_id] = record
        task = asyncio.get_running_loop().create_task(self._heard(record))
        self._tasks[session.session_id] = task
        return record

    async def _heard(self, record: Record) -> None:
        session_id = record.session.session_id
        hearing = Hearing(record, self._pool, self._chairman, self._limits)
        try:
            await hearing.run()
        except asyncio.CancelledError:
            if session_id in self._cancelled:
                await hearing.close(Closed("cancelled", "The session was cancelled."))
        except Exception:  # the rim: a bug of ours must not leave a session open for ever
            log.exception("session %s failed inside the council", session_id)
            await hearing.close(Closed("internal", "The council failed; its log says why."))
        finally:
            record.audience.close()
            self._cancelled.discard(session_id)
            self._records.pop(session_id, None)
            self._tasks.pop(session_id, None)


def _installed(reports: tuple[NodeReport, ...]) -> tuple[InstalledModel, ...]:
    """Every model that some PC has on disk, once."""
    found = {m.name: m for report in reports if report.ollama for m in report.ollama.installed}
    return tuple(found.values())


def _resolve(model: str, reports: tuple[NodeReport, ...]) -> str:
    return installed_name(model, [installed.name for installed in _installed(reports)])


def _still_speaking(so_far: Batch, stored: list[StoredEvent]) -> Batch:
    """The texts so far, without those whose answer is stored by now."""
    answered = {(stage_of(e), e.agent_id) for e in stored if isinstance(e, AnswerEvent)}
    return [d for d in so_far if (stage_of(d), getattr(d, "agent_id", "")) not in answered]


def _is_over(stored: list[StoredEvent]) -> bool:
    return bool(stored) and stored[-1].kind == "session_closed"


RemoteCouncilOrchestrator = ray.remote(CouncilOrchestrator)
