"""One session being heard: performs what `next_step` asks for, until nothing is owed any more.

Decides nothing itself: the protocol is in `actors.council`. Writes every event before it is told.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, Protocol

from actors.clock import now
from actors.council import deliberation
from actors.council.asking import briefs, outcomes
from actors.council.deliberation import next_step
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
    SessionClosed,
)
from actors.pool import Lease, Pool
from actors.sessions.asking import Asking
from actors.sessions.calls import Stream, ask_agent
from actors.sessions.judges import Judges


class Chairman(Protocol):
    """Writes the synthesis on the agent that the pool leased for it."""

    def synthesise(
        self, brief: SynthesisBrief, agent: Agent
    ) -> AsyncIterator[Delta | Generated | CallFailed]: ...


class Hearing:
    """Runs one session to its end."""

    def __init__(self, asking: Asking, pool: Pool, chairman: Chairman) -> None:
        self._asking = asking
        self._judges = Judges(asking)
        self._record = asking.record
        self._pool = pool
        self._chairman = chairman

    @property
    def session(self) -> Session:
        return self._record.session

    async def run(self) -> None:
        """Performs step after step; ends with `session_closed` stored and told."""
        try:
            async with asyncio.timeout_at(self._asking.ends_at):
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
                **self._asking.envelope(),
                outcome="error" if end.code else "complete",
                error_code=end.code,
                error=end.sentence,
            )
        )

    async def _perform(self, step: Step) -> None:
        match step:
            case AskOpinions(agent_ids):
                self._asking.begin("opinions")
                await _all(self._opinion(agent_id) for agent_id in agent_ids)
            case AwaitPcs(agent_ids, told):
                await self._returned(agent_ids, told)
            case AskReviews(agent_ids):
                self._asking.begin("review")
                await self._judges.review(agent_ids)
            case MakeRanking():
                await self._record.hear(outcomes.ranking(self.session, now()))
            case AskRevisions(agent_ids):
                self._asking.begin("revision")
                await _all(self._revision(agent_id) for agent_id in agent_ids)
            case AskSynthesis(model, fallback):
                self._rank()
                self._asking.begin("synthesis")
                await self._synthesis(model, fallback)
            case UseOpinion(agent_id, fallback):
                self._rank()
                event = outcomes.standing_opinion(self.session, agent_id, fallback, now())
                await self._record.hear(event)
            case AskGuard(agent_ids):
                self._asking.begin("guard")
                await _all(self._judges.guard(agent_id) for agent_id in agent_ids)
            case Conclude():
                await self._record.hear(outcomes.conclusion(self.session, now()))
            case Closed():
                raise AssertionError("a closed session owes nothing")

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
            self._asking.check_that_it_fits(num_ctx, share, "The question")
            room = self._asking.room(num_ctx)
            return briefs.opinion_call(self.session, agent_id, self._asking.limits, room, share)

        model = self.session.seat(agent_id).model
        if said := await self._asking.call("opinions", agent_id, model, compose, ask_agent):
            self._asking.say_forgotten()
            await self._record.hear(outcomes.opinion(self.session, agent_id, said))

    async def _revision(self, agent_id: str) -> None:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            self._asking.check_that_it_fits(num_ctx, share, "The opinion with its critiques")
            room = self._asking.room(num_ctx)
            return briefs.revision_call(self.session, agent_id, self._asking.limits, room, share)

        model = self.session.seat(agent_id).model
        if said := await self._asking.call("revision", agent_id, model, compose, ask_agent):
            await self._record.hear(outcomes.revision(self.session, agent_id, said))

    async def _synthesis(self, model: str, fallback: str | None) -> None:
        def compose(num_ctx: int, share: float) -> SynthesisBrief:
            fitted = self._asking.answers(CHAIRMAN, num_ctx, share)
            room = self._asking.room(num_ctx)
            return briefs.synthesis_brief(self.session, model, fitted, self._asking.limits, room)

        def ask(lease: Lease, brief: SynthesisBrief) -> Stream:
            return self._chairman.synthesise(brief, lease.agent)

        if said := await self._asking.call("synthesis", CHAIRMAN, model, compose, ask):
            self._asking.say_trimmed(CHAIRMAN)
            guarded = deliberation.is_guarded(self.session)
            answered = outcomes.draft if guarded else outcomes.synthesis
            await self._record.hear(answered(self.session, model, said, fallback))


async def _all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; a bug in one cancels the others and comes out."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)
