"""The minutes: a session's record as clients see it. All of it is derived, nothing is kept."""

from collections.abc import Iterator
from typing import Any

from actors.council import deliberation
from actors.council.accounting import session_joules, session_latency, session_usage
from actors.council.session import Session, answers, replay
from actors.council.steps import AskOpinions, AskReviews, AskRevisions, AwaitPcs, MakeRanking
from actors.council.telling.cost import cloud_cost
from actors.messages.events import (
    CHAIRMAN,
    AnswerEvent,
    FinalAnswerGiven,
    GuardHeard,
    OpinionHeard,
    ReviewHeard,
    StoredEvent,
)
from actors.messages.prices import PriceTable
from actors.messages.sessions import (
    Absence,
    AgentView,
    CouncilSession,
    FinalAnswer,
    Notice,
    Opinion,
    QueuePlace,
    Review,
    SessionStage,
    SessionSummary,
)


def view(
    session: Session, queue: QueuePlace | None = None, prices: PriceTable | None = None
) -> CouncilSession:
    """The whole session in the HTTP contract's shape. `queue`: where it waits, if it does;
    `prices`: what a cloud provider would take, which is no part of the record."""
    heard = answers(session)
    usage = session_usage(heard)
    closed = session.closed
    notices = tuple(derived_notices(session))
    return CouncilSession(
        session_id=session.session_id,
        query=session.started.request.query,
        stage=stage(session),
        created_at=session.started.at,
        updated_at=session.last.at,
        chairman_model=session.started.chairman_model,
        agents=tuple(
            AgentView(agent_id=s.agent_id, name=s.name, model=s.model, system=s.system)
            for s in session.seats
        ),
        opinions=tuple(_opinion(session, session.opinions[a]) for a in _order(session, "opinions")),
        reviews=tuple(_review(session, session.reviews[a]) for a in _order(session, "reviews")),
        ranking=session.ranked.ranking if session.ranked else (),
        ranking_method=session.ranked.method if session.ranked else None,
        agreement=session.ranked.agreement if session.ranked else None,
        answer_count=session.ranked.count if session.ranked else None,
        procedure=session.procedure,
        token_usage=usage,
        final_answer=_final(session, session.final) if session.final else None,
        latency_stats=session_latency(heard, session.started.at, session.last.at),
        absences=tuple(
            Absence(**a.model_dump(include=set(Absence.model_fields))) for a in session.absences
        ),
        degraded=is_degraded(session),
        notices=tuple(
            Notice(**n.model_dump(include=set(Notice.model_fields))) for n in session.notices
        )
        + notices,
        error=closed.error if closed else None,
        error_code=closed.error_code if closed else None,
        queue=queue,
        follows=session.started.request.follows,
        earlier=session.started.request.earlier or (),
        metadata=session.started.request.metadata or {},
        cloud_cost=cloud_cost(usage, prices) if prices and usage.total_tokens else None,
        joules=session_joules(heard),
    )


def summary(session: Session) -> SessionSummary:
    """One line of the history."""
    return SessionSummary(
        session_id=session.session_id,
        query=session.started.request.query,
        stage=stage(session),
        degraded=is_degraded(session),
        created_at=session.started.at,
        total_tokens=sum(a.usage.total_tokens for a in answers(session)),
        duration_ms=round((session.last.at - session.started.at).total_seconds() * 1000),
        follows=session.started.request.follows,
    )


def placed(line: SessionSummary, queue: QueuePlace | None) -> SessionSummary:
    """The line of the history with where it waits."""
    return line.model_copy(update={"queue": queue}) if queue else line


def summarise(events: list[StoredEvent]) -> SessionSummary:
    """One line of the history, from a session's stored events."""
    return summary(replay(events))


def stage(session: Session) -> SessionStage:
    """Where the session stands, in the seed's words."""
    if session.closed is not None:
        return session.closed.outcome
    match deliberation.next_step(session):
        case AskOpinions() | AwaitPcs():
            return "opinions" if session.asked or session.opinions else "pending"
        case AskReviews() | AskRevisions():
            return "review"
        case MakeRanking():
            return "review"
        case _:
            return "synthesis"


def is_degraded(session: Session) -> bool:
    """True when the answer is less than it could have been, with a notice that says why."""
    return any(n.degrades for n in session.notices) or any(True for _ in derived_notices(session))


