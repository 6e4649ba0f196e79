"""How far judges agree, and how sure a place is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.agreement import (
    agreement,
    divided,
    effective_votes,
    kendall_w,
    with_intervals,
)
from actors.council.judging.ranking import counted, ranked
from actors.messages.judgement import Agreement, PlaceInterval, Standing, Vote

SEATS = ("agent_1", "agent_2", "agent_3", "agent_4")
NAMES = dict(zip(SEATS, ("Ann", "Ben", "Cem", "Dee"), strict=True))
Scores = dict[str, dict[str, int]]


def told(scores: Scores, seats: tuple[str, ...] = SEATS) -> Agreement:
    standings = ranked(scores, seats, "adjusted")
    found = agreement(scores, with_intervals(scores, standings, "adjusted", 1), NAMES)
    assert found is not None
    return found


def judges(*rows: tuple[int, ...]) -> Scores:
    """Outsiders who judge all seats."""
    return {f"j{n}": dict(zip(SEATS, row, strict=False)) for n, row in enumerate(rows)}


def test_opposite_ballots_agree_in_nothing() -> None:
    found = told(judges((9, 7, 5, 3), (3, 5, 7, 9)))
    assert (found.kendall_w, found.effective_votes) == (0.0, 2.0)
    assert found.krippendorff_alpha is not None and found.krippendorff_alpha < 0
    assert "the judges hardly agree" in found.sentence
    assert len(found.disputes) == 6


def test_clones_are_one_vote() -> None:
    found = told(judges(*[(9, 7, 5, 3)] * 4))
    assert (found.kendall_w, found.krippendorff_alpha, found.effective_votes) == (1.0, 1.0, 1.0)
    assert found.disputes == ()
    assert found.sentence == (
        "All 4 judges put Ann first; the 4 ballots are so alike that they may weigh as 1."
    )


def test_kendalls_w_is_that_of_the_textbook() -> None:
    """Complete rankings without ties: W = 12 S / (m² (n³ - n)), here by hand."""
    rows = ((4, 3, 2, 1), (4, 2, 3, 1), (3, 4, 1, 2))
    sums = [sum(column) for column in zip(*rows, strict=True)]
    mean = sum(sums) / 4
    by_hand = 12 * sum((s - mean) ** 2 for s in sums) / (9 * (64 - 4))
    assert told(judges(*rows)).kendall_w == pytest.approx(by_hand, abs=0.001)


def test_judges_are_compared_on_what_both_judged() -> None:
    """With three seats any two judges share one answer: no order to compare."""
    scores: Scores = {
        "agent_1": {"agent_2": 8, "agent_3": 5},
        "agent_2": {"agent_1": 9, "agent_3": 4},
        "agent_3": {"agent_1": 9, "agent_2": 8},
    }
    found = told(scores, SEATS[:3])
    assert (found.kendall_w, found.effective_votes) == (None, None)
    assert found.krippendorff_alpha is not None and found.krippendorff_alpha > 0.9
    assert found.sentence.startswith("Both judges put Ann first")


def test_who_finds_all_alike_agrees_with_nobody_but_its_like() -> None:
    assert told(judges((5, 5, 5, 5), (9, 7, 5, 3))).kendall_w == 0.5
    alike = told(judges((5, 5, 5, 5), (5, 5, 5, 5)))
    assert (alike.kendall_w, alike.krippendorff_alpha) == (1.0, None)
    assert alike.sentence == "Ann, Ben, Cem and Dee share the first place."


def test_a_dispute_names_both_and_the_most_even_comes_first() -> None:
    found = told(judges((9, 8, 1, 2), (9, 8, 2, 1), (8, 9, 1, 2), (9, 7, 2, 1)))
    assert [(d.agent_ids, d.votes) for d in found.disputes] == [
        (("agent_3", "agent_4"), (2, 2)),
        (("agent_1", "agent_2"), (3, 1)),
    ]
    assert found.sentence.startswith("3 of 4 judges put Ann first")


def test_a_lone_ballot_is_told_as_one() -> None:
    assert told(judges((9, 8, 1, 2))).sentence == "1 of 1 judge puts Ann first."


def test_ballots_of_one_compare_nothing() -> None:
    scores: Scores = {"agent_1": {"agent_2": 4}, "agent_2": {"agent_1": 6}}
    found = told(scores, SEATS[:2])
    assert found.sentence == (
        "Ann is first by its mean score: no ballot compares it with another; "
        "first and second are too close to call."
    )


def test_without_ballots_nothing_is_said() -> None:
    standings = ranked({}, SEATS, "adjusted")
    assert agreement({}, standings, NAMES) is None
    assert with_intervals({}, standings, "adjusted", 1) == standings


def test_what_all_agree_on_is_sure() -> None:
    scores = judges((9, 7, 5, 3), (8, 6, 5, 1), (10, 7, 4, 2))
    sure = with_intervals(scores, ranked(scores, SEATS, "adjusted"), "adjusted", 1)
    assert [s.interval for s in sure] == [PlaceInterval(best=n, worst=n) for n in range(1, 5)]


def test_first_and_second_too_close_to_call() -> None:
    scores = judges((9, 8, 1, 1), (8, 9, 1, 1), (9, 8, 2, 1))
    sure = with_intervals(scores, ranked(scores, SEATS, "adjusted"), "adjusted", 1)
    assert sure[0].interval == PlaceInterval(best=1, worst=2)
    assert "first and second are too close to call" in told(scores).sentence


def test_a_seat_that_nobody_judged_has_no_interval() -> None:
    scores = judges((9, 7), (8, 7))
    sure = with_intervals(scores, ranked(scores, SEATS[:3], "adjusted"), "adjusted", 1)
    assert [s.interval for s in sure] == [
        PlaceInterval(best=1, worst=1),
        PlaceInterval(best=2, worst=2),
        None,
    ]


def test_many_judges_are_drawn_by_the_seed() -> None:
    scores = judges(*[(9, 7, 5, 3)] * 4, *[(3, 5, 7, 9)] * 3)
    standings = ranked(scores, SEATS, "borda")
    one = with_intervals(scores, standings, "borda", 7)
    assert one == with_intervals(scores, standings, "borda", 7)
    assert one[0].interval == PlaceInterval(best=1, worst=4)


ballots = st.dictionaries(
    st.sampled_from([*SEATS, "x", "y"]),
    st.lists(
        st.builds(Vote, agent_id=st.sampled_from(SEATS), score=st.integers(1, 10)), max_size=5
    ).map(tuple),
    max_size=6,
)


@given(ballots)
def test_figures_stay_in_their_ranges_and_intervals_order_places(
    cast: dict[str, tuple[Vote, ...]],
) -> None:
    scores = counted(cast, SEATS)
    sure = with_intervals(scores, ranked(scores, SEATS, "adjusted"), "adjusted", 3)
    found = agreement(scores, sure, NAMES)
    assert (found is None) == (not scores)
    for standing in sure:
        assert _within(standing)
    if found is not None:
        assert found.kendall_w is None or 0 <= found.kendall_w <= 1
        assert found.krippendorff_alpha is None or found.krippendorff_alpha <= 1
        assert found.effective_votes is None or 1 <= found.effective_votes <= found.ballots
        assert found.sentence.endswith(".")


def _within(standing: Standing) -> bool:
    interval = standing.interval
    return interval is None or 1 <= interval.best <= interval.worst <= len(SEATS)


def test_the_formulas() -> None:
    assert [kendall_w(2, -1.0), kendall_w(3, 1.0), kendall_w(4, 0.0)] == [0.0, 1.0, 0.25]
    assert [effective_votes(9, 0.5), effective_votes(3, -0.4)] == [1.8, 3.0]


def test_divided_are_judges_who_can_be_compared_and_hardly_agree() -> None:
    assert divided(judges((9, 7, 5, 3), (3, 5, 7, 9)))
    assert not divided(judges((9, 7, 5, 3), (8, 7, 5, 3)))
    assert not divided({"agent_1": {"agent_2": 9}, "agent_2": {"agent_1": 1}})
    assert not divided({})
