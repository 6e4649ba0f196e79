"""One session being heard: performs what `next_step` asks for, until nothing is owed any more.

Decides nothing itself: the protocol is in `actors.council`. Writes every event before it is told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, Protocol

from actors.calls import Caller, Stream, ask_agent
from actors.clock import boot_time, now
from actors.council import deliberation
from actors.council.accounting import one_call
from actors.council.asking import briefs, outcomes, review_briefs
from actors.council.asking.briefs import Limits, Room
from actors.council.asking.context import Fitted
from actors.council.asking.outcomes import Said
from actors.council.asking.review_briefs import Task
from actors.council.deadline import seconds_left
from actors.council.deliberation import next_step
from actors.council.judging.guard import Side
from actors.council.session import Session
from actors.council.steps import (
    AskGuard,
    AskOpinions,
    AskReviews,
    AskRevisions,
    AskSynthesis,
    AwaitPcs,
    Closed,
    Conclude,
    MakeRanking,
    Step,
    UseOpinion,
)
from actors.council.telling.trace_ids import onward
from actors.errors import ContextOverflow
from actors.messages.calls import (
    Agent,
    CallFailed,
    Delta,
    GenerateCall,
    Generated,
    SynthesisBrief,
)
from actors.messages.events import (
    CHAIRMAN,
    AgentStarted,
    FailedAttempt,
    SessionClosed,
    Stage,
    StageStarted,
)
from actors.pool import Demand, Lease, Pool
from actors.recall import call_or_recall
from actors.record import Record
from actors.store.answers import AnswerCache


class Chairman(Protocol):
    """Writes the synthesis on the agent that the pool leased for it."""

    def synthesise(
        self, brief: SynthesisBrief, agent: Agent
    ) -> AsyncIterator[Delta | Generated | CallFailed]: ...


class Hearing:
    """Runs one session to its end. `sampled`: whether its trace is kept; None = none is made."""

    def __init__(
        self,
        record: Record,
        pool: Pool,
        cache: AnswerCache,
        chairman: Chairman,
        limits: Limits,
        sampled: bool | None = None,
    ) -> None:
        self._record = record
        self._pool = pool
        self._cache = cache
        self._chairman = chairman
        self._limits = limits
        self._sampled = sampled
        self._fitted: dict[tuple[int, float, int], Fitted] = {}
        self._shown: dict[str, Fitted] = {}
        self._forgets = self._forgetting_told = False
        started = self.session.started
        left = seconds_left(started, now(), boot_time())
        self._ends_at = asyncio.get_running_loop().time() + left
        self._began = self._ends_at - (started.deadline_at - started.at).total_seconds()

    @property
    def session(self) -> Session:
        return self._record.session

    async def run(self) -> None:
        """Performs step after step; ends with `session_closed` stored and told."""
        try:
            async with asyncio.timeout_at(self._ends_at):
                while not isinstance(step := next_step(self.session), Closed):
                    await self._perform(step)
        except TimeoutError:
            step = await self._out_of_time()
        await self.close(step)

    async def _out_of_time(self) -> Closed:
        """What was on its way to the store when the deadline passed counts: an answer is one. A
        draft that the guard could not finish with is better than no answer."""
        await self._record.settled()
        if self.session.final is not None:
            return Closed()
        if self.session.draft is not None:
            unfinished = outcomes.conclusion(self.session, now(), finished=False)
            await self._record.hear(unfinished)
            return Closed()
        for absence in outcomes.late(self.session, now()):
            self._record.note(absence)
        return deliberation.out_of_time(self.session)

    async def close(self, end: Closed) -> None:
        """Stores and tells the end."""
        await self._record.hear(
            SessionClosed(
                **self._envelope(),
                outcome="error" if end.code else "complete",
                error_code=end.code,
                error=end.sentence,
            )
        )

    async def _perform(self, step: Step) -> None:
        match step:
            case AskOpinions(agent_ids):
                self._begin("opinions")
                await _all(self._opinion(agent_id) for agent_id in agent_ids)
            case AwaitPcs(agent_ids, told):
                await self._returned(agent_ids, told)
            case AskReviews(agent_ids):
                self._begin("review")
                await self._reviews(agent_ids)
            case MakeRanking():
                await self._record.hear(outcomes.ranking(self.session, now()))
            case AskRevisions(agent_ids):
                self._begin("revision")
                await _all(self._revision(agent_id) for agent_id in agent_ids)
            case AskSynthesis(model, fallback):
                self._rank()
                self._begin("synthesis")
                await self._synthesis(model, fallback)
            case UseOpinion(agent_id, fallback):
                self._rank()
                event = outcomes.standing_opinion(self.session, agent_id, fallback, now())
                await self._record.hear(event)
            case AskGuard(agent_ids):
                self._begin("guard")
                await _all(self._guard(agent_id) for agent_id in agent_ids)
            case Conclude():
                await self._record.hear(outcomes.conclusion(self.session, now()))
            case Closed():
                raise AssertionError("a closed session owes nothing")

    def _begin(self, stage: Stage) -> None:
        if stage not in self.session.stages:
            self._record.note(StageStarted(**self._envelope(), stage=stage))

    def _rank(self) -> None:
        if not self.session.ranked:
            self._record.note(outcomes.ranking(self.session, now()))

    async def _returned(self, agent_ids: tuple[str, ...], told: bool) -> None:
        """Waits until a PC has the model of one of these seats again."""
        if not told:
            await self._record.hear(outcomes.waiting(self.session, agent_ids, now()))
        models = frozenset(self.session.seat(agent_id).model for agent_id in agent_ids)
        there = await self._pool.back(models)
        back = [a for a in agent_ids if self.session.seat(a).model in there]
        await _all(self._record.hear(outcomes.returned(self.session, a, now())) for a in back)

    async def _opinion(self, agent_id: str) -> None:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            if share < 1 and not self.session.started.request.earlier:
                raise ContextOverflow(briefs.too_long("The question", num_ctx))
            self._forgets = self._forgets or briefs.forgets(self.session, num_ctx)
            room = self._room(num_ctx)
            return briefs.opinion_call(self.session, agent_id, self._limits, room, share)

        model = self.session.seat(agent_id).model
        if said := await self._call("opinions", agent_id, model, compose, ask_agent):
            self._say_forgotten()
            await self._record.hear(outcomes.opinion(self.session, agent_id, said))

    async def _reviews(self, agent_ids: tuple[str, ...]) -> None:
        """All reviewers at once; once it is certain who is first, the others are not waited for."""
        asked = [asyncio.create_task(self._reviewer(agent_id)) for agent_id in agent_ids]
        try:
            for done in asyncio.as_completed(asked):
                await done
                if deliberation.is_certain(self.session):
                    break
        finally:
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
        if any(task.cancelled() for task in asked):
            await self._record.hear(outcomes.certain(self.session, now()))

    async def _reviewer(self, agent_id: str) -> None:
        """One review after the other, until the reviewer fails."""
        for about in deliberation.subjects(self.session, agent_id):
            if not await self._review(Task(agent_id, about)):
                return

    async def _review(self, task: Task) -> bool:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            fitted, room = self._answers(task.reviewer, num_ctx, share), self._room(num_ctx)
            return review_briefs.review_call(self.session, task, fitted, self._limits, room)

        model = self.session.seat(task.reviewer).model
        said = await self._call("review", task.reviewer, model, compose, ask_agent)
        if said is None:
            return False
        review = outcomes.review(self.session, task, said)
        if not review.rankings and (again := await self._repaired(task, said, review.rejected)):
            repaired = outcomes.review(self.session, task, again, repaired=True)
            review = repaired if repaired.rankings else review
        self._say_trimmed(task.reviewer)
        await self._record.hear(review)
        return True

    async def _repaired(self, task: Task, said: Said, why: tuple[str, ...]) -> Said | None:
        """The review with a ballot that was asked for once more; None where that failed."""

        def compose(num_ctx: int, share: float) -> GenerateCall:
            fitted, room = self._answers(task.reviewer, num_ctx, share), self._room(num_ctx)
            return review_briefs.repair_call(
                self.session, task, said.answer, why, fitted, self._limits, room
            )

        model = self.session.seat(task.reviewer).model
        again = await self._heard("review", task.reviewer, model, compose, ask_agent, said.began)
        if not isinstance(again, Said):
            return None
        whole = one_call(said.answer, again.answer)
        truncated, ballot = again.answer.truncated, again.answer.content
        answer = whole.model_copy(update={"follow_up": ballot, "truncated": truncated})
        return Said(answer, said.began, again.at)

    async def _revision(self, agent_id: str) -> None:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            if share < 1 and not self.session.started.request.earlier:
                raise ContextOverflow(briefs.too_long("The opinion with its critiques", num_ctx))
            room = self._room(num_ctx)
            return briefs.revision_call(self.session, agent_id, self._limits, room, share)

        model = self.session.seat(agent_id).model
        if said := await self._call("revision", agent_id, model, compose, ask_agent):
            await self._record.hear(outcomes.revision(self.session, agent_id, said))

    async def _synthesis(self, model: str, fallback: str | None) -> None:
        def compose(num_ctx: int, share: float) -> SynthesisBrief:
            fitted, room = self._answers(CHAIRMAN, num_ctx, share), self._room(num_ctx)
            return briefs.synthesis_brief(self.session, model, fitted, self._limits, room)

        def ask(lease: Lease, brief: SynthesisBrief) -> Stream:
            return self._chairman.synthesise(brief, lease.agent)

        if said := await self._call("synthesis", CHAIRMAN, model, compose, ask):
            self._say_trimmed(CHAIRMAN)
            guarded = deliberation.is_guarded(self.session)
            answered = outcomes.draft if guarded else outcomes.synthesis
            await self._record.hear(answered(self.session, model, said, fallback))

    async def _guard(self, judge: str) -> None:
        """Both orders, one after the other on the same PC if it can be."""
        for first in deliberation.comparisons(self.session, judge):
            if not await self._comparison(judge, first):
                return

    async def _comparison(self, judge: str, first: Side) -> bool:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            room = self._room(num_ctx)
            return review_briefs.guard_call(self.session, judge, first, share, room)

        model = self.session.seat(judge).model
        said = await self._call("guard", judge, model, compose, ask_agent)
        if said is not None:
            await self._record.hear(outcomes.guarded(self.session, judge, first, said))
        return said is not None

    async def _call(
        self,
        stage: Stage,
        agent_id: str,
        model: str,
        compose: Callable[[int, float], Any],
        ask: Callable[[Lease, Any], Stream],
    ) -> Said | None:
        """What was said; None if nothing was, which then is recorded as an absence."""
        outcome = await self._heard(stage, agent_id, model, compose, ask)
        if isinstance(outcome, Said):
            return outcome
        event = outcomes.absence(self.session, stage, agent_id, model, outcome, now())
        await self._record.hear(event)
        return None

    async def _heard(
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
            self._record.note(
                AgentStarted(
                    **self._envelope(),
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
                self._record.whisper(stage, agent_id, delta, now())

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

    def _answers(self, agent_id: str, num_ctx: int, share: float) -> Fitted:
        """The answers as they are shown to `agent_id`; cut once for all who have as much room, and
        again once some were revised."""
        key = (num_ctx, share, len(self.session.revisions))
        if key not in self._fitted:
            self._fitted[key] = briefs.fitted_answers(self.session, self._limits, num_ctx, share)
        self._shown[agent_id] = self._fitted[key]
        return self._fitted[key]

    def _say_trimmed(self, agent_id: str) -> None:
        """Once for each who saw them so, however many reviews it writes."""
        said = (
            one.code == outcomes.TRIMMED and one.agent_id == agent_id
            for one in self.session.notices
        )
        if (labels := self._shown[agent_id].trimmed) and not any(said):
            self._record.note(outcomes.trimmed(self.session, agent_id, labels, now()))

    def _say_forgotten(self) -> None:
        """Once: the council does not see all of what was said before."""
        told = any(notice.code == outcomes.FORGOTTEN for notice in self.session.notices)
        if self._forgets and not self._forgetting_told and not told:
            self._forgetting_told = True
            self._record.note(outcomes.forgotten(self.session, now()))

    def _envelope(self) -> dict[str, Any]:
        return {"session_id": self.session.session_id, "at": now()}

    def _room(self, num_ctx: int) -> Room:
        return Room(num_ctx, self._seconds_left())

    def _seconds_left(self) -> float:
        """Until the deadline, at least a moment, by a clock that does not jump."""
        return max(0.001, self._ends_at - asyncio.get_running_loop().time())


async def _all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; a bug in one cancels the others and comes out."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)
