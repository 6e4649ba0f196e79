"""From how a model call ended to the event that is recorded: opinion, review, answer, absence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from actors.council import deliberation
from actors.council.asking import briefs, review_briefs
from actors.council.asking.anonymity import cited, reveal
from actors.council.asking.quoting import fence_tag, unfenced
from actors.council.asking.review_briefs import Task
from actors.council.deliberation import CERTAIN, WAITING, owed, quorum
from actors.council.judging.agreement import agreement, with_intervals
from actors.council.judging.critiques import reasoned
from actors.council.judging.guard import Side, preferred, verdict
from actors.council.judging.reviews import read_ballot
from actors.council.session import RETURNED, Session
from actors.errors import CallTimeout
from actors.messages.calls import CallFailed, CallTiming, Generated, TokenUsage
from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    FinalAnswerGiven,
    GuardHeard,
    NoticeGiven,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    RevisionHeard,
    Stage,
    SynthesisDrafted,
)
from actors.messages.judgement import AnswerCount

TRIMMED = "context_trimmed"
"""The notice that answers were shown without their middle."""
FORGOTTEN = "earlier_trimmed"
"""The notice that the council does not see the whole conversation so far."""
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


def review(session: Session, task: Task, said: Said, repaired: bool = False) -> ReviewHeard:
    """The ballot as it was read; what cannot be read is an abstention with its reasons."""
    labels = briefs.label_of(session)
    votable = review_briefs.votable(session, task)
    written, ballot_text = said.answer.content, said.answer.follow_up
    told = written if ballot_text is None else ballot_text
    ballot = read_ballot(told, votable, labels[task.reviewer])
    critique = "" if ballot_text is None else written
    return ReviewHeard(
        **_answer(session, task.reviewer, session.seat(task.reviewer).model, said),
        content=written if ballot_text is None else f"{written}\n\n{ballot_text}",
        rankings=reasoned(ballot.votes, critique, votable),
        rejected=ballot.rejected,
        rejections=ballot.rejections,
        about=task.about,
        own="excluded" if review_briefs.own_label(session, task) else "hidden",
        order=review_briefs.shown(session, task),
        labels=labels,
        repaired=repaired,
    )


def revision(session: Session, agent_id: str, said: Said) -> RevisionHeard:
    model = session.seat(agent_id).model
    return RevisionHeard(**_answer(session, agent_id, model, said), content=said.answer.content)


def draft(session: Session, model: str, said: Said, fallback: str | None) -> SynthesisDrafted:
    """The chairman's text as it is compared: without our blocks' tags, answers by label."""
    return SynthesisDrafted(
        **_answer(session, CHAIRMAN, model, said),
        content=_written(session, said.answer.content),
        fallback=fallback,
    )


def guarded(session: Session, judge: str, first: Side, said: Said) -> GuardHeard:
    return GuardHeard(
        **_answer(session, judge, session.seat(judge).model, said),
        content=said.answer.content,
        first=first,
        better=preferred(said.answer.content, first),
    )


def synthesis(session: Session, model: str, said: Said, fallback: str | None) -> FinalAnswerGiven:
    """The chairman's text with the seats' names in the place of the labels it cites."""
    return _answered(draft(session, model, said, fallback), session)


def conclusion(session: Session, at: datetime, finished: bool = True) -> FinalAnswerGiven:
    """The draft, or the best opinion where the draft lost against it. `finished` = all that the
    guard was asked was heard. Tokens and times stay the chairman's."""
    assert session.draft is not None
    stands = deliberation.best(session)
    answered = _answered(session.draft.model_copy(update={"at": at}), session)
    found = verdict(stands, session.guards.values(), answered.content, finished)
    if found.verdict != "lost":
        return answered.model_copy(update={"guard": found})
    kept = {
        "content": session.text(stands),
        "sources_cited": (stands,),
        "truncated": session.words(stands).truncated,
        "basis": "opinion",
        "guard": found,
    }
    return answered.model_copy(update=kept)


