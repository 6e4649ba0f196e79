"""Tokens and time, added up: per call, per model, per stage, per session. Reads only answers.

Seats of one model are summed under that model and stay apart by seat.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from actors.messages.calls import CallTiming, Generated, TokenUsage
from actors.messages.events import (
    AnswerEvent,
    FinalAnswerGiven,
    GuardHeard,
    OpinionHeard,
    ReviewHeard,
    RevisionHeard,
    Stage,
    SynthesisDrafted,
)
from actors.messages.sessions import (
    AgentLatency,
    SessionLatencyStats,
    SessionTokenUsage,
    StageLatencyStats,
    StageTokenUsage,
)

_STAGE_OF: dict[type[AnswerEvent], Stage] = {
    OpinionHeard: "opinions",
    ReviewHeard: "review",
    RevisionHeard: "revision",
    SynthesisDrafted: "synthesis",
    FinalAnswerGiven: "synthesis",
    GuardHeard: "guard",
}
_NO_TOKENS = TokenUsage()


def stage_usage(stage: Stage, answers: Iterable[AnswerEvent]) -> StageTokenUsage | None:
    """Tokens of one stage; None if no answer belongs to it. Answers of other stages are passed
    over, so that the whole record may be given."""
    heard = _of(stage, answers)
    if not heard:
        return None
    by_model: dict[str, TokenUsage] = {}
    for answer in heard:
        by_model[answer.model] = _plus(by_model.get(answer.model, _NO_TOKENS), answer.usage)
    total = _NO_TOKENS
    for usage in by_model.values():
        total = _plus(total, usage)
    return StageTokenUsage(
        stage=stage,
        total_prompt_tokens=total.prompt_tokens,
        total_completion_tokens=total.completion_tokens,
        total_tokens=total.total_tokens,
        by_model=by_model,
    )


def session_usage(answers: Sequence[AnswerEvent]) -> SessionTokenUsage:
    """Tokens of a whole session so far."""
    opinions = stage_usage("opinions", answers)
    review = stage_usage("review", answers)
    revision = stage_usage("revision", answers)
    synthesis = stage_usage("synthesis", answers)
    guard = stage_usage("guard", answers)
    stages = [stage for stage in (opinions, review, revision, synthesis, guard) if stage]
    return SessionTokenUsage(
        stage1_opinions=opinions,
        stage2_review=review,
        stage3_synthesis=synthesis,
        revision=revision,
        guard=guard,
        total_prompt_tokens=sum(stage.total_prompt_tokens for stage in stages),
        total_completion_tokens=sum(stage.total_completion_tokens for stage in stages),
        total_tokens=sum(stage.total_tokens for stage in stages),
    )


def stage_latency(stage: Stage, answers: Iterable[AnswerEvent]) -> StageLatencyStats | None:
    """Times of one stage; None if no answer belongs to it."""
    heard = _of(stage, answers)
    if not heard:
        return None
    by_model: dict[str, int] = {}
    by_agent: dict[str, AgentLatency] = {}
    for answer in heard:
        by_model[answer.model] = by_model.get(answer.model, 0) + answer.timing.wall_ms
        by_agent[answer.agent_id] = _later(by_agent.get(answer.agent_id), answer)
    return StageLatencyStats(
        stage=stage,
        total_duration_ms=_wall_ms(heard),
        by_model=by_model,
        by_agent=by_agent,
    )


def session_latency(
    answers: Sequence[AnswerEvent],
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> SessionLatencyStats:
    """Times of a whole session. Wall time runs from `started_at` to `ended_at`, where given; else
    from the first call's start to the last answer."""
    starts = [started_at] if started_at else [answer.started_at for answer in answers]
    ends = [ended_at] if ended_at else [answer.at for answer in answers]
    return SessionLatencyStats(
        stage1_opinions=stage_latency("opinions", answers),
        stage2_review=stage_latency("review", answers),
        stage3_synthesis=stage_latency("synthesis", answers),
        revision=stage_latency("revision", answers),
        guard=stage_latency("guard", answers),
        total_duration_ms=_between(min(starts), max(ends)) if starts and ends else 0,
    )


def _of(stage: Stage, answers: Iterable[AnswerEvent]) -> list[AnswerEvent]:
    return [
        answer for answer in answers if _STAGE_OF.get(type(answer)) == stage and was_asked(answer)
    ]


def one_call(first: Generated, second: Generated) -> Generated:
    """Two answers of one conversation as one call: `first` with the tokens and times of both."""
    timings = (first.timing.model_dump(), second.timing.model_dump())
    fresh = (first.prompt_evaluated, second.prompt_evaluated)
    return first.model_copy(
        update={
            "usage": _plus(first.usage, second.usage),
            "timing": CallTiming(**{name: sum(t[name] for t in timings) for name in timings[0]}),
            "attempts": max(first.attempts, second.attempts),
            "prompt_evaluated": None if None in fresh else sum(f for f in fresh if f is not None),
        }
    )


def stage_of(answer: AnswerEvent) -> Stage:
    """The stage in which a model gave this answer."""
    return _STAGE_OF[type(answer)]


def was_asked(answer: AnswerEvent) -> bool:
    """False for an opinion that stands as the answer: no model was asked for it."""
    stands_in = isinstance(answer, FinalAnswerGiven) and (
        answer.fallback is not None or answer.basis == "opinion"
    )
    return not (stands_in and answer.usage == _NO_TOKENS and not answer.timing.wall_ms)


def _plus(one: TokenUsage, other: TokenUsage) -> TokenUsage:
    prompt = one.prompt_tokens + other.prompt_tokens
    completion = one.completion_tokens + other.completion_tokens
    return TokenUsage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
    )


def _later(before: AgentLatency | None, answer: AnswerEvent) -> AgentLatency:
    timing = answer.timing
    return AgentLatency(
        queue_ms=timing.queue_ms + (before.queue_ms if before else 0),
        network_ms=timing.network_ms + (before.network_ms if before else 0),
        load_ms=timing.load_ms + (before.load_ms if before else 0),
        prompt_ms=timing.prompt_ms + (before.prompt_ms if before else 0),
        generate_ms=timing.generate_ms + (before.generate_ms if before else 0),
    )


def _wall_ms(answers: Sequence[AnswerEvent]) -> int:
    """First start to last end; never less than the longest call, even if a clock jumped back."""
    wall = _between(min(answer.started_at for answer in answers), max(a.at for a in answers))
    return max(wall, *(answer.timing.wall_ms for answer in answers))


def _between(start: datetime, end: datetime) -> int:
    return max(0, (end - start) // timedelta(milliseconds=1))
