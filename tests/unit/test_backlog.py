"""Waits, places and verdicts follow from what is owed and from what each PC can do."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.backlog import (
    LATEST_S,
    SOONEST_S,
    Bounds,
    Vessel,
    place,
    refusal,
    seconds,
    vessels,
    waits,
)
from actors.council.workload import Experience, Load, Pace
from actors.messages.nodes import InstalledModel, NodeReport, OllamaStatus

MODELS = ("a", "b", "c")
BOUNDS = Bounds(max_queue_s=300.0, max_open=100)


def pc(name: str, *models: str, parallel: int = 1, slots: int = 1) -> Vessel:
    return Vessel(name, dict.fromkeys(models, 10**9), parallel, slots)


def report(name: str, *models: str, connected: bool = True, **more: int) -> NodeReport:
    installed = tuple(InstalledModel(name=model, size=7) for model in models)
    ollama = OllamaStatus(url="http://x", connected=connected, installed=installed)
    return NodeReport(name=name, ip="1", role="worker", at=datetime.now(UTC), ollama=ollama, **more)


def test_a_pc_works_on_as_many_calls_as_its_resident_models_allow() -> None:
    roomy, tight, silent, bare = vessels(
        (
            report("pc1", "a", "b", max_models=3, num_parallel=2),
            report("pc2", "a:latest", "b", "c", max_models=1, num_parallel=1),
            report("pc3", "a", connected=False, max_models=3, num_parallel=4),
            report("pc4"),
            NodeReport(name="pc5", ip="1", role="worker", at=datetime.now(UTC)),
            report("pc6", "c"),
        )
    )
    assert (roomy.parallel, roomy.slots) == (2, 4)
    assert (tight.parallel, tight.slots, set(tight.sizes)) == (
        1, 1, {"a:latest", "b:latest", "c:latest"},
    )  # fmt: skip
    assert (silent.name, silent.slots) == ("pc3", 4)
    assert (bare.name, bare.slots) == ("pc6", 1)


def test_work_that_all_can_do_is_shared_and_work_that_one_can_do_is_not() -> None:
    pcs = (pc("pc1", "a", "b", slots=2), pc("pc2", "a", slots=2))
    assert waits({"a": 40.0}, ("a",), pcs).by_model["a"] == 20  # one call of it at once on each
    assert waits({"a": 80.0, "b": 80.0}, MODELS, pcs).by_model == {"a": 40, "b": 80, "c": 0}
    lone = waits({"b": 60.0}, ("a", "b"), pcs)
    assert (lone.by_model["b"], lone.by_model["a"], lone.longest_s) == (60, 0, 60)


def test_a_pc_that_holds_one_model_at_a_time_is_filled_by_all_of_them() -> None:
    busy = waits({"a": 30.0, "b": 20.0}, MODELS, (pc("pc1", "a", "b", "c"),))
    assert busy.by_model == {"a": 50, "b": 50, "c": 50}
    assert busy.until_all(("a",)) == busy.until_first(("b", "c")) == 50


def test_the_first_seat_and_the_last_seat_may_wait_differently_long() -> None:
    busy = waits({"a": 30.0}, MODELS, (pc("pc1", "a"), pc("pc2", "b")))
    assert busy.until_first(("a", "b")) == 0
    assert busy.until_all(("a", "b")) == 30
    assert busy.until_all(()) == busy.until_first(()) == 0


def test_a_model_whose_pc_is_away_is_taken_to_run_one_call_at_a_time() -> None:
    assert waits({"a": 30.0}, ("a",), ()).by_model["a"] == 30


def test_seconds_come_from_the_pcs_that_have_the_model_then_from_any_then_from_its_size() -> None:
    def pace(s: float) -> Pace:
        return Pace(calls=1.0, other_s=s)

    load = {"a": Load(calls=2.0)}
    pcs = (pc("pc1", "a"), pc("pc2", "a"))
    both = Experience({("pc1", "a"): pace(1), ("pc2", "a"): pace(3), ("pc3", "a"): pace(99)})
    assert seconds(load, pcs, both) == {"a": 4}
    assert seconds(load, pcs, Experience({("pc3", "a"): pace(5)})) == {"a": 10}
    guess = {"a": Load(1.0, 0.0, 300.0)}
    assert seconds(guess, pcs, Experience({("pc1", "b"): pace(5)}))["a"] == pytest.approx(3.05)
    assert seconds(guess, (), Experience())["a"] == pytest.approx(3.95)


def test_beyond_the_wait_that_is_allowed_a_question_is_refused_with_the_time_to_come_back() -> None:
    assert refusal(BOUNDS, 300.0, 7, 900.0) is None
    refused = refusal(BOUNDS, 342.0, 7, 900.0)
    assert refused and refused.retry_after_s == 42
    assert "COUNCIL_MAX_QUEUE_S" in refused.sentence and "342 s" in refused.sentence


def test_beyond_the_number_that_is_allowed_it_is_refused_until_one_may_be_done() -> None:
    assert refusal(BOUNDS, 0.0, 99, 500.0) is None
    refused = refusal(BOUNDS, 0.0, 100, 500.0)
    assert refused and refused.retry_after_s == 5
    assert "COUNCIL_MAX_OPEN" in refused.sentence


def test_only_who_wants_the_same_pcs_is_ahead() -> None:
    pcs = (pc("pc1", "a", "b"), pc("pc2", "c"))
    assert place(("a",), {}, pcs) == 1
    assert place(("a",), ahead("b", "c", "ca", ""), pcs) == 3
    assert place(("z",), ahead("z", "a"), pcs) == 2


def ahead(*line: Iterable[str]) -> Counter[frozenset[str]]:
    return Counter(frozenset(models) for models in line)


WORK = st.dictionaries(st.sampled_from(MODELS), st.floats(0, 1e6), max_size=3)
PCS = st.lists(
    st.builds(
        lambda models, parallel, rooms: (models, parallel, parallel * rooms),
        st.sets(st.sampled_from(MODELS), min_size=1),
        st.integers(1, 4),
        st.integers(1, 3),
    ),
    max_size=4,
).map(
    lambda drawn: tuple(pc(f"pc{n}", *m, parallel=p, slots=s) for n, (m, p, s) in enumerate(drawn))
)


@given(WORK, WORK, PCS)
def test_more_work_ahead_never_shortens_a_wait(
    work: dict[str, float], more: dict[str, float], pcs: tuple[Vessel, ...]
) -> None:
    grown = {m: work.get(m, 0.0) + more.get(m, 0.0) for m in {*work, *more}}
    before, after = (waits(w, MODELS, pcs) for w in (work, grown))
    for model in MODELS:
        assert after.by_model[model] >= before.by_model[model] * (1 - 1e-9) - 1e-9
    assert after.longest_s >= before.longest_s * (1 - 1e-9) - 1e-9


@given(WORK, PCS)
def test_no_work_is_lost_and_none_is_made_up(
    work: dict[str, float], pcs: tuple[Vessel, ...]
) -> None:
    """The vessels hold at least what all of them together must do, and no PC stands higher than if
    it had to do everything alone, call by call."""
    done = {m: s for m, s in work.items() if any(m in pc.sizes for pc in pcs)}
    told = waits(done, MODELS, pcs)
    width = sum(pc.slots for pc in pcs)
    if width:
        assert told.longest_s >= sum(done.values()) / width * (1 - 1e-9)
    assert told.longest_s <= sum(done.values()) * (1 + 1e-9)
    for model, s in told.by_model.items():
        assert 0 <= s <= told.longest_s, model


@given(
    st.floats(0, 1e9),
    st.integers(0, 10_000),
    st.floats(0, 1e9),
    st.builds(Bounds, st.floats(0.001, 1e6), st.integers(1, 1000)),
)
def test_a_verdict_is_admission_or_a_finite_time_to_come_back(
    wait_s: float, open_now: int, longest_s: float, bounds: Bounds
) -> None:
    """An empty council never refuses, a full one always does, and a refusal stays one when there is
    more to do."""
    told = refusal(bounds, wait_s, open_now, longest_s)
    assert told is None or SOONEST_S <= told.retry_after_s <= LATEST_S
    if open_now == 0:
        assert told is None
    elif open_now >= bounds.max_open or wait_s > bounds.max_queue_s:
        assert told is not None
    if told is not None:
        assert refusal(bounds, wait_s * 2 + 1, open_now + 1, longest_s * 2) is not None


@given(st.lists(st.sets(st.sampled_from(MODELS), min_size=1), min_size=1, max_size=8))
def test_on_one_pc_the_places_are_a_queue_without_gaps_or_ties(line: list[set[str]]) -> None:
    everywhere = (pc("pc1", *MODELS),)
    places = [place(mine, ahead(*line[:number]), everywhere) for number, mine in enumerate(line)]
    assert places == list(range(1, len(line) + 1))


@given(st.lists(st.sets(st.sampled_from(MODELS), min_size=1), min_size=1, max_size=8), PCS)
def test_the_oldest_is_first_and_nobody_is_behind_more_than_are_there(
    line: list[set[str]], pcs: tuple[Vessel, ...]
) -> None:
    places = [place(mine, ahead(*line[:number]), pcs) for number, mine in enumerate(line)]
    assert places[0] == 1
    assert all(1 <= where <= number for number, where in enumerate(places, 1))
