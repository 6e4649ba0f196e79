"""The heart: what the council owes a question next, computed from what has been heard so far.

A session is the record of its events. `next_step` reads that record and returns the one thing to do
now; `record` adds an event. Nothing that can be computed is stored beside the record, so a crash is
harmless: fold the events again and go on. Knows nothing of models, PCs, time or storage.

The rules, in order:
1. Every seat owes an opinion, until it gave one or was noted absent.
2. Without an opinion the session closes with `no_opinions`; with fewer than the quorum (two, or one
   if only one was seated), with `no_quorum`.
3. Every seat with an opinion owes a review of the others', if there are others.
4. The chairman owes the synthesis; if the chairman fails, the model of the best-ranked seat stands
   in; if that fails too, the best-ranked opinion stands as the answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from actors.council.ranking import rank
from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    AgentStarted,
    AnswerEvent,
    FinalAnswerGiven,
    NoticeGiven,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    SessionClosed,
    SessionStarted,
    StageStarted,
    Standing,
    StoredEvent,
)
from actors.messages.requests import Seat


@dataclass(frozen=True)
class Session:
    """The record of one session, indexed by who said what. Built only by `begin` and `record`."""

    started: SessionStarted
    last: StoredEvent
    opinions: Mapping[str, OpinionHeard] = field(default_factory=dict)
    reviews: Mapping[str, ReviewHeard] = field(default_factory=dict)
    final: FinalAnswerGiven | None = None
    absences: tuple[AbsenceNoted, ...] = ()
    notices: tuple[NoticeGiven, ...] = ()
    stages: tuple[str, ...] = ()
    asked: bool = False
    ranked: bool = False
    closed: SessionClosed | None = None

    @property
    def session_id(self) -> str:
        return self.started.session_id

    @property
    def seats(self) -> tuple[Seat, ...]:
        return self.started.seats

    def seat(self, agent_id: str) -> Seat:
        return next(seat for seat in self.seats if seat.agent_id == agent_id)


@dataclass(frozen=True)
class AskOpinions:
    """These seats owe an opinion; ask them all at once."""

    agent_ids: tuple[str, ...]


@dataclass(frozen=True)
class AskReviews:
    """These seats owe a review of the others' opinions; ask them all at once."""

    agent_ids: tuple[str, ...]


@dataclass(frozen=True)
class AskSynthesis:
    """The chairman owes the final answer. `fallback` names why another model is in the chair."""

    model: str
    fallback: str | None = None


@dataclass(frozen=True)
class UseOpinion:
    """No chairman is left: this seat's opinion stands as the answer."""

    agent_id: str


@dataclass(frozen=True)
class Closed:
    """Nothing is owed any more. `code` and `sentence` say why, if there is no answer."""

    code: str | None = None
    sentence: str | None = None


Step = AskOpinions | AskReviews | AskSynthesis | UseOpinion | Closed

FALLBACK_CHAIRMAN = "chairman_failed_best_agent_model_stood_in"
FALLBACK_OPINION = "chairman_failed_best_opinion_stands"


def begin(started: SessionStarted) -> Session:
    return Session(started=started, last=started)


def record(session: Session, event: StoredEvent) -> Session:
    """The session after `event`. What comes after the close is not recorded."""
    if session.closed is not None:
        return session
    match event:
        case OpinionHeard():
            heard = {**session.opinions, event.agent_id: event}
            return replace(session, last=event, opinions=heard)
        case ReviewHeard():
            read = {**session.reviews, event.agent_id: event}
            return replace(session, last=event, reviews=read)
        case FinalAnswerGiven():
            return replace(session, last=event, final=event)
        case AbsenceNoted():
            return replace(session, last=event, absences=(*session.absences, event))
        case NoticeGiven():
            return replace(session, last=event, notices=(*session.notices, event))
        case StageStarted():
            return replace(session, last=event, stages=(*session.stages, event.stage))
        case AgentStarted():
            return replace(session, last=event, asked=True)
        case RankingMade():
            return replace(session, last=event, ranked=True)
        case SessionClosed():
            return replace(session, last=event, closed=event)
        case SessionStarted():
            return session
        case never:
            assert_never(never)


def replay(events: Iterable[StoredEvent]) -> Session:
    """The session that these stored events tell of. Raises ValueError if they do not begin it."""
    first, *rest = events
    if not isinstance(first, SessionStarted):
        raise ValueError("a session's first event is session_started")
    session = begin(first)
    for event in rest:
        session = record(session, event)
    return session


def next_step(session: Session) -> Step:
    """What the council owes the question now."""
    return (
        _end(session)
        or _opinions(session)
        or _too_few(session)
        or _reviews(session)
        or _synthesis(session)
    )


def ranking(session: Session) -> tuple[Standing, ...]:
    """The seats with an opinion, best first, by the reviews read so far."""
    ballots = {reviewer: review.rankings for reviewer, review in session.reviews.items()}
    return rank(ballots, tuple(_in_seat_order(session, session.opinions)))


def quorum(session: Session) -> int:
    """Opinions needed to go on: two, or one where only one was seated."""
    return min(2, len(session.seats))


def answers(session: Session) -> tuple[AnswerEvent, ...]:
    """All that models answered in this session, stage by stage."""
    final = (session.final,) if session.final else ()
    return (*session.opinions.values(), *session.reviews.values(), *final)


def _in_seat_order(session: Session, chosen: Iterable[str]) -> Iterable[str]:
    wanted = set(chosen)
    return (seat.agent_id for seat in session.seats if seat.agent_id in wanted)


def _absent(session: Session, stage: str) -> set[str]:
    return {absence.agent_id for absence in session.absences if absence.stage == stage}


def _end(session: Session) -> Step | None:
    if session.closed is not None:
        return Closed(session.closed.error_code, session.closed.error)
    return Closed() if session.final is not None else None


def _opinions(session: Session) -> Step | None:
    done = session.opinions.keys() | _absent(session, "opinions")
    missing = tuple(seat.agent_id for seat in session.seats if seat.agent_id not in done)
    return AskOpinions(missing) if missing else None


def _too_few(session: Session) -> Step | None:
    causes = "; ".join(
        f"{absence.agent_id}: {absence.code} ({absence.detail})"
        for absence in session.absences
        if absence.stage == "opinions"
    )
    if not session.opinions:
        return Closed("no_opinions", f"No agent gave an opinion. {causes}")
    if len(session.opinions) < quorum(session):
        return Closed("no_quorum", f"Only one agent of the council gave an opinion. {causes}")
    return None


def _reviews(session: Session) -> Step | None:
    if len(session.opinions) < 2:
        return None
    done = session.reviews.keys() | _absent(session, "review")
    missing = tuple(a for a in _in_seat_order(session, session.opinions) if a not in done)
    return AskReviews(missing) if missing else None


def _synthesis(session: Session) -> Step:
    failed = [a.model for a in session.absences if a.agent_id == CHAIRMAN]
    chairman = session.started.chairman_model
    if chairman not in failed:
        return AskSynthesis(chairman)
    best = ranking(session)[0].agent_id
    stand_in = session.seat(best).model
    if stand_in not in failed:
        return AskSynthesis(stand_in, FALLBACK_CHAIRMAN)
    return UseOpinion(best)
