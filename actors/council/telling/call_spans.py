"""The spans of one call to a model: its own, those of attempts that failed, and where the time of
its answer went. Holds no text of anyone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from actors.council.session import Session
from actors.council.telling.span import Attributes, Span, around
from actors.council.telling.told_calls import ToldCall
from actors.council.telling.trace_ids import call_span_id, span_id
from actors.messages.calls import CallTiming
from actors.messages.events import CHAIRMAN, AbsenceNoted, AgentStarted, AnswerEvent

LOST = "council_restarted"
"""Why a call came to nothing that was under way when the orchestrator ended."""
PARTS = ("queue", "network", "load", "prompt", "generate")
"""Where a call's time goes, in its order; network = wall time - Ollama's total_duration."""


def call_spans(
    session: Session, call: ToldCall, calls: Sequence[ToldCall], parent_id: str
) -> tuple[Span, ...]:
    """The call's span, then its attempts that failed, and the parts of its answer's time."""
    model, error = _model(session, call), _error(call)
    own = Span(
        span_id=_id(session, call),
        parent_id=parent_id,
        name=f"chat {model}",
        start=call.asked_at,
        end=call.end.at if call.end else call.until or call.asked_at,
        kind="client",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "ollama",
            "gen_ai.request.model": model,
            "council.session.id": session.session_id,
            "council.stage": call.stage,
            "council.agent.id": call.agent_id,
            "council.outcome": call.outcome,
            **_told_by(call),
        },
        error=error,
        links=tuple(
            _id(session, one)
            for one in calls[: calls.index(call)]
            if one.seat == call.seat and _error(one)
        ),
    )
    within = (*_failed(session, call, own), *_parts(session, call, own))
    return (around(own, within), *within)


def _told_by(call: ToldCall) -> Attributes:
    """What its end says of it, or what was sent last."""
    match call.end:
        case AnswerEvent() as answer:
            return {
                "council.pc": answer.node,
                "council.attempts": answer.attempts,
                "council.cached": answer.cached,
                "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
                "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
                "gen_ai.response.finish_reasons": ("length" if answer.truncated else "stop",),
            }
        case AbsenceNoted() as absence:
            return {"council.pc": absence.node, "council.attempts": absence.attempts}
        case _:
            last = call.starts[-1]
            return {"council.pc": last.node, "council.attempts": last.attempt}


def _error(call: ToldCall) -> str | None:
    if isinstance(call.end, AbsenceNoted):
        return call.end.code
    return LOST if call.outcome == "lost" else None


def _model(session: Session, call: ToldCall) -> str:
    if call.end is not None and call.end.model:
        return call.end.model
    if call.agent_id == CHAIRMAN:
        return session.started.chairman_model
    return session.seat(call.agent_id).model


def _id(session: Session, call: ToldCall) -> str:
    return call_span_id(session.started, call.stage, call.agent_id, call.asked_at)


def _failed(session: Session, call: ToldCall, own: Span) -> tuple[Span, ...]:
    """The attempts that failed: each lasts until the next is sent, or the call is given up."""
    failed = [
        _attempt(session, own, sent, again.at, again.former.code)
        for sent, again in pairwise(call.starts)
        if again.former is not None
    ]
    if call.starts and own.error:
        failed.append(_attempt(session, own, call.starts[-1], own.end, own.error))
    return tuple(failed)


def _attempt(session: Session, own: Span, sent: AgentStarted, end: datetime, error: str) -> Span:
    return Span(
        span_id=span_id(session.started, own.span_id, "attempt", sent.at.isoformat()),
        parent_id=own.span_id,
        name=f"attempt {sent.attempt}",
        start=sent.at,
        end=max(sent.at, end),
        attributes={
            "council.session.id": session.session_id,
            "council.agent.id": sent.agent_id,
            "council.attempt": sent.attempt,
            "council.pc": sent.node,
        },
        error=error,
    )


def _parts(session: Session, call: ToldCall, own: Span) -> tuple[Span, ...]:
    """One after the other, of the attempt that was answered."""
    if not isinstance(call.end, AnswerEvent):
        return ()
    lengths = _lengths(call.end.timing)
    at, parts = _parts_begin(call, call.end, lengths), []
    for name, length in zip(PARTS, lengths, strict=True):
        at, start = at + length, at
        parts.append(
            Span(
                span_id=span_id(session.started, own.span_id, name),
                parent_id=own.span_id,
                name=name,
                start=start,
                end=at,
                attributes={"council.session.id": session.session_id},
            )
        )
    return tuple(parts)


def _lengths(timing: CallTiming) -> tuple[timedelta, ...]:
    return tuple(timedelta(milliseconds=getattr(timing, f"{part}_ms")) for part in PARTS)


def _parts_begin(call: ToldCall, end: AnswerEvent, lengths: Sequence[timedelta]) -> datetime:
    """So that its queue ends where the attempt was sent, and all of them end before the answer;
    never before the call was begun. Of several answers made one, at the end."""
    latest = end.at - sum(lengths, timedelta())
    sent = call.starts[-1].at - lengths[0] if call.starts else latest
    return max(call.asked_at, min(sent, latest))
