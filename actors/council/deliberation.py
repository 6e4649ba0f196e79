"""The heart: what the council owes a question next, computed from what has been heard so far.

A session is the record of its events. `next_step` reads that record and returns the one thing to do
now; `record` adds an event. Nothing that can be computed is stored beside the record, so a crash is
harmless: fold the events again and go on. Knows nothing of models, PCs, time or storage.

The rules, in order:
1. Every seat owes an opinion, until it gave one or was noted absent.
2. With fewer opinions than the quorum (two, or one if only one was seated), seats whose PC has left
   the cluster are waited for, if with them there would be enough. Whoever is back owes an opinion
   again: the absence is struck out. Other absences are final.
3. Otherwise a session without an opinion closes with `no_opinions`, one with too few with
   `no_quorum`.
4. Every seat with an opinion owes a review of the others', if there are others.
5. The chairman owes the synthesis; if the chairman fails, the model of the best-ranked seat stands
   in; if that fails too, the best-ranked opinion stands as the answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from actors.council.ranking import Scores, counted, ranked
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
    Stage,
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
    ranked: RankingMade | None = None
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
class AwaitPcs:
    """Too few opinions while the PCs of these seats are gone: ask the seats once one is back.
    `told` = it was said that they are waited for."""

    agent_ids: tuple[str, ...]
    told: bool = False


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


Step = AskOpinions | AwaitPcs | AskReviews | AskSynthesis | UseOpinion | Closed

FALLBACK_CHAIRMAN = "chairman_failed_best_agent_model_stood_in"
FALLBACK_OPINION = "chairman_failed_best_opinion_stands"
WAITING = "waiting_for_pc"
"""The notice that seats are waited for whose PC left."""
RETURNED = "pc_returned"
"""The notice that a seat can be asked again: its absence from the opinions is struck out."""
AWAY = "node_gone"
"""The code of an absence that ends when a PC comes back."""


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
            told = replace(session, last=event, notices=(*session.notices, event))
            return _struck_out(told, event.agent_id) if event.code == RETURNED else told
        case StageStarted():
            return replace(session, last=event, stages=(*session.stages, event.stage))
        case AgentStarted():
            return replace(session, last=event, asked=True)
        case RankingMade():
            return replace(session, last=event, ranked=event)
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
        or _away(session)
        or _too_few(session)
        or _reviews(session)
        or _synthesis(session)
    )


def ranking(session: Session) -> tuple[Standing, ...]:
    """The seats with an opinion, best first, by the reviews read so far."""
    candidates = tuple(_in_seat_order(session, session.opinions))
    return ranked(scores(session), candidates, session.started.ranking_method)


def scores(session: Session) -> Scores:
    """The votes that count of the reviews read so far."""
    ballots = {reviewer: review.rankings for reviewer, review in session.reviews.items()}
    return counted(ballots, tuple(session.opinions))


def out_of_time(session: Session) -> Closed:
    """How the session closes when its deadline passes now."""
    if isinstance(next_step(session), AwaitPcs):
        return _closed("no_quorum", session, "and no PC that is missing came back in time")
    return Closed("deadline", "The session's deadline passed before the answer was ready.")


def owed(session: Session) -> tuple[tuple[Stage, str, str], ...]:
    """Stage, seat and model of every call that is due now."""
    match next_step(session):
        case AskOpinions(agent_ids):
            return tuple(("opinions", a, session.seat(a).model) for a in agent_ids)
        case AskReviews(agent_ids):
            return tuple(("review", a, session.seat(a).model) for a in agent_ids)
        case AskSynthesis(model):
            return (("synthesis", CHAIRMAN, model),)
        case _:
            return ()


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


def _struck_out(session: Session, agent_id: str | None) -> Session:
    """Without that seat's absence from the opinions."""
    kept = (a for a in session.absences if (a.agent_id, a.stage) != (agent_id, "opinions"))
    return replace(session, absences=tuple(kept))


def _end(session: Session) -> Step | None:
    if session.closed is not None:
        return Closed(session.closed.error_code, session.closed.error)
    return Closed() if session.final is not None else None


def _opinions(session: Session) -> Step | None:
    done = session.opinions.keys() | _absent(session, "opinions")
    missing = tuple(seat.agent_id for seat in session.seats if seat.agent_id not in done)
    return AskOpinions(missing) if missing else None


def _away(session: Session) -> Step | None:
    if len(session.opinions) >= quorum(session):
        return None
    away = {a.agent_id for a in session.absences if (a.stage, a.code) == ("opinions", AWAY)}
    if len(session.opinions) + len(away) < quorum(session):
        return None
    told = any(notice.code == WAITING for notice in session.notices)
    return AwaitPcs(tuple(_in_seat_order(session, away)), told)


def _too_few(session: Session) -> Step | None:
    if not session.opinions:
        return _closed("no_opinions", session)
    return _closed("no_quorum", session) if len(session.opinions) < quorum(session) else None


def _closed(code: str, session: Session, more: str = "") -> Closed:
    """Too few opinions, with the cause of each that is missing."""
    heard = "No agent" if not session.opinions else "Only one agent of the council"
    causes = "; ".join(
        f"{absence.agent_id}: {absence.code} ({absence.detail})"
        for absence in session.absences
        if absence.stage == "opinions"
    )
    return Closed(code, f"{heard} gave an opinion{more and ', ' + more}. {causes}")


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
