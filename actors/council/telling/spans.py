"""A session's trace as plain values: the session, its stages, their calls, and where each call's
time went. A function of the record: after any crash it is the same trace. Holds no text of anyone.

Names follow OpenTelemetry's GenAI conventions where they have one, `council.*` are ours.
"""

from collections.abc import Iterable, Sequence

from actors.council.session import Session, replay
from actors.council.telling.call_spans import call_spans
from actors.council.telling.span import Mark, Span, around
from actors.council.telling.told_calls import ToldCall, told_calls
from actors.council.telling.trace_ids import incoming, span_id
from actors.messages.events import NoticeGiven, RankingMade, StageStarted, StoredEvent

NAME = "llm-council"


def spans(events: Sequence[StoredEvent]) -> tuple[Span, ...]:
    """The trace of the session that these events tell of, the session's own span first. Every span
    lies within its parent."""
    session, calls = replay(events), told_calls(events)
    begun = [event for event in events if isinstance(event, StageStarted)]
    stages = [_stage(session, one, calls) for one in begun]
    within = tuple(span for stage in stages for span in stage)
    return (around(_session(session, events), within), *within)


def _session(session: Session, events: Sequence[StoredEvent]) -> Span:
    started, closed = session.started, session.closed
    caller = incoming(started.origin)
    named = {"council.request.id": started.origin.request_id} if started.origin.request_id else {}
    return Span(
        span_id=span_id(started),
        parent_id=caller[1] if caller else None,
        name=f"invoke_workflow {NAME}",
        start=started.at,
        end=events[-1].at,
        kind="server",
        attributes={
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.agent.name": NAME,
            "gen_ai.conversation.id": session.session_id,
            "council.session.id": session.session_id,
            "council.mode": session.procedure.mode,
            "council.seats": len(session.seats),
            "council.outcome": closed.outcome if closed else "open",
            **named,
        },
        error=(closed.error_code or "error") if closed and closed.outcome == "error" else None,
        marks=tuple(mark for event in events for mark in _marks(event)),
    )


def _marks(event: StoredEvent) -> Iterable[Mark]:
    match event:
        case RankingMade():
            yield Mark("ranking", event.at, {"council.ranking.method": event.method})
        case NoticeGiven():
            about = {"council.agent.id": event.agent_id} if event.agent_id else {}
            yield Mark("notice", event.at, {"council.notice.code": event.code, **about})


def _stage(session: Session, begun: StageStarted, calls: Sequence[ToldCall]) -> tuple[Span, ...]:
    """The stage's span, and those of all that was asked in it."""
    own = Span(
        span_id=span_id(session.started, begun.stage),
        parent_id=span_id(session.started),
        name=begun.stage,
        start=begun.at,
        end=begun.at,
        attributes={"council.session.id": session.session_id, "council.stage": begun.stage},
    )
    of_stage = [call for call in calls if call.stage == begun.stage]
    within = tuple(
        span for call in of_stage for span in call_spans(session, call, calls, own.span_id)
    )
    return (around(own, within), *within)