def _answered(draft: SynthesisDrafted, session: Session) -> FinalAnswerGiven:
    labels = briefs.label_of(session)
    names = {label: session.seat(agent_id).name for agent_id, label in labels.items()}
    form = session.started.request.answer
    if form and form.format:  # what is in brackets there is no citation
        names = labels = {}
    return FinalAnswerGiven(
        **draft.model_dump(exclude={"kind", "content", "seq"}),
        content=reveal(draft.content, names),
        sources_cited=cited(draft.content, labels),
    )


def _written(session: Session, text: str) -> str:
    return unfenced(text, fence_tag(session.started.seed)) or text


def ranking(session: Session, at: datetime) -> RankingMade:
    """The places, how sure each is, and how far the judges agree."""
    method, seed = session.started.ranking_method, session.started.seed
    scores, standings = deliberation.scores(session), deliberation.ranking(session)
    counted = deliberation.count(session)
    count = AnswerCount(**asdict(counted)) if counted else None
    envelope = {"session_id": session.session_id, "at": at, "count": count}
    if session.procedure.mode == "fast":
        return RankingMade(**envelope, ranking=standings, method="consensus")
    sure = with_intervals(scores, standings, method, seed)
    names = {seat.agent_id: seat.name for seat in session.seats}
    return RankingMade(
        **envelope, ranking=sure, method=method, agreement=agreement(scores, sure, names)
    )


def standing_opinion(
    session: Session, agent_id: str, fallback: str | None, at: datetime
) -> FinalAnswerGiven:
    """An opinion that stands as the answer: no call, so no tokens and no time."""
    stands = session.words(agent_id)
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
        cached=stands.cached,
        content=stands.content,
        sources_cited=(agent_id,),
        fallback=fallback,
        basis="opinion",
    )


def certain(session: Session, at: datetime) -> NoticeGiven:
    """Reviews that are still owed are not waited for."""
    judges = [agent_id for agent_id in session.opinions if deliberation.subjects(session, agent_id)]
    unheard = ", ".join(session.seat(agent_id).name for agent_id in judges)
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code=CERTAIN,
        detail="Who is first is certain; no ballot can change it any more. Not waited for: "
        f"{unheard}.",
        values=(unheard,),
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
        values=(str(len(session.opinions)), str(quorum(session)), models),
    )


def returned(session: Session, agent_id: str, at: datetime) -> NoticeGiven:
    """The seat can be asked again."""
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code=RETURNED,
        detail=f"A PC has {session.seat(agent_id).model} again: {session.seat(agent_id).name} is "
        "asked again.",
        values=(session.seat(agent_id).model,),
        agent_id=agent_id,
    )


def trimmed(session: Session, agent_id: str, labels: Sequence[str], at: datetime) -> NoticeGiven:
    """The answers under these labels were shown to `agent_id` without their middle."""
    label_of = briefs.label_of(session)
    cut = ", ".join(seat.name for seat in session.seats if label_of.get(seat.agent_id) in labels)
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code=TRIMMED,
        detail=f"The answers of {cut} were shortened in the middle to fit the model's "
        "context; raise COUNCIL_NUM_CTX to avoid it.",
        values=(cut,),
        agent_id=agent_id,
        degrades=True,
    )


def forgotten(session: Session, at: datetime) -> NoticeGiven:
    """What was said before the question did not fit whole. Every long conversation gets there, so
    the answer does not count as degraded."""
    return NoticeGiven(
        session_id=session.session_id,
        at=at,
        code=FORGOTTEN,
        detail="The conversation so far is longer than its share of the models' context: its older "
        "part was shortened or left out. Raise COUNCIL_NUM_CTX to avoid it.",
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
        "joules": said.answer.joules,
        "cached": said.answer.cached,
        "saved": said.answer.saved,
    }
