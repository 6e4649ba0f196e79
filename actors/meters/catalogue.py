"""Every meter of the council, declared once. Names and units are those of Prometheus: base units,
`_total` for what only grows. Knows nothing of who feeds or reads them.

Labels: `model` as a PC has it installed, `pc` the name that a PC joined by, `stage` one of the
protocol's (or `worker`, a single generation), `code` and `outcome` of the error tree, `route` the
template of a path. Nothing that a client, a question or a model says is ever one.
"""

from dataclasses import dataclass
from typing import Literal

SESSION_S = (1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1800, 3600)
"""Councils take minutes, so minutes are told apart; and a deadline of 600 s is passed by a moment,
or is a longer one."""
CALL_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600)
"""Up to five minutes to the first token, and `GENERATION_TIMEOUT` from there."""
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
WORKER = "worker"
"""The `stage` of a single generation, which belongs to no session."""


@dataclass(frozen=True)
class Meter:
    """`buckets` (upper bounds, in the unit of the name) for histograms only."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, help: str, *labels: str) -> Meter:
    return Meter(name, "counter", help, labels)


def _gauge(name: str, help: str, *labels: str) -> Meter:
    return Meter(name, "gauge", help, labels)


SESSIONS = _counter(
    "council_sessions_total",
    "Sessions that ended: complete, degraded (complete, but less than it could be), or the error",
    *("outcome", "mode"),
)
SESSION_DURATION = Meter(
    "council_session_duration_seconds",
    "histogram",
    "From the question to the end of its session",
    ("mode",),
    SESSION_S,
)
STAGE_DURATION = Meter(
    "council_stage_duration_seconds",
    "histogram",
    "A stage of a session, from its first call to its last answer",
    ("stage",),
    SESSION_S,
)
CALL_DURATION = Meter(
    "council_call_duration_seconds",
    "histogram",
    "A model call that was answered, from the request to the last byte, without its wait in queue",
    ("stage", "model", "pc"),
    CALL_S,
)
CALL_PARTS = _counter(
    "council_call_part_seconds_total",
    "Where the time of calls went: queue, network, load (of the model), prompt, generate",
    *("part", "stage", "model", "pc"),
)
TOKENS = _counter(
    "council_tokens_total",
    "Tokens as the engine counted them: prompt, completion",
    *("kind", "stage", "model", "pc"),
)
CACHE_HITS = _counter(
    "council_cache_hits_total",
    "Model calls that were answered from the cache; no other meter counts them as calls",
    *("stage", "model"),
)
RETRIES = _counter(
    "council_retries_total", "Calls that were tried again, by why the attempt before failed", "code"
)
ABSENCES = _counter(
    "council_absences_total",
    "Seats (or the chairman) that gave nothing in a stage, by why the last attempt failed",
    *("stage", "code"),
)
ABSTENTIONS = _counter("council_abstentions_total", "Reviews without a vote that could be read")
AGREEMENT = Meter(
    "council_agreement_kendall_w",
    "histogram",
    "How far the judges of a session agree: 0 by chance, 1 one order",
    (),
    SHARES,
)
GUARD = _counter(
    "council_guard_verdicts_total",
    "Syntheses compared with the best opinion: stands, lost, unfinished",
    "verdict",
)
OPEN_SESSIONS = _gauge("council_open_sessions", "Sessions that have not ended")
QUEUE_DEPTH = _gauge("council_queue_depth", "Calls that wait for a slot", "model")
SLOTS = _gauge(
    "council_slots", "Generations that a PC may run at once: busy, free", *("pc", "state")
)
RESIDENT_MODELS = _gauge(
    "council_resident_models", "Models that sit on a PC, by their agents", "pc"
)
BREAKER_OPEN = _gauge(
    "council_breaker_open",
    "1 = the PC's model server could not be reached so often that nobody is sent there",
    "pc",
)
HTTP_REQUESTS = _counter(
    "council_http_requests_total",
    "HTTP requests that were answered; a WebSocket counts when it is accepted or refused",
    *("route", "method", "status"),
)
REFUSED = _counter(
    "council_requests_refused_total",
    "HTTP requests answered with a problem and without a session, by the problem's code",
    "code",
)

OF_COUNCIL = (
    *(SESSIONS, SESSION_DURATION, STAGE_DURATION, CALL_DURATION, CALL_PARTS, TOKENS),
    *(CACHE_HITS, RETRIES, ABSENCES, ABSTENTIONS, AGREEMENT, GUARD),
    *(OPEN_SESSIONS, QUEUE_DEPTH, SLOTS, RESIDENT_MODELS, BREAKER_OPEN),
)
"""Kept by the orchestrator."""
OF_HTTP = (HTTP_REQUESTS, REFUSED)
"""Kept where HTTP comes in."""
