"""The record of one session, folded from its events: who said what. Decides nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar, assert_never

from actors.messages.events import (
    AbsenceNoted,
    AgentStarted,
    AnswerEvent,
    FinalAnswerGiven,
    GuardHeard,
    NoticeGiven,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    RevisionHeard,
    SessionClosed,
    SessionStarted,
    StageStarted,
    StoredEvent,
    SynthesisDrafted,
)
from actors.messages.procedure import Procedure
from actors.messages.requests import Seat

T = TypeVar("T", bound=AnswerEvent)
RETURNED = "pc_returned"
"""The notice that a seat can be asked again: its absence from the opinions is struck out."""


@dataclass(frozen=True)
class Session:
    """The record of one session, indexed by who said what. Built only by `begin` and `record`."""

    started: SessionStarted
    last: StoredEvent
    opinions: Mapping[str, OpinionHeard] = field(default_factory=dict)
    reviews: Mapping[str, tuple[ReviewHeard, ...]] = field(default_factory=dict)
    revisions: Mapping[str, RevisionHeard] = field(default_factory=dict)
    draft: SynthesisDrafted | None = None
    guards: Mapping[str, tuple[GuardHeard, ...]] = field(default_factory=dict)
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

    @property
    def procedure(self) -> Procedure:
        return self.started.procedure

    def seat(self, agent_id: str) -> Seat:
        return next(seat for seat in self.seats if seat.agent_id == agent_id)

    def words(self, agent_id: str) -> OpinionHeard | RevisionHeard:
        """The seat's opinion as it stands now."""
        return self.revisions.get(agent_id) or self.opinions[agent_id]

    def text(self, agent_id: str) -> str:
        return self.words(agent_id).content


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
            return replace(session, last=event, reviews=_with(session.reviews, event))
        case RevisionHeard():
            revised = {**session.revisions, event.agent_id: event}
            return replace(session, last=event, revisions=revised)
        case SynthesisDrafted():
            return replace(session, last=event, draft=event)
        case GuardHeard():
            return replace(session, last=event, guards=_with(session.guards, event))
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


def answers(session: Session) -> tuple[AnswerEvent, ...]:
    """All that models answered in this session, stage by stage."""
    last = session.final or session.draft
    return (
        *session.opinions.values(),
        *chain.from_iterable(session.reviews.values()),
        *session.revisions.values(),
        *((last,) if last else ()),
        *chain.from_iterable(session.guards.values()),
    )


def _with(heard: Mapping[str, tuple[T, ...]], event: T) -> Mapping[str, tuple[T, ...]]:
    return {**heard, event.agent_id: (*heard.get(event.agent_id, ()), event)}


def _struck_out(session: Session, agent_id: str | None) -> Session:
    """Without that seat's absence from the opinions."""
    kept = (a for a in session.absences if (a.agent_id, a.stage) != (agent_id, "opinions"))
    return replace(session, absences=tuple(kept))
