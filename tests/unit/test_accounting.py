"""Tokens and times add up: the requirement's own table, seats of one model, clocks that jump."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.council.accounting import (
    one_call,
    session_joules,
    session_latency,
    session_usage,
    stage_latency,
    stage_usage,
)
from actors.messages.calls import CallTiming, Generated, TokenUsage
from actors.messages.events import (
    CHAIRMAN,
    AnswerEvent,
    FinalAnswerGiven,
    OpinionHeard,
    ReviewHeard,
)
from actors.messages.sessions import AgentLatency, SessionLatencyStats, SessionTokenUsage

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def seconds(count: float) -> datetime:
    return START + timedelta(seconds=count)


def common(
    agent_id: str, model: str, prompt: int, completion: int, begin: float, end: float
) -> dict[str, object]:
    wall = max(0, round((end - begin) * 1000))
    return {
        "session_id": "s",
        "agent_id": agent_id,
        "model": model,
        "usage": TokenUsage(
            prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
        ),
        "timing": CallTiming(
            queue_ms=1, network_ms=2, load_ms=3, prompt_ms=4, generate_ms=5, wall_ms=wall
        ),
        "started_at": seconds(begin),
        "at": seconds(end),
        "content": "…",
    }


def opinion(
    agent: str, model: str, prompt: int, completion: int, begin: float = 0, end: float = 1
) -> OpinionHeard:
    return OpinionHeard.model_validate(common(agent, model, prompt, completion, begin, end))


def review(agent: str, model: str, prompt: int, completion: int) -> ReviewHeard:
    fields = common(agent, model, prompt, completion, 2, 4)
    return ReviewHeard.model_validate({**fields, "rankings": ()})


def final(model: str, prompt: int, completion: int, fallback: str | None = None) -> AnswerEvent:
    fields = common(CHAIRMAN, model, prompt, completion, 5, 5 + (prompt > 0))
    return FinalAnswerGiven.model_validate({**fields, "fallback": fallback})


QWEN, LLAMA, GEMMA = "qwen2.5:0.5b", "llama3.2:1b", "gemma2:2b"
TABLE: list[AnswerEvent] = [
    opinion("agent_1", GEMMA, 82, 61),
    opinion("agent_2", QWEN, 81, 96),
    opinion("agent_3", LLAMA, 81, 99),
    review("agent_1", GEMMA, 431, 198),
    review("agent_2", QWEN, 431, 198),
    review("agent_3", LLAMA, 431, 198),
    final("phi3.5:latest", 501, 352),
]


def test_the_requirements_table_comes_out() -> None:
    usage = session_usage(TABLE)
    stages = (usage.stage1_opinions, usage.stage2_review, usage.stage3_synthesis)
    rows = [
        (s.stage, s.total_prompt_tokens, s.total_completion_tokens, s.total_tokens)
        for s in stages
        if s
    ]
    assert rows == [
        ("opinions", 244, 256, 500),
        ("review", 1293, 594, 1887),
        ("synthesis", 501, 352, 853),
    ]
    assert usage.total_prompt_tokens == 2038
    assert usage.total_completion_tokens == 1202
    assert usage.total_tokens == 3240
    assert usage.stage1_opinions
    assert usage.stage1_opinions.by_model[GEMMA] == TokenUsage(
        prompt_tokens=82, completion_tokens=61, total_tokens=143
    )
    assert usage.stage1_opinions.by_model[QWEN].total_tokens == 177


def test_nothing_heard_is_nothing_spent() -> None:
    assert session_usage([]) == SessionTokenUsage()
    assert session_latency([]) == SessionLatencyStats()
    assert stage_usage("review", TABLE[:3]) is None
    assert stage_latency("review", TABLE[:3]) is None


def test_seats_of_one_model_are_summed_by_model_and_apart_by_seat() -> None:
    answers = [
        opinion("agent_1", QWEN, 10, 1, 0, 1),
        opinion("agent_2", QWEN, 20, 2, 0.5, 2.5),
        opinion("agent_3", LLAMA, 5, 5, 1, 2),
    ]
    usage, latency = stage_usage("opinions", answers), stage_latency("opinions", answers)
    assert usage
    assert latency
    assert usage.by_model == {
        QWEN: TokenUsage(prompt_tokens=30, completion_tokens=3, total_tokens=33),
        LLAMA: TokenUsage(prompt_tokens=5, completion_tokens=5, total_tokens=10),
    }
    assert latency.by_model == {QWEN: 3000, LLAMA: 1000}
    assert set(latency.by_agent) == {"agent_1", "agent_2", "agent_3"}
    assert latency.total_duration_ms == 2500


def test_several_calls_of_one_seat_in_a_stage_are_summed() -> None:
    latency = stage_latency("review", [review("agent_1", QWEN, 1, 1)] * 2)
    assert latency
    assert latency.by_agent["agent_1"] == AgentLatency(
        queue_ms=2, network_ms=4, load_ms=6, prompt_ms=8, generate_ms=10
    )
    assert latency.by_model == {QWEN: 4000}


def test_a_session_lasts_from_its_first_call_or_from_what_is_said() -> None:
    assert session_latency(TABLE).total_duration_ms == 6000
    latency = session_latency(TABLE, seconds(-1), seconds(8))
    assert latency.total_duration_ms == 9000
    assert latency.stage2_review
    assert latency.stage2_review.total_duration_ms == 2000
    assert session_latency([], seconds(0), seconds(3)).total_duration_ms == 3000
    assert session_latency([], seconds(0)).total_duration_ms == 0


def test_a_clock_that_jumps_back_gives_no_negative_time() -> None:
    jumped = opinion("agent_1", QWEN, 1, 1, begin=10, end=-3600)
    assert session_latency([jumped]).total_duration_ms == 0
    jumped = jumped.model_copy(update={"timing": CallTiming(wall_ms=700)})
    latency = stage_latency("opinions", [jumped])
    assert latency
    assert latency.total_duration_ms == 700


def test_an_opinion_that_stands_in_for_the_synthesis_is_not_counted_again() -> None:
    stand_in = final(QWEN, 0, 0, fallback="the top-ranked opinion")
    assert session_usage([stand_in]).stage3_synthesis is None
    assert session_latency([stand_in]).stage3_synthesis is None
    asked = final(QWEN, 5, 5, fallback="another chairman")
    usage = session_usage([asked]).stage3_synthesis
    assert usage
    assert usage.total_tokens == 10


@pytest.mark.parametrize(("second", "both"), [(2.25, 3.75), (None, None)])
def test_two_answers_of_one_call_used_what_both_did(
    second: float | None, both: float | None
) -> None:
    one = Generated(content="…", usage=TokenUsage(), timing=CallTiming(), joules=1.5)
    assert one_call(one, one.model_copy(update={"joules": second})).joules == both


def test_a_session_without_an_answer_has_no_joules() -> None:
    assert session_joules([]) is None
