"""Every call of a session as its record tells it: when it was begun, what was sent for it, and how
it ended. Knows nothing of spans.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from actors.council.accounting import stage_of, was_asked
from actors.messages.events import (
    AbsenceNoted,
    AgentStarted,
    AnswerEvent,
    SessionClosed,
    Stage,
    StageStarted,
    StoredEvent,
)

Outcome = Literal["answer", "absence", "lost", "abandoned"]
"""`lost` with the orchestrator that had begun it, and begun again by the next; `abandoned`: the
session went on without it, or ended."""


@dataclass(frozen=True)
class ToldCall:
    """`starts`: what was sent for it, in order; none where no PC was found for it. `end` None = it
    has no end of its own; then `until` says when nobody waited for it any more."""

    stage: Stage
    agent_id: str
    asked_at: datetime
    starts: tuple[AgentStarted, ...] = ()
    end: AnswerEvent | AbsenceNoted | None = None
    outcome: Outcome = "abandoned"
    until: datetime | None = None

    @property
    def seat(self) -> tuple[Stage, str]:
        return self.stage, self.agent_id


Calls = tuple[ToldCall, ...]


def told_calls(events: Sequence[StoredEvent]) -> Calls:
    """In the order in which they were first heard of."""
    calls: Calls = ()
    for event in events:
        match event:
            case AgentStarted():
                calls = _started(calls, event)
            case AbsenceNoted():
                calls = _absent(calls, event, _stage_began(events, event.stage))
            case AnswerEvent() if was_asked(event):
                calls = _answered(calls, event)
    return tuple(_ended(call, calls, events) for call in calls)


def _started(calls: Calls, event: AgentStarted) -> Calls:
    asked_at = event.asked_at or event.at
    for call in calls:
        if (call.seat, call.asked_at) == ((event.stage, event.agent_id), asked_at):
            return _changed(calls, call, replace(call, starts=(*call.starts, event)))
    return (*calls, ToldCall(event.stage, event.agent_id, asked_at, (event,)))


def _answered(calls: Calls, event: AnswerEvent) -> Calls:
    """The answer that is made of a draft, or of a conclusion, ends no second call."""
    seat = (stage_of(event), event.agent_id)
    same = [call for call in calls if (call.seat, call.asked_at) == (seat, event.started_at)]
    for call in same or _open(calls, *seat):
        if call.end is not None:
            return calls
        ended = replace(call, end=event, outcome="answer", asked_at=event.started_at)
        return _changed(calls, call, ended)
    return (*calls, ToldCall(*seat, event.started_at, end=event, outcome="answer"))


def _absent(calls: Calls, event: AbsenceNoted, stage_began: datetime) -> Calls:
    """No PC was found for a call that nothing was sent for: it was begun with the stage, or after
    what the seat was asked before."""
    for call in _open(calls, event.stage, event.agent_id):
        return _changed(calls, call, replace(call, end=event, outcome="absence"))
    seat = (event.stage, event.agent_id)
    before = [call.end.at for call in calls if call.seat == seat and call.end]
    began = max((stage_began, *before))
    return (*calls, ToldCall(*seat, began, end=event, outcome="absence"))


def _open(calls: Calls, stage: Stage, agent_id: str) -> Calls:
    """The seat's last call, if it has not ended."""
    last = [call for call in calls if call.seat == (stage, agent_id)][-1:]
    return tuple(call for call in last if call.end is None)


def _ended(call: ToldCall, calls: Calls, events: Sequence[StoredEvent]) -> ToldCall:
    """With an end, for a call that has none of its own."""
    if call.end is not None:
        return call
    again = [one.asked_at for one in calls[calls.index(call) + 1 :] if one.seat == call.seat]
    if again:
        return replace(call, outcome="lost", until=again[0])
    after = events[max(events.index(start) for start in call.starts) :]
    over = [one.at for one in after if isinstance(one, StageStarted | SessionClosed)]
    return replace(call, until=over[0] if over else events[-1].at)


def _stage_began(events: Sequence[StoredEvent], stage: Stage) -> datetime:
    began = [one.at for one in events if isinstance(one, StageStarted) and one.stage == stage]
    return began[0] if began else events[0].at


def _changed(calls: Calls, old: ToldCall, new: ToldCall) -> Calls:
    return tuple(new if call is old else call for call in calls)
