"""A session's trace follows from its record alone: its tree, its times, what failed, its ids."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from actors.council.telling.call_spans import LOST, PARTS
from actors.council.telling.span import Span
from actors.council.telling.spans import spans
from actors.council.telling.told_calls import told_calls
from actors.council.telling.trace_ids import call_span_id, incoming, onward, trace_id
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    AgentStarted,
    FailedAttempt,
    FinalAnswerGiven,
    NoticeGiven,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    SessionClosed,
    SessionStarted,
    StageStarted,
    StoredEvent,
    SynthesisDrafted,
)
from actors.messages.requests import CouncilRequest, Origin, Seat

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMING = CallTiming(
    queue_ms=100, network_ms=20, load_ms=300, prompt_ms=80, generate_ms=500, wall_ms=900
)
TRACE, CALLER = "a" * 32, "b" * 16


def second(count: float) -> datetime:
    return START + timedelta(seconds=count)


def envelope(at: float) -> dict[str, Any]:
    return {"session_id": "s", "at": second(at)}


def opened(origin: Origin = Origin()) -> SessionStarted:  # noqa: B008 - a frozen value
    return SessionStarted(
        **envelope(0),
        request=CouncilRequest(query="A secret?"),
        seats=tuple(Seat(agent_id=f"agent_{n}", name="x", model=f"m{n}") for n in (1, 2)),
        chairman_model="chair",
        seed=7,
        deadline_at=second(600),
        origin=origin,
    )


def stage(name: Any, at: float) -> StageStarted:
    return StageStarted(**envelope(at), stage=name)


def sent(
    agent: str, name: Any, at: float, asked_at: float | None, attempt: int = 1, after: str = ""
) -> AgentStarted:
    former = FailedAttempt(code=after, detail="A secret.", node="pc1") if after else None
    return AgentStarted(
        **envelope(at), agent_id=agent, stage=name, node="pc1", attempt=attempt, former=former,
        asked_at=None if asked_at is None else second(asked_at),
    )  # fmt: skip


def answered(begun: float, at: float, agent: str, **more: Any) -> dict[str, Any]:
    return {
        **envelope(at), "agent_id": agent, "model": "m1", "started_at": second(begun),
        "usage": TokenUsage(prompt_tokens=3, completion_tokens=4, total_tokens=7),
        "timing": TIMING, "content": "A secret.", "node": "pc1", **more,
    }  # fmt: skip


def opinion(begun: float, at: float, agent: str = "agent_1", **more: Any) -> OpinionHeard:
    return OpinionHeard(**answered(begun, at, agent, **more))


def absent(agent: str, name: Any, at: float, **more: Any) -> AbsenceNoted:
    told = {"code": "node_gone", "detail": "A secret.", **more}
    return AbsenceNoted(**envelope(at), agent_id=agent, stage=name, **told)


def closed(at: float, **more: Any) -> SessionClosed:
    return SessionClosed(**envelope(at), **{"outcome": "complete", **more})


def trace(*events: StoredEvent) -> list[Span]:
    """The spans, after what holds for every trace was looked at."""
    told = list(spans(events))
    by_id = {span.span_id: span for span in told}
    assert len(by_id) == len(told)
    for span in told[1:]:
        parent = by_id[span.parent_id or ""]
        assert parent.start <= span.start <= span.end <= parent.end, span
    assert "secret" not in repr(told)
    return told


def named(told: list[Span], *names: str) -> list[Span]:
    return [span for span in told if span.name in names]


def within(told: list[Span], parent: Span) -> list[str]:
    return [span.name for span in told if span.parent_id == parent.span_id]


def test_a_call_lasts_from_its_wish_to_its_answer_and_its_parts_follow_each_other() -> None:
    told = trace(
        opened(), stage("opinions", 0.1), sent("agent_1", "opinions", 0.3, 0.2),
        opinion(0.2, 1.5), closed(2),
    )  # fmt: skip
    [call] = named(told, "chat m1")
    assert (call.start, call.end, call.error) == (second(0.2), second(1.5), None)
    parts = named(told, *PARTS)
    assert [(part.name, part.start, part.end) for part in parts] == [
        ("queue", second(0.2), second(0.3)),
        ("network", second(0.3), second(0.32)),
        ("load", second(0.32), second(0.62)),
        ("prompt", second(0.62), second(0.7)),
        ("generate", second(0.7), second(1.2)),
    ]
    assert {part.parent_id for part in parts} == {call.span_id}
    assert call.attributes["gen_ai.response.finish_reasons"] == ("stop",)


def test_attempts_that_failed_are_spans_with_their_error() -> None:
    told = trace(
        opened(), stage("opinions", 0), sent("agent_1", "opinions", 0.1, 0),
        sent("agent_1", "opinions", 2, 0, 2, "node_gone"), opinion(0, 3, attempts=2),
        sent("agent_2", "opinions", 0.2, 0), sent("agent_2", "opinions", 1, 0, 2, "server_busy"),
        absent("agent_2", "opinions", 4, attempts=2), closed(5),
    )  # fmt: skip
    good, bad = named(told, "chat m1", "chat m2")
    assert within(told, good) == ["attempt 1", *PARTS]
    assert within(told, bad) == ["attempt 1", "attempt 2"]
    assert (good.error, bad.error) == (None, "node_gone")
    tries = [span for span in told if span.name.startswith("attempt")]
    assert [(one.start, one.end, one.error) for one in tries] == [
        (second(0.1), second(2), "node_gone"),
        (second(0.2), second(1), "server_busy"),
        (second(1), second(4), "node_gone"),
    ]


def test_an_absence_that_nothing_was_sent_for_began_with_its_stage_or_after_a_call() -> None:
    events = (
        opened(), stage("opinions", 1), absent("agent_1", "opinions", 2, model="gone"),
        absent("agent_1", "opinions", 3), closed(4),
    )  # fmt: skip
    first, second_one = named(trace(*events), "chat gone", "chat m1")
    assert (first.start, first.end) == (second(1), second(2))
    assert (second_one.start, second_one.end) == (second(2), second(3))
    assert second_one.links == (first.span_id,)
    assert not first.links
    early = told_calls([opened(), absent("agent_1", "opinions", 2)])
    assert early[0].asked_at == second(0)


def test_a_call_that_an_orchestrator_took_with_it_is_lost_and_the_next_repeats_it() -> None:
    told = trace(
        opened(), stage("opinions", 0), sent("agent_1", "opinions", 0.1, 0),
        sent("agent_1", "opinions", 5, 4.9), opinion(4.9, 6), closed(7),
    )  # fmt: skip
    lost, again = named(told, "chat m1")
    assert (lost.error, lost.end) == (LOST, second(4.9))
    assert within(told, lost) == ["attempt 1"]
    assert again.links == (lost.span_id,) and again.error is None


def test_a_call_that_nobody_waits_for_any_more_ends_with_its_stage_or_the_session() -> None:
    told = trace(
        opened(), stage("review", 0), sent("agent_1", "review", 0.1, 0), stage("synthesis", 2),
        sent(CHAIRMAN, "synthesis", 2.2, 2.1),
        closed(3, outcome="error", error_code="cancelled"),
    )  # fmt: skip
    review, synthesis = named(told, "chat m1", "chat chair")
    assert (review.end, synthesis.end) == (second(2), second(3))
    outcomes = [one.attributes["council.outcome"] for one in (review, synthesis)]
    assert outcomes == ["abandoned", "abandoned"] and review.error is synthesis.error is None
    assert told[0].error == "cancelled"
    running = (opened(), stage("review", 0), sent("agent_1", "review", 0.1, 0))
    assert trace(*running)[0].attributes["council.outcome"] == "open"


def test_an_error_without_a_code_is_an_error() -> None:
    assert trace(opened(), closed(1, outcome="error"))[0].error == "error"


def test_a_review_whose_ballot_was_asked_for_again_is_one_call() -> None:
    both = TIMING.model_copy(update={"generate_ms": 1300})
    review = ReviewHeard(**answered(0, 2, "agent_1", rankings=(), timing=both))
    told = trace(
        opened(), stage("review", 0), sent("agent_1", "review", 0.1, 0),
        sent("agent_1", "review", 1, 0), review, closed(3),
    )  # fmt: skip
    [call] = named(told, "chat m1")
    assert within(told, call) == list(PARTS)
    assert named(told, "generate")[0].end == call.end == second(2)


def test_a_draft_and_the_answer_that_is_made_of_it_are_one_call() -> None:
    told = trace(
        opened(), stage("synthesis", 0), sent(CHAIRMAN, "synthesis", 0.1, 0),
        SynthesisDrafted(**answered(0, 2, CHAIRMAN, truncated=True)),
        FinalAnswerGiven(**answered(0, 3, CHAIRMAN)), closed(4),
    )  # fmt: skip
    [call] = named(told, "chat m1")
    assert call.end == second(2)
    assert call.attributes["gen_ai.response.finish_reasons"] == ("length",)


def test_an_opinion_that_stands_as_the_answer_is_no_call() -> None:
    stands = answered(1, 1, CHAIRMAN, basis="opinion", usage=TokenUsage(), timing=CallTiming())
    assert len(trace(opened(), FinalAnswerGiven(**stands), closed(2))) == 1


def test_records_of_before_calls_told_when_they_were_begun_are_told_by_what_was_sent() -> None:
    told = trace(
        opened(), stage("opinions", 0), sent("agent_1", "opinions", 0.3, None),
        opinion(0.2, 1.5), opinion(1.6, 3), closed(4),
    )  # fmt: skip
    first, later = named(told, "chat m1")
    assert (first.start, later.start) == (second(0.2), second(1.6))
    assert within(told, later) == list(PARTS)


def test_a_clock_that_was_set_back_leaves_a_tree() -> None:
    told = trace(
        opened(), stage("opinions", 5), sent("agent_1", "opinions", 6, 5), opinion(5, -60),
        sent("agent_2", "opinions", 6, 5), absent("agent_2", "opinions", -60), closed(-50),
    )  # fmt: skip
    assert named(told, "chat m1")[0].start == second(5)


def test_what_happened_in_between_is_marked_by_its_code() -> None:
    told = trace(
        opened(Origin(request_id="r")),
        NoticeGiven(**envelope(1), code="context_trimmed", detail="A secret.", agent_id="agent_1"),
        NoticeGiven(**envelope(1), code="early_stop", detail="A secret."),
        RankingMade(**envelope(2), ranking=()), closed(3),
    )  # fmt: skip
    assert [(mark.name, dict(mark.attributes)) for mark in told[0].marks] == [
        ("notice", {"council.notice.code": "context_trimmed", "council.agent.id": "agent_1"}),
        ("notice", {"council.notice.code": "early_stop"}),
        ("ranking", {"council.ranking.method": "borda"}),
    ]
    assert told[0].attributes["council.request.id"] == "r"


def test_a_session_is_in_its_callers_trace_and_else_in_its_own() -> None:
    came = opened(Origin(traceparent=f"00-{TRACE}-{CALLER}-01"))
    assert trace_id(came) == TRACE and trace(came)[0].parent_id == CALLER
    assert trace_id(opened()) != TRACE and len(trace_id(opened())) == 32
    assert trace(opened())[0].parent_id is None
    assert incoming(Origin(traceparent=f"00-{'0' * 32}-{CALLER}-01")) is None
    assert incoming(Origin(traceparent=f"00-{TRACE}-{'0' * 16}-01")) is None


def test_what_goes_out_with_a_call_names_its_span() -> None:
    events = (
        opened(Origin(request_id="r", traceparent=f"00-{TRACE}-{CALLER}-01", tracestate="a=1")),
        stage("opinions", 0.1), sent("agent_1", "opinions", 0.3, 0.2), opinion(0.2, 1.5), closed(2),
    )  # fmt: skip
    [call] = named(trace(*events), "chat m1")
    asked = ("opinions", "agent_1", second(0.2))
    out = onward(events[0], *asked, sampled=True)
    assert out == Origin(
        request_id="r", traceparent=f"00-{TRACE}-{call.span_id}-01", tracestate="a=1"
    )
    assert onward(events[0], *asked, sampled=None) == events[0].origin
    unkept = onward(opened(), *asked, sampled=False)
    assert unkept.traceparent == f"00-{trace_id(opened())}-{call.span_id}-00"
    elsewhere = second(0.2).astimezone(timezone(timedelta(hours=2)))
    assert call_span_id(opened(), "opinions", "agent_1", elsewhere) == call.span_id