def derived_notices(session: Session) -> Iterator[Notice]:
    """What went wrong in a session that went on all the same."""
    for absence in session.absences:
        yield Notice(
            code=absence.code,
            detail=f"{_who(session, absence.agent_id)} is missing from {absence.stage}: "
            f"{absence.detail}",
            agent_id=absence.agent_id,
        )
    for answer in answers(session):
        if answer.truncated and not isinstance(answer, GuardHeard):  # which then is a tie
            yield Notice(
                code="truncated",
                detail=f"{_who(session, answer.agent_id)} hit the output limit; "
                "the text ends in mid-sentence.",
                agent_id=answer.agent_id,
            )
    yield from _review_notices(session)
    if session.final is not None and session.final.fallback is not None:
        final, lost = session.final, session.started.chairman_model
        spoke = final.basis == "synthesis"
        who = final.model if spoke else _who(session, final.sources_cited[0])
        instead = f"{who} stood in." if spoke else f"the opinion of {who} is the answer."
        yield Notice(
            code=session.final.fallback,
            detail=f"The chairman's model {lost} gave no answer; {instead}",
            values=(lost, who),
        )


def _review_notices(session: Session) -> Iterator[Notice]:
    abstentions = [a for a, heard in session.reviews.items() if not any(r.rankings for r in heard)]
    for agent_id in abstentions:
        rejected = [reason for review in session.reviews[agent_id] for reason in review.rejected]
        yield Notice(
            code="abstention",
            detail=f"{_who(session, agent_id)}'s ballot could not be read and does not "
            f"count: {'; '.join(rejected) or 'no vote in it'}.",
            agent_id=agent_id,
        )
    reviewed = session.ranked and session.ranked.method != "consensus"
    if reviewed and len(session.opinions) > 1 and len(abstentions) == len(session.reviews):
        yield Notice(
            code="no_valid_reviews",
            detail="No ballot could be read, so the opinions are not ranked; "
            "the chairman weighed them without a ranking.",
        )


def _who(session: Session, agent_id: str) -> str:
    return "The chairman" if agent_id == CHAIRMAN else session.seat(agent_id).name


def _order(session: Session, heard: str) -> list[str]:
    """Agent ids in seat order, whoever answered first."""
    answered = session.opinions if heard == "opinions" else session.reviews
    return [seat.agent_id for seat in session.seats if seat.agent_id in answered]


def _spoken(*events: AnswerEvent) -> dict[str, Any]:
    """What the views of an opinion, a review and the final answer have in common, summed where one
    seat was asked several times."""
    return {
        "prompt_tokens": sum(event.usage.prompt_tokens for event in events),
        "completion_tokens": sum(event.usage.completion_tokens for event in events),
        "tokens_used": sum(event.usage.total_tokens for event in events),
        "duration_ms": sum(event.timing.wall_ms + event.timing.queue_ms for event in events),
        "node": events[-1].node,
        "truncated": any(event.truncated for event in events),
        "attempts": max(event.attempts for event in events),
        "cached": all(event.cached for event in events),
        "saved_tokens": sum(event.saved.total_tokens for event in events if event.saved),
    }


def _opinion(session: Session, event: OpinionHeard) -> Opinion:
    revised = session.revisions.get(event.agent_id)
    return Opinion(
        agent_id=event.agent_id,
        agent_name=session.seat(event.agent_id).name,
        model=event.model,
        content=event.content,
        revision=revised.content if revised else None,
        **_spoken(event),
    )


def _review(session: Session, heard: tuple[ReviewHeard, ...]) -> Review:
    """All that one reviewer said, in one call or in one for each opinion."""
    reviewer = heard[-1].agent_id
    return Review(
        reviewer_id=reviewer,
        reviewer_name=session.seat(reviewer).name,
        model=heard[-1].model,
        rankings=tuple(vote for event in heard for vote in event.rankings),
        rejected=tuple(reason for event in heard for reason in event.rejected),
        rejections=tuple(reason for event in heard for reason in event.rejections),
        critique="\n\n".join(event.content for event in heard),
        own_answer=heard[-1].own,
        order=tuple(agent_id for event in heard for agent_id in event.order),
        labels=heard[-1].labels,
        repaired=any(event.repaired for event in heard),
        **_spoken(*heard),
    )


def _final(session: Session, event: FinalAnswerGiven) -> FinalAnswer:
    """Whose words are not the chairman's are from the cache if that opinion is."""
    spoken = _spoken(event)
    if event.basis == "opinion":
        spoken["cached"] = any(session.words(a).cached for a in event.sources_cited)
    return FinalAnswer(
        content=event.content,
        chairman_model=event.model,
        sources_cited=event.sources_cited,
        fallback=event.fallback,
        basis=event.basis,
        guard=event.guard,
        **spoken,
    )
