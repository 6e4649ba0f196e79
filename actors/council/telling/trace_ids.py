"""The ids of a session's trace, derived from its record alone: what a model server is told while it
answers names the span that is exported once the session has ended, in whatever process.

W3C Trace Context (https://www.w3.org/TR/trace-context/). A session that came with a context is in
its caller's trace; another's trace id is a hash (a UUID's own bits are not all by chance, and
samplers decide by them).
"""

from datetime import UTC, datetime
from hashlib import sha256

from actors.messages.events import SessionStarted
from actors.messages.requests import Origin

SAMPLED = 1
"""The flag of a trace that is kept."""


def trace_id(started: SessionStarted) -> str:
    """32 hexadecimal digits."""
    parent = incoming(started.origin)
    return parent[0] if parent else _hashed(32, started.session_id)


def span_id(started: SessionStarted, *path: str) -> str:
    """Of a part of the session, 16 hexadecimal digits; the session's own without a path."""
    return _hashed(16, started.session_id, "span", *path)


def call_span_id(started: SessionStarted, stage: str, agent_id: str, asked_at: datetime) -> str:
    """Of one call: everything that is sent for it, again or not, is told this id."""
    return span_id(started, stage, agent_id, asked_at.astimezone(UTC).isoformat())


def incoming(origin: Origin) -> tuple[str, str, int] | None:
    """(trace id, span id, flags) of the caller; None where there is none, or it is all zeros."""
    if origin.traceparent is None:
        return None
    _, trace, span, flags = origin.traceparent.split("-")
    return (trace, span, int(flags, 16)) if int(trace, 16) and int(span, 16) else None


def onward(
    started: SessionStarted, stage: str, agent_id: str, asked_at: datetime, sampled: bool | None
) -> Origin:
    """What goes out with a call. `sampled` None = nobody makes spans of it: a context goes on as it
    came; else it names the call's span, and says whether that is kept."""
    came = started.origin
    if sampled is None:
        return came
    span = call_span_id(started, stage, agent_id, asked_at)
    return Origin(
        request_id=came.request_id,
        traceparent=f"00-{trace_id(started)}-{span}-{SAMPLED if sampled else 0:02x}",
        tracestate=came.tracestate if incoming(came) else None,
    )


def _hashed(digits: int, *parts: str) -> str:
    return sha256("\0".join(("council", *parts)).encode()).hexdigest()[:digits]
