"""What is still owed, and how long that may take, by what was heard."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.session import Session, begin, record
from actors.council.steps import FALLBACK_OPINION
from actors.council.workload import (
    ANSWER_TOKENS,
    Experience,
    Load,
    Pace,
    owed_by_worker,
    still_owed,
    supposed_pace,
)
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    FinalAnswerGiven,
    GuardHeard,
    OpinionHeard,
    ReviewHeard,
    SessionClosed,
    SessionStarted,
    Stage,
    StoredEvent,
    SynthesisDrafted,
)
from actors.messages.procedure import Procedure
from actors.messages.requests import CouncilRequest, ModelOptions, Seat

START = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING_KNOWN = Experience()


def started(
    models: Sequence[str] = ("a", "b", "a"),
    query: str = "Why?",
    procedure: Procedure = Procedure(),  # noqa: B008 - a frozen value
) -> Session:
    return begin(
        SessionStarted(
            session_id="s",
            seq=1,
            at=START,
            request=CouncilRequest(query=query),
            seats=tuple(
                Seat(agent_id=f"agent_{n}", name=f"Seat {n}", model=model)
                for n, model in enumerate(models, 1)
            ),
            chairman_model="chair",
            seed=7,
            deadline_at=START + timedelta(seconds=600),
            procedure=procedure,
        )
    )


def spoken(
    agent_id: str, model: str, content: str, timing: CallTiming | None = None
) -> dict[str, object]:
    return {
        "session_id": "s",
        "at": START,
        "agent_id": agent_id,
        "model": model,
        "usage": TokenUsage(prompt_tokens=80, completion_tokens=20, total_tokens=100),
        "timing": timing or CallTiming(prompt_ms=1000, generate_ms=2000, wall_ms=3500),
        "started_at": START,
        "node": "pc2",
        "content": content,
    }


def opinion(agent_id: str, model: str = "a", content: str = "x" * 80) -> OpinionHeard:
    return OpinionHeard(**spoken(agent_id, model, content))


def review(agent_id: str, model: str = "a") -> ReviewHeard:
    return ReviewHeard(**spoken(agent_id, model, "8"), rankings=())


def final(fallback: str | None = None, timing: CallTiming | None = None) -> FinalAnswerGiven:
    return FinalAnswerGiven(**spoken(CHAIRMAN, "chair", "So.", timing), fallback=fallback)


def absence(agent_id: str, stage: Stage, model: str = "a") -> AbsenceNoted:
    return AbsenceNoted(
        session_id="s", at=START, agent_id=agent_id, stage=stage, code="c", detail="d", model=model
    )


def after(session: Session, *events: StoredEvent) -> Session:
    for event in events:
        session = record(session, event)
    return session


def calls(session: Session) -> dict[str, float]:
    return {model: load.calls for model, load in still_owed(session, NOTHING_KNOWN).items()}


def test_a_new_council_owes_an_opinion_and_a_review_a_seat_and_one_synthesis() -> None:
    assert calls(started()) == {"a:latest": 4, "b:latest": 2, "chair:latest": 1}


def test_who_sits_alone_has_nothing_to_review() -> None:
    assert calls(started(("a",))) == {"a:latest": 1, "chair:latest": 1}


def test_what_was_heard_or_noted_absent_is_owed_no_more() -> None:
    session = after(started(), opinion("agent_1"), absence("agent_2", "opinions", "b"))
    assert calls(session) == {"a:latest": 3, "chair:latest": 1}
    session = after(session, opinion("agent_3"), review("agent_1"), absence("agent_3", "review"))
    assert calls(session) == {"chair:latest": 1}
    assert calls(after(session, final())) == {}


def test_the_stand_in_of_a_failed_chairman_owes_the_synthesis() -> None:
    session = after(
        started(),
        opinion("agent_1"),
        opinion("agent_2", "b"),
        opinion("agent_3"),
        *(review(f"agent_{n}") for n in (1, 2, 3)),
        absence(CHAIRMAN, "synthesis", "chair"),
    )
    assert calls(session) == {"a:latest": 1}
    assert calls(after(session, absence(CHAIRMAN, "synthesis", "a"))) == {}


def test_a_fast_council_owes_opinions_only() -> None:
    session = started(procedure=Procedure(mode="fast"))
    assert calls(session) == {"a:latest": 2, "b:latest": 1}
    assert calls(after(session, *(opinion(f"agent_{n}") for n in (1, 2, 3)))) == {}


def test_pairwise_reviews_are_owed_one_by_one() -> None:
    session = started(procedure=Procedure(review="pairwise"))
    assert calls(session) == {"a:latest": 2 + 4, "b:latest": 1 + 2, "chair:latest": 1}
    one = review("agent_1").model_copy(update={"about": "agent_2"})
    opinions = [opinion(f"agent_{n}", m) for n, m in ((1, "a"), (2, "b"), (3, "a"))]
    assert calls(after(session, *opinions, one))["a:latest"] == 3


def test_the_guard_is_owed_two_comparisons_by_all_but_one() -> None:
    session = started(procedure=Procedure(guard=True))
    assert calls(session) == {"a:latest": 4 + 2, "b:latest": 2 + 2, "chair:latest": 1}
    opinions = [opinion(f"agent_{n}", m, f"{n}") for n, m in ((1, "a"), (2, "b"), (3, "a"))]
    reviews = [review(f"agent_{n}", m) for n, m in ((1, "a"), (2, "b"), (3, "a"))]
    draft = SynthesisDrafted(**spoken(CHAIRMAN, "chair", "So."))
    guarded = after(session, *opinions, *reviews, draft)
    assert calls(guarded) == {"b:latest": 2, "a:latest": 2}
    seen = GuardHeard(**spoken("agent_2", "b", "{}"), first="opinion", better="tie")
    assert calls(after(guarded, seen)) == {"b:latest": 1, "a:latest": 2}
    rest = [
        seen.model_copy(update={"first": "synthesis"}),
        *(
            seen.model_copy(update={"agent_id": "agent_3", "first": first})
            for first in ("synthesis", "opinion")
        ),
    ]
    assert calls(after(guarded, seen, *rest)) == {}, "only the conclusion is left"


def test_nothing_is_owed_to_a_closed_session() -> None:
    closed = SessionClosed(session_id="s", at=START, outcome="error", error_code="cancelled")
    assert calls(after(started(), closed)) == {}


def test_a_longer_question_and_longer_answers_weigh_more() -> None:
    short, long = (still_owed(started(query="?" * n), NOTHING_KNOWN)["a:latest"] for n in (4, 4000))
    assert long.prompt_tokens - short.prompt_tokens == 4 * 999
    terse = after(started(), opinion("agent_1", content="x"))
    verbose = after(started(), opinion("agent_1", content="x" * 4001))
    grown = [still_owed(s, NOTHING_KNOWN)["chair:latest"].prompt_tokens for s in (terse, verbose)]
    assert grown[1] - grown[0] == 1000


def test_a_seat_that_may_not_say_much_owes_no_more_than_that() -> None:
    seat = Seat(agent_id="agent_1", name="A", model="a", options=ModelOptions(num_predict=10))
    brief = begin(started().started.model_copy(update={"seats": (seat,)}))
    assert still_owed(brief, NOTHING_KNOWN)["a:latest"].completion_tokens == 10


def test_a_single_generation_owes_what_it_asks_for() -> None:
    texts = ("x" * 40, "y" * 8)
    assert owed_by_worker(texts, ModelOptions(), "a", NOTHING_KNOWN) == {
        "a:latest": Load(1, 12, ANSWER_TOKENS["worker"])
    }
    short = ModelOptions(num_predict=5)
    assert owed_by_worker(texts, short, "a", NOTHING_KNOWN)["a:latest"].completion_tokens == 5


def test_a_pace_tells_the_time_of_the_call_it_was_learnt_from() -> None:
    usage = TokenUsage(prompt_tokens=80, completion_tokens=20, total_tokens=100)
    timing = CallTiming(prompt_ms=1000, generate_ms=2000, wall_ms=13_500, load_ms=10_000)
    pace = Pace().after(usage, timing)
    assert pace.seconds(Load(1, 80, 20)) == pytest.approx(3.5)
    assert pace.seconds(Load(2, 160, 20)) == pytest.approx(0.5 * 2 + 2 + 2)


def test_time_without_tokens_counts_by_the_call() -> None:
    timing = CallTiming(prompt_ms=1000, generate_ms=2000, wall_ms=3000)
    assert Pace().after(TokenUsage(), timing).seconds(Load(2, 999, 999)) == pytest.approx(6)


def test_a_pace_follows_a_pc_that_became_faster() -> None:
    usage = TokenUsage(prompt_tokens=10, completion_tokens=10, total_tokens=20)
    pace = Pace().after(usage, CallTiming(wall_ms=60_000))
    for _ in range(50):
        pace = pace.after(usage, CallTiming(wall_ms=1_000))
    assert pace.seconds(Load(1, 10, 10)) == pytest.approx(1.0, rel=0.05)


def test_before_anything_was_heard_a_bigger_file_is_taken_to_be_slower() -> None:
    load = Load(1, 100, 300)
    small, usual, big = (supposed_pace(n).seconds(load) for n in (400_000_000, 0, 5_000_000_000))
    assert 0 < small < usual < big < 120


def test_lengths_and_paces_are_kept_by_model_stage_and_pc() -> None:
    known = NOTHING_KNOWN.heard((opinion("agent_1"), review("agent_1", "b"), final()))
    assert set(known.paces) == {
        ("pc2", "a:latest"), ("pc2", "b:latest"), ("pc2", "chair:latest"),
    }  # fmt: skip
    assert known.length("a", "opinions") == known.length("b", "review") == 20
    assert known.length("chair", "synthesis") == 20
    assert known.length("a", "review") == ANSWER_TOKENS["review"]


def test_an_opinion_that_stands_as_the_answer_teaches_nothing() -> None:
    stands = final(FALLBACK_OPINION, timing=CallTiming())
    assert NOTHING_KNOWN.heard((stands,)) == NOTHING_KNOWN


def test_an_answer_from_the_cache_teaches_nothing() -> None:
    found = opinion("agent_1").model_copy(update={"cached": True})
    assert found.timing.wall_ms
    assert NOTHING_KNOWN.heard((found,)) == NOTHING_KNOWN


TOKENS = st.integers(0, 100_000)
MS = st.integers(0, 10_000_000)
HEARD = st.tuples(
    st.builds(
        lambda p, c: TokenUsage(prompt_tokens=p, completion_tokens=c, total_tokens=p + c),
        TOKENS,
        TOKENS,
    ),
    st.builds(CallTiming, load_ms=MS, prompt_ms=MS, generate_ms=MS, wall_ms=MS),
)
LOADS = st.builds(Load, *[st.floats(0, 1e6)] * 3)


@given(st.lists(HEARD, max_size=12), LOADS, LOADS)
def test_a_time_is_finite_never_negative_and_adds_up(
    heard: list[tuple[TokenUsage, CallTiming]], one: Load, other: Load
) -> None:
    pace = Pace()
    for usage, timing in heard:
        pace = pace.after(usage, timing)
    assert 0 <= pace.seconds(one) < float("inf")
    both = pace.seconds(one.plus(other))
    assert both == pytest.approx(pace.seconds(one) + pace.seconds(other), rel=1e-6, abs=1e-6)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), st.data())
def test_every_answer_makes_what_is_owed_less(models: list[str], data: st.DataObject) -> None:
    """Told opinions of the usual length, in any order: no call is owed twice or forgotten."""
    session = started(models)
    left = sum(calls(session).values())
    assert left == (2 if len(models) > 1 else 1) * len(models) + 1
    for stage in (opinion, review) if len(models) > 1 else (opinion,):
        for number in data.draw(st.permutations(range(1, len(models) + 1))):
            session = after(session, stage(f"agent_{number}", models[number - 1]))
            assert sum(calls(session).values()) == left - 1
            left -= 1
    assert left == 1
