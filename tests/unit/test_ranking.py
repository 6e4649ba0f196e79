"""Borda over ballots of different lengths and harshness: order counts, not generosity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.ranking import rank
from actors.messages.events import Standing, Vote

SEATS = ("agent_1", "agent_2", "agent_3", "agent_4")


def ballot(**scores: int) -> tuple[Vote, ...]:
    return tuple(Vote(agent_id=f"agent_{key[1:]}", score=score) for key, score in scores.items())


def places(standings: tuple[Standing, ...]) -> list[tuple[str, int]]:
    return [(standing.agent_id, standing.place) for standing in standings]


def test_everybody_judges_the_others() -> None:
    standings = rank(
        {
            "agent_1": ballot(a2=8, a3=7),
            "agent_2": ballot(a1=9, a3=9),
            "agent_3": ballot(a1=3, a2=5),
        },
        SEATS[:3],
    )
    assert standings == (
        Standing(agent_id="agent_2", place=1, mean_score=6.5, votes=2, borda=1.0),
        Standing(agent_id="agent_3", place=2, mean_score=8.0, votes=2, borda=0.25),
        Standing(agent_id="agent_1", place=3, mean_score=6.0, votes=2, borda=0.25),
    )


def test_equal_points_and_scores_share_a_place() -> None:
    standings = rank(
        {"judge": ballot(a1=9, a2=5, a3=5, a4=1), "other": ballot(a1=8, a2=4, a3=4, a4=2)}, SEATS
    )
    assert places(standings) == [("agent_1", 1), ("agent_2", 2), ("agent_3", 2), ("agent_4", 4)]
    assert [standing.borda for standing in standings] == [1.0, 0.5, 0.5, 0.0]


def test_the_mean_score_parts_what_borda_does_not() -> None:
    standings = rank({"agent_1": ballot(a2=4), "agent_2": ballot(a1=6)}, SEATS[:2])
    assert places(standings) == [("agent_1", 1), ("agent_2", 2)]
    assert [standing.borda for standing in standings] == [0.5, 0.5]


def test_who_was_not_judged_comes_last_even_after_the_worst() -> None:
    standings = rank({"agent_4": ballot(a2=1, a3=9)}, SEATS)
    assert places(standings) == [("agent_3", 1), ("agent_2", 2), ("agent_1", 3), ("agent_4", 3)]
    assert (standings[2].votes, standings[2].mean_score) == (0, 0.0)


def test_without_ballots_all_share_the_first_place() -> None:
    assert places(rank({"agent_1": ()}, SEATS[:2])) == [("agent_1", 1), ("agent_2", 1)]
    assert rank({}, ()) == ()


def test_votes_for_oneself_for_strangers_and_second_votes_do_not_count() -> None:
    votes = (*ballot(a1=10, a2=5, a9=10), *ballot(a2=9))
    standings = rank({"agent_1": votes}, SEATS[:2])
    assert standings[0] == Standing(agent_id="agent_2", place=1, mean_score=5.0, votes=1, borda=0.5)
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


@given(ballots, st.permutations(SEATS))
def test_order_of_ballots_and_votes_does_not_matter(
    cast: dict[str, tuple[Vote, ...]], order: list[str]
) -> None:
    mixed = {seat: tuple(reversed(cast[seat])) for seat in order if seat in cast}
    assert rank(mixed, SEATS) == rank(cast, SEATS)
    assert set(rank(cast, order)) == set(rank(cast, SEATS))


@given(ballots)
def test_places_follow_borda_then_mean(cast: dict[str, tuple[Vote, ...]]) -> None:
    standings = rank(cast, SEATS)
    keys = [(s.votes > 0, round(s.borda, 9), round(s.mean_score, 9)) for s in standings]
    assert keys == sorted(keys, reverse=True)
    assert [s.place for s in standings] == [1 + keys.index(key) for key in keys]
    assert all(0 <= s.borda <= 1 for s in standings)


@given(ballots, st.data())
def test_a_better_score_never_costs_a_place(
    cast: dict[str, tuple[Vote, ...]], data: st.DataObject
) -> None:
    votes = [(judge, vote) for judge in cast for vote in cast[judge] if vote.score < 10]
    if not votes:
        return
    judge, vote = data.draw(st.sampled_from(votes))
    better = vote.model_copy(update={"score": data.draw(st.integers(vote.score + 1, 10))})
    changed = {**cast, judge: tuple(better if one is vote else one for one in cast[judge])}
    before = {s.agent_id: s.place for s in rank(cast, SEATS)}
    after = {s.agent_id: s.place for s in rank(changed, SEATS)}
    assert after[vote.agent_id] <= before[vote.agent_id]


@pytest.mark.parametrize("harshness", [-2, 0, 2])
def test_a_harsh_judge_moves_nobody(harshness: int) -> None:
    cast = {"x": ballot(a1=8, a2=5, a3=3), "y": ballot(a1=8 + harshness, a2=6 + harshness, a3=4)}
    assert [s.agent_id for s in rank(cast, SEATS[:3])] == list(SEATS[:3])
