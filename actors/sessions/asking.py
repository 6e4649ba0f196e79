"""How a session asks: a call to a seat's model, what is told while it runs, and an absence where
nothing came of it. All calls of a session are made here.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from actors.clock import boot_time, now
from actors.council.asking import briefs, outcomes
from actors.council.asking.briefs import Limits, Room
from actors.council.asking.context import Fitted
from actors.council.asking.outcomes import Said
from actors.council.deadline import seconds_left
from actors.council.session import Session
from actors.council.telling.trace_ids import onward
from actors.errors import ContextOverflow
from actors.messages.calls import CallFailed, Delta, Generated
from actors.messages.events import AgentStarted, FailedAttempt, Stage, StageStarted
from actors.pool import Demand, Lease, Pool
from actors.sessions.calls import Caller, Stream
from actors.sessions.recall import call_or_recall
from actors.sessions.record import Record
from actors.store.answers import AnswerCache


class Asking:
    """Of one session. `sampled`: whether its trace is kept; None = none is made. `ends_at`: its
    deadline, in the event loop's time."""

    def __init__(
        self,
        record: Record,
        pool: Pool,
        cache: AnswerCache,
        limits: Limits,
        sampled: bool | None = None,
    ) -> None:
        self.record = record
        self.limits = limits
        self._pool = pool
        self._cache = cache
        self._sampled = sampled
        self._fitted: dict[tuple[int, float, int], Fitted] = {}
        self._shown: dict[str, Fitted] = {}
        self._forgets = self._forgetting_told = False
        started = self.session.started
        left = seconds_left(started, now(), boot_time())
        self.ends_at = asyncio.get_running_loop().time() + left
        self._began = self.ends_at - (started.deadline_at - started.at).total_seconds()

    @property
    def session(self) -> Session:
        return self.record.session

    def begin(self, stage: Stage) -> None:
        if stage not in self.session.stages:
            self.record.note(StageStarted(**self.envelope(), stage=stage))

    async def call(
        self,
        stage: Stage,
        agent_id: str,
        model: str,
        compose: Callable[[int, float], Any],
        ask: Callable[[Lease, Any], Stream],
    ) -> Said | None:
        """What was said; None if nothing was, which then is recorded as an absence."""
        outcome = await self.heard(stage, agent_id, model, compose, ask)
        if isinstance(outcome, Said):
            return outcome
        event = outcomes.absence(self.session, stage, agent_id, model, outcome, now())
        await self.record.hear(event)
        return None

    async def heard(
        self,
        stage: Stage,
        agent_id: str,
        model: str,
        compose: Callable[[int, float], Any],
        ask: Callable[[Lease, Any], Stream],
        began: datetime | None = None,
    ) -> Said | CallFailed:
        """What was said, or how the last attempt failed. The guard's words are not told live.
        `began`, where it belongs to a call that was begun before."""
        began = began or now()
        origin = onward(self.session.started, stage, agent_id, began, self._sampled)

        def named(num_ctx: int, share: float) -> Any:
            return compose(num_ctx, share).model_copy(update={"origin": origin})

        def started(node: str, attempt: int, former: CallFailed | None) -> None:
            self.record.note(
                AgentStarted(
                    **self.envelope(),
                    agent_id=agent_id,
                    stage=stage,
                    node=node,
                    attempt=attempt,
                    former=FailedAttempt.of(former) if former else None,
                    asked_at=began,
                )
            )

        def heard(delta: Delta) -> None:
            if stage != "guard":
                self.record.whisper(stage, agent_id, delta, now())

        demand = Demand(
            model=model,
            council=self.session.session_id,
            since=self._began,
            prefer_head=stage == "synthesis",
            timeout_s=self._seconds_left(),
        )
        caller = Caller(demand, named, ask, started, heard)
        anew = not self.session.started.request.cache
        outcome = await call_or_recall(self._pool, self._cache, caller, anew)
        return Said(outcome, began, now()) if isinstance(outcome, Generated) else outcome

    def answers(self, agent_id: str, num_ctx: int, share: float) -> Fitted:
        """The answers as they are shown to `agent_id`; cut once for all who have as much room, and
        again once some were revised."""
        key = (num_ctx, share, len(self.session.revisions))
        if key not in self._fitted:
            self._fitted[key] = briefs.fitted_answers(self.session, self.limits, num_ctx, share)
        self._shown[agent_id] = self._fitted[key]
        return self._fitted[key]

    def say_trimmed(self, agent_id: str) -> None:
        """Once for each who saw them so, however many reviews it writes."""
        said = (
            one.code == outcomes.TRIMMED and one.agent_id == agent_id
            for one in self.session.notices
        )
        if (labels := self._shown[agent_id].trimmed) and not any(said):
            self.record.note(outcomes.trimmed(self.session, agent_id, labels, now()))

    def check_that_it_fits(self, num_ctx: int, share: float, what: str) -> None:
        """Raises `ContextOverflow` where the prompt was too long (`share` below 1) and nothing was
        said before that could be left out. `what`: what is too long then."""
        if share < 1 and not self.session.started.request.earlier:
            raise ContextOverflow(briefs.too_long(what, num_ctx))
        self._forgets = self._forgets or briefs.forgets(self.session, num_ctx)

    def say_forgotten(self) -> None:
        """Once: the council does not see all of what was said before."""
        told = any(notice.code == outcomes.FORGOTTEN for notice in self.session.notices)
        if self._forgets and not self._forgetting_told and not told:
            self._forgetting_told = True
            self.record.note(outcomes.forgotten(self.session, now()))

    def envelope(self) -> dict[str, Any]:
        return {"session_id": self.session.session_id, "at": now()}

    def room(self, num_ctx: int) -> Room:
        return Room(num_ctx, self._seconds_left())

    def _seconds_left(self) -> float:
        """Until the deadline, at least a moment, by a clock that does not jump."""
        return max(0.001, self.ends_at - asyncio.get_running_loop().time())
