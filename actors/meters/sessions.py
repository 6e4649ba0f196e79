"""What the council counts: a witness of every session's events, and of single generations.

An answer is counted when it is heard. A session that goes on after a restart is counted once, when
it ends; what was heard of it before is not counted again.

Whatever can happen is a series from the start where that can be known: failures are rare, and one
that only makes its series would be in no rate.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from typing import get_args

from actors.council.accounting import stage_latency, stage_of, was_asked
from actors.council.session import Session, answers
from actors.council.table.model_names import canonical
from actors.council.telling.minutes import is_degraded
from actors.errors import CouncilFailed, ModelCallError
from actors.messages.calls import CallTiming, Generated, TokenUsage
from actors.messages.events import (
    AbsenceNoted,
    AgentStarted,
    AnswerEvent,
    FinalAnswerGiven,
    RankingMade,
    ReviewHeard,
    SessionClosed,
    Stage,
    StoredEvent,
)
from actors.messages.judgement import Verdict
from actors.messages.procedure import Mode
from actors.meters import catalogue
from actors.meters.catalogue import Meter
from actors.meters.labels import INTERNAL, Bounded, code, codes
from actors.meters.outlet import Labels, Outlet

PARTS = ("queue", "network", "load", "prompt", "generate")
MS = 1_000
DEGRADED, COMPLETE = "degraded", "complete"
OUTCOMES = (COMPLETE, DEGRADED, INTERNAL, *sorted(codes(CouncilFailed)))
WHY = tuple(sorted(codes(ModelCallError)))
KNOWN: Mapping[Meter, tuple[tuple[str, ...], ...]] = {
    catalogue.SESSIONS: (OUTCOMES, get_args(Mode)),
    catalogue.SESSION_DURATION: (get_args(Mode),),
    catalogue.STAGE_DURATION: (get_args(Stage),),
    catalogue.RETRIES: (WHY,),
    catalogue.ABSENCES: (get_args(Stage), WHY),
    catalogue.GUARD: (get_args(Verdict),),
}
"""The values of each label of the meters of which they can be known."""


class SessionMeters:
    """Calling it is being told of an event, as a `Witness` is."""

    def __init__(self, outlet: Outlet, models: Bounded, pcs: Bounded) -> None:
        self._outlet = outlet
        self._models = models
        self._pcs = pcs
        for meter, values in KNOWN.items():
            for labels in product(*values):
                outlet.begin(meter, labels)

    def __call__(self, session: Session, event: StoredEvent) -> None:
        if isinstance(event, AnswerEvent) and _is_a_call(session, event):
            self._answered(stage_of(event), event.model, event)
        match event:
            case AgentStarted(former=failed) if failed is not None:
                self._outlet.add(catalogue.RETRIES, (code(failed.code),))
            case AbsenceNoted():
                self._outlet.add(catalogue.ABSENCES, (event.stage, code(event.code)))
            case ReviewHeard(rankings=()):
                self._outlet.add(catalogue.ABSTENTIONS)
            case RankingMade(agreement=agreement) if agreement and agreement.kendall_w is not None:
                self._outlet.observe(catalogue.AGREEMENT, (), agreement.kendall_w)
            case FinalAnswerGiven(guard=guard) if guard is not None:
                self._outlet.add(catalogue.GUARD, (guard.verdict,))
            case SessionClosed():
                self._ended(session, event)

    def generated(self, model: str, said: Generated) -> None:
        """A single generation was answered."""
        self._answered(catalogue.WORKER, model, said)

    def _answered(self, stage: str, model: str, said: AnswerEvent | Generated) -> None:
        of = (stage, self._models(canonical(model)))
        if said.cached:
            self._outlet.add(catalogue.CACHE_HITS, of)
        else:
            self._called((*of, self._pcs(said.node)), said.usage, said.timing)

    def _called(self, where: Labels, usage: TokenUsage, timing: CallTiming) -> None:
        self._outlet.observe(catalogue.CALL_DURATION, where, timing.wall_ms / MS)
        took = (timing.queue_ms, timing.network_ms, timing.load_ms)
        for part, ms in zip(PARTS, (*took, timing.prompt_ms, timing.generate_ms), strict=True):
            self._outlet.add(catalogue.CALL_PARTS, (part, *where), max(0, ms) / MS)
        self._outlet.add(catalogue.TOKENS, ("prompt", *where), usage.prompt_tokens)
        self._outlet.add(catalogue.TOKENS, ("completion", *where), usage.completion_tokens)

    def _ended(self, session: Session, end: SessionClosed) -> None:
        mode = session.procedure.mode
        self._outlet.add(catalogue.SESSIONS, (_outcome(session, end), mode))
        took = max(timedelta(), end.at - session.started.at)
        self._outlet.observe(catalogue.SESSION_DURATION, (mode,), took.total_seconds())
        heard = answers(session)
        for stage in get_args(Stage):
            if latency := stage_latency(stage, heard):
                seconds = latency.total_duration_ms / MS
                self._outlet.observe(catalogue.STAGE_DURATION, (stage,), seconds)


def _is_a_call(session: Session, answer: AnswerEvent) -> bool:
    """False for an opinion that stands as the answer, and where a draft was an answer before."""
    again = isinstance(answer, FinalAnswerGiven) and session.draft is not None
    return was_asked(answer) and not again


def _outcome(session: Session, end: SessionClosed) -> str:
    if end.outcome == "error":
        return code(end.error_code)
    return DEGRADED if is_degraded(session) else COMPLETE
