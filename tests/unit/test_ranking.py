"""Ballots of different lengths and harshness → places, by each method: nobody buys the first."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.ranking import counted, duel, majority_choice, rank
from actors.messages.judgement import RankingMethod, Standing, Vote

METHODS: tuple[RankingMethod, ...] = (
    "adjusted",
    "borda",
    "copeland",
    "bradley_terry",
    "z_scores",
)
by_borda = partial(rank, method="borda")

SEATS = ("agent_1", "agent_2", "agent_3", "agent_4")


def ballot(**scores: int) -> tuple[Vote, ...]:
    return tuple(Vote(agent_id=f"agent_{key[1:]}", score=score) for key, score in scores.items())


def places(standings: tuple[Standing, ...]) -> list[tuple[str, int]]:
    return [(standing.agent_id, standing.place) for standing in standings]


def test_everybody_judges_the_others() -> None:
    standings = by_borda(
        {
            "agent_1": ballot(a2=8, a3=7),
            "agent_2": ballot(a1=9, a3=9),
            "agent_3": ballot(a1=3, a2=5),
        },
        SEATS[:3],
    )
    assert standings == (
        Standing(agent_id="agent_2", place=1, mean_score=6.5, votes=2, borda=1.0, points=1.0),
        Standing(agent_id="agent_3", place=2, mean_score=8.0, votes=2, borda=0.25, points=0.25),
        Standing(agent_id="agent_1", place=3, mean_score=6.0, votes=2, borda=0.25, points=0.25),
    )


def test_equal_points_and_scores_share_a_place() -> None:
    standings = by_borda(
        {"judge": ballot(a1=9, a2=5, a3=5, a4=1), "other": ballot(a1=8, a2=4, a3=4, a4=2)}, SEATS
    )
    assert places(standings) == [("agent_1", 1), ("agent_2", 2), ("agent_3", 2), ("agent_4", 4)]
    assert [standing.borda for standing in standings] == [1.0, 0.5, 0.5, 0.0]


def test_the_mean_score_parts_what_borda_does_not() -> None:
    standings = by_borda({"agent_1": ballot(a2=4), "agent_2": ballot(a1=6)}, SEATS[:2])
    assert places(standings) == [("agent_1", 1), ("agent_2", 2)]
    assert [standing.borda for standing in standings] == [0.5, 0.5]


def test_who_was_not_judged_comes_last_even_after_the_worst() -> None:
    standings = by_borda({"agent_4": ballot(a2=1, a3=9)}, SEATS)
    assert places(standings) == [("agent_3", 1), ("agent_2", 2), ("agent_1", 3), ("agent_4", 3)]
    assert (standings[2].votes, standings[2].mean_score) == (0, 0.0)


def test_without_ballots_all_share_the_first_place() -> None:
    assert places(rank({"agent_1": ()}, SEATS[:2])) == [("agent_1", 1), ("agent_2", 1)]
    assert rank({}, ()) == ()


def test_votes_for_oneself_for_strangers_and_second_votes_do_not_count() -> None:
    votes = (*ballot(a1=10, a2=5, a9=10), *ballot(a2=9))
    standings = by_borda({"agent_1": votes}, SEATS[:2])
    assert standings[0] == Standing(
        agent_id="agent_2", place=1, mean_score=5.0, votes=1, borda=0.5, points=0.5
    )
    assert standings[1].votes == 0


def test_one_judge_with_wild_scores_weighs_as_much_as_any_other() -> None:
    honest = {f"judge_{n}": ballot(a1=7, a2=6) for n in range(3)}
    standings = rank({**honest, "rigged": ballot(a1=1, a2=10)}, SEATS[:2])
    assert standings[0].agent_id == "agent_1"
    assert standings[0].mean_score < standings[1].mean_score


def cast_by(scores: list[int]) -> dict[str, tuple[Vote, ...]]:
    """A table of judge × candidate, row by row; 0 = no vote."""
    return {
        judge: tuple(
            Vote(agent_id=candidate, score=score)
            for candidate, score in zip(SEATS, scores[4 * row : 4 * row + 4], strict=True)
            if score
        )
        for row, judge in enumerate(SEATS)
    }


ballots = st.lists(st.integers(0, 10), min_size=16, max_size=16).map(cast_by)


@pytest.mark.parametrize("method", METHODS)
@given(cast=ballots, order=st.permutations(SEATS))
def test_order_of_ballots_and_votes_does_not_matter(
    method: RankingMethod, cast: dict[str, tuple[Vote, ...]], order: list[str]
) -> None:
    mixed = {seat: tuple(reversed(cast[seat])) for seat in order if seat in cast}
    assert rank(mixed, SEATS, method) == rank(cast, SEATS, method)
    assert set(rank(cast, order, method)) == set(rank(cast, SEATS, method))


@pytest.mark.parametrize("method", METHODS)
@given(cast=ballots)
def test_places_follow_the_majority_then_points_then_mean(
    method: RankingMethod, cast: dict[str, tuple[Vote, ...]]
) -> None:
    standings = rank(cast, SEATS, method)
    first = majority_choice(counted(cast, SEATS), SEATS)
    keys = [(s.votes > 0, s.agent_id == first, s.points, s.mean_score) for s in standings]
    assert keys == sorted(keys, reverse=True)
    assert [s.place for s in standings] == [1 + keys.index(key) for key in keys]
    assert all(0 <= s.borda <= 1 for s in standings)


@pytest.mark.parametrize("method", ["adjusted", "borda", "copeland"])
@given(cast=ballots, data=st.data())
def test_a_better_score_never_costs_a_place(
    method: RankingMethod, cast: dict[str, tuple[Vote, ...]], data: st.DataObject
) -> None:
    votes = [(judge, vote) for judge in cast for vote in cast[judge] if vote.score < 10]
    if not votes:
        return
    judge, vote = data.draw(st.sampled_from(votes))
    better = vote.model_copy(update={"score": data.draw(st.integers(vote.score + 1, 10))})
    changed = {**cast, judge: tuple(better if one is vote else one for one in cast[judge])}
    before = {s.agent_id: s.place for s in rank(cast, SEATS, method)}
    after = {s.agent_id: s.place for s in rank(changed, SEATS, method)}
    assert after[vote.agent_id] <= before[vote.agent_id]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("harshness", [-2, 0, 2])
def test_a_harsh_judge_moves_nobody(method: RankingMethod, harshness: int) -> None:
    cast = {"x": ballot(a1=8, a2=5, a3=3), "y": ballot(a1=8 + harshness, a2=6 + harshness, a3=4)}
    assert [s.agent_id for s in rank(cast, SEATS[:3], method)] == list(SEATS[:3])


def test_adjusted_points_are_what_the_mean_judge_would_give() -> None:
    """agent_3 was judged by the harsh judge alone: by raw scores it would be last."""
    cast = {
        "harsh": ballot(a1=3, a2=2, a3=4),
        "mild": ballot(a1=9, a2=8),
        "fair": ballot(a1=6, a2=5),
    }
    standings = rank(cast, SEATS[:3])
    assert [s.agent_id for s in standings] == ["agent_3", "agent_1", "agent_2"]
    points = {s.agent_id: s.points for s in standings}
    assert points["agent_1"] - points["agent_2"] == pytest.approx(1.0)
    assert 6 < points["agent_3"] < 7


def test_each_method_has_points_of_its_own() -> None:
    cast = {"x": ballot(a1=9, a2=5, a3=1), "y": ballot(a1=7, a2=8, a3=3), "z": ballot(a1=8, a2=2)}
    points = {m: {s.agent_id: s.points for s in rank(cast, SEATS[:3], m)} for m in METHODS}
    assert points["copeland"] == {"agent_1": 1.0, "agent_2": 0.5, "agent_3": 0.0}
    assert points["borda"]["agent_1"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert sum(points["z_scores"].values()) < 0  # agent_3 is missing from one ballot
    strengths = points["bradley_terry"]
    assert strengths["agent_1"] > strengths["agent_2"] > strengths["agent_3"]


FIVE = tuple(f"agent_{n}" for n in range(1, 6))
SEVEN = tuple(f"agent_{n}" for n in range(1, 8))
scores = st.integers(1, 10)


@st.composite
def rigged(
    draw: st.DrawFn, seats: tuple[str, ...], hostile: int
) -> tuple[dict[str, tuple[Vote, ...]], str]:
    """Ballots of all seats: honest ones put the winner above all others, hostile ones are whatever
    serves them: bury the winner, praise each other, shout with tens, keep silent, vote for
    themselves."""
    winner = draw(st.sampled_from(seats))
    others = [seat for seat in seats if seat != winner]
    enemies = draw(st.permutations(others))[:hostile]
    cast = {}
    for judge in seats:
        if judge in enemies:
            lines = draw(st.lists(st.tuples(st.sampled_from(seats), scores), max_size=12))
        else:
            top = draw(st.integers(2, 10))
            below = st.integers(1, top - 1)
            lines = [(s, top if s == winner else draw(below)) for s in seats if s != judge]
        cast[judge] = tuple(Vote(agent_id=seat, score=score) for seat, score in lines)
    return cast, winner


@pytest.mark.parametrize("method", METHODS)
@given(drawn=rigged(FIVE, 1))
def test_one_hostile_judge_of_five_cannot_take_the_first_place(
    method: RankingMethod, drawn: tuple[dict[str, tuple[Vote, ...]], str]
) -> None:
    """The shapes of attack in arXiv 2506.09443 that reach a ballot: whatever one judge is made to
    write. The other three who judge the winner against a rival outvote it."""
    cast, winner = drawn
    standings = rank(cast, FIVE, method)
    assert (standings[0].agent_id, standings[1].place) == (winner, 2)


@pytest.mark.parametrize("method", METHODS)
@given(drawn=rigged(SEVEN, 2))
def test_a_pc_that_rigs_the_ballots_of_its_two_seats_of_seven_cannot_either(
    method: RankingMethod, drawn: tuple[dict[str, tuple[Vote, ...]], str]
) -> None:
    cast, winner = drawn
    assert rank(cast, SEVEN, method)[0].agent_id == winner


def test_one_ballot_alone_is_no_majority() -> None:
    one = {"x": {"agent_1": 9, "agent_2": 1}}
    assert majority_choice(one, SEATS[:2]) is None
    two = {**one, "y": {"agent_1": 9, "agent_2": 1}}
    assert majority_choice(two, SEATS[:2]) == "agent_1"
    even = {**two, "z": {"agent_1": 1, "agent_2": 9}, "w": {"agent_1": 1, "agent_2": 9}}
    assert majority_choice(even, SEATS[:2]) is None
    assert duel(even, "agent_1", "agent_2") == (2, 2, 0)
    assert majority_choice(even, SEATS[:1]) is None


def test_a_hostile_judge_that_keeps_silent_gains_nothing() -> None:
    """The pair that it does not judge has two honest ballots left."""
    cast = {
        "agent_1": ballot(a2=2, a3=1, a4=1, a5=1),
        "agent_2": ballot(a1=1, a3=9, a4=1, a5=1),
        "agent_3": ballot(a1=1, a2=2, a4=1, a5=1),
        "agent_4": ballot(a1=1, a2=2, a3=1, a5=1),
        "agent_5": ballot(a3=10),
    }
    assert rank(cast, FIVE)[0].agent_id == "agent_2"
