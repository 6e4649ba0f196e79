"""Those who judge in a session: reviewers of opinions, and the guard over the synthesis."""

import asyncio

from actors.clock import now
from actors.council import deliberation
from actors.council.accounting import one_call
from actors.council.asking import outcomes, review_briefs
from actors.council.asking.outcomes import Said
from actors.council.asking.review_briefs import Task
from actors.council.judging.guard import Side
from actors.council.session import Session
from actors.messages.calls import GenerateCall
from actors.sessions.asking import Asking
from actors.sessions.calls import ask_agent


class Judges:
    """Of one session."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    @property
    def session(self) -> Session:
        return self._asking.session

    async def review(self, agent_ids: tuple[str, ...]) -> None:
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
            await self._asking.record.hear(outcomes.certain(self.session, now()))

    async def _reviewer(self, agent_id: str) -> None:
        """One review after the other, until the reviewer fails."""
        for about in deliberation.subjects(self.session, agent_id):
            if not await self._review(Task(agent_id, about)):
                return

    async def _review(self, task: Task) -> bool:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            fitted = self._asking.answers(task.reviewer, num_ctx, share)
            room = self._asking.room(num_ctx)
            return review_briefs.review_call(self.session, task, fitted, self._asking.limits, room)

        model = self.session.seat(task.reviewer).model
        said = await self._asking.call("review", task.reviewer, model, compose, ask_agent)
        if said is None:
            return False
        review = outcomes.review(self.session, task, said)
        if not review.rankings and (again := await self._repaired(task, said, review.rejected)):
            repaired = outcomes.review(self.session, task, again, repaired=True)
            review = repaired if repaired.rankings else review
        self._asking.say_trimmed(task.reviewer)
        await self._asking.record.hear(review)
        return True

    async def _repaired(self, task: Task, said: Said, why: tuple[str, ...]) -> Said | None:
        """The review with a ballot that was asked for once more; None where that failed."""

        def compose(num_ctx: int, share: float) -> GenerateCall:
            fitted = self._asking.answers(task.reviewer, num_ctx, share)
            room = self._asking.room(num_ctx)
            return review_briefs.repair_call(
                self.session, task, said.answer, why, fitted, self._asking.limits, room
            )

        model = self.session.seat(task.reviewer).model
        again = await self._asking.heard(
            "review", task.reviewer, model, compose, ask_agent, said.began
        )
        if not isinstance(again, Said):
            return None
        whole = one_call(said.answer, again.answer)
        truncated, ballot = again.answer.truncated, again.answer.content
        answer = whole.model_copy(update={"follow_up": ballot, "truncated": truncated})
        return Said(answer, said.began, again.at)

    async def guard(self, judge: str) -> None:
        """Both orders, one after the other on the same PC if it can be."""
        for first in deliberation.comparisons(self.session, judge):
            if not await self._comparison(judge, first):
                return

    async def _comparison(self, judge: str, first: Side) -> bool:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            room = self._asking.room(num_ctx)
            return review_briefs.guard_call(self.session, judge, first, share, room)

        model = self.session.seat(judge).model
        said = await self._asking.call("guard", judge, model, compose, ask_agent)
        if said is not None:
            await self._asking.record.hear(outcomes.guarded(self.session, judge, first, said))
        return said is not None
