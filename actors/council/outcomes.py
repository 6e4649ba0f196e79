"""From how a model call ended to the event that is recorded: opinion, review, answer, absence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors.council import briefs, deliberation
from actors.council.agreement import agreement, with_intervals
from actors.council.anonymity import cited, reveal
from actors.council.deliberation import (
    FALLBACK_OPINION,
    RETURNED,
    WAITING,
    Session,
    owed,
    quorum,
)
from actors.council.quoting import fence_tag, unfenced
from actors.council.reviews import read_ballot
from actors.errors import CallTimeout
from actors.messages.calls import CallFailed, CallTiming, Generated, TokenUsage
from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    FinalAnswerGiven,
    NoticeGiven,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    Stage,
)

_OUT_OF_TIME = CallFailed(
    code=CallTimeout.code,
    detail="The session's deadline passed before it had answered.",
    retryable=False,
)


@dataclass(frozen=True)
class Said:
    """What a model answered, when its call was begun (waiting included), and when it was heard."""

    answer: Generated
    began: datetime
    at: datetime


def opinion(session: Session, agent_id: str, said: Said) -> OpinionHeard:
    model = session.seat(agent_id).model
    return OpinionHeard(
        **_answer(session, agent_id, model, said),
        content=said.answer.content,
    )


def review(session: Session, agent_id: str, said: Said) -> ReviewHeard:
    """The ballot as it was read; what cannot be read is an abstention with its reasons."""
    own = briefs.label_of(session)[agent_id]
    ballot = read_ballot(said.answer.content, briefs.votable(session, agent_id), own)
    return ReviewHeard(
        **_answer(session, agent_id, session.seat(agent_id).model, said),
        content=said.answer.content,
        rankings=ballot.votes,
        rejected=ballot.rejected,
    )


def synthesis(session: Session, model: str, said: Said, fallback: str | None) -> FinalAnswerGiven:
    """The chairman's text with the seats' names in the place of the labels it cites."""
    labels = briefs.label_of(session)
    names = {label: session.seat(agent_id).name for agent_id, label in labels.items()}
    written = said.answer.content
    content = unfenced(written, fence_tag(session.started.seed)) or written
    return FinalAnswerGiven(
        **_answer(session, CHAIRMAN, model, said),
        content=reveal(content, names),
        sources_cited=cited(content, labels),
        fallback=fallback,
    )


def ranking(session: Session, at: datetime) -> RankingMade:
    """The places, how sure each is, and how far the judges agree."""
    method, seed = session.started.ranking_method, session.started.seed
    scores = deliberation.scores(session)
    sure = with_intervals(scores, deliberation.ranking(session), method, seed)
    names = {seat.agent_id: seat.name for seat in session.seats}
    return RankingMade(
        session_id=session.session_id,
        at=at,
        ranking=sure,
        method=method,
        agreement=agreement(scores, sure, names),
    )


def standing_opinion(session: Session, agent_id: str, at: datetime) -> FinalAnswerGiven:
    """An opinion that stands as the answer: no call, so no tokens and no time."""
    stands = session.opinions[agent_id]
    return FinalAnswerGiven(
        session_id=session.session_id,
        at=at,
        agent_id=CHAIRMAN,
        model=stands.model,
        usage=TokenUsage(),
        timing=CallTiming(),
        started_at=at,
        node=stands.node,
        truncated=stands.truncated,
        content=stands.content,
        sources_cited=(agent_id,),
        fallback=FALLBACK_OPINION,
    )


def absence(
    session: Session, stage: Stage, agent_id: str, model: str, failure: CallFailed, at: datetime
) -> AbsenceNoted:
    return AbsenceNoted(
        session_id=session.session_id,
        at=at,
        agent_id=agent_id,
        stage=stage,
        code=failure.code,
        detail=failure.detail,
        node=failure.node,
        attempts=failure.attempts,
        model=model,
        partial=failure.partial,
    )


def late(session: Session, at: datetime) -> tuple[AbsenceNoted, ...]:
    """The calls that the session's deadline cut off, waiting or under way."""
    return tuple(
        absence(session, stage, agent_id, model, _OUT_OF_TIME, at)
        for stage, agent_id, model in owed(session)
    )


def waiting(session: Session, agent_ids: Sequence[str], at: datetime) -> NoticeGiven:
    """Too few opinions without these seats: their PCs are waited for."""
    models = ", ".join(dict.fromkeys(session.seat(agent_id).model for agent_id in agent_ids))
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code=WAITING,
        detail=f"{len(session.opinions)} of {quorum(session)} opinions are there. The PC that has "
        f"{models} left the cluster; the council waits for it until the deadline.",
    )


def returned(session: Session, agent_id: str, at: datetime) -> NoticeGiven:
    """The seat can be asked again."""
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code=RETURNED,
        detail=f"A PC has {session.seat(agent_id).model} again: {session.seat(agent_id).name} is "
        "asked again.",
        agent_id=agent_id,
    )


def trimmed(session: Session, agent_id: str, labels: Sequence[str], at: datetime) -> NoticeGiven:
    """The answers under these labels were shown to `agent_id` without their middle."""
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code="context_trimmed",
        detail=f"The answers {', '.join(labels)} were shortened in the middle to fit the model's "
        "context; raise COUNCIL_NUM_CTX to avoid it.",
        agent_id=agent_id,
        degrades=True,
    )


def _answer(session: Session, agent_id: str, model: str, said: Said) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "at": said.at,
        "agent_id": agent_id,
        "model": model,
        "usage": said.answer.usage,
        "timing": said.answer.timing,
        "started_at": said.began,
        "node": said.answer.node,
        "attempts": said.answer.attempts,
        "truncated": said.answer.truncated,
    }
