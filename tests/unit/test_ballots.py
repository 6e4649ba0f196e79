"""When it is certain who is first: against the full count of every way in which it may go on."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.ballots import certain_first, votes_of
from actors.council.judging.ranking import Scores, majority_choice, ranked
from actors.messages.judgement import RankingMethod

SEATS = ("a", "b", "c", "d")
METHODS: tuple[RankingMethod, ...] = ("adjusted", "borda", "copeland", "z_scores")
LEVELS = (1, 5, 10)


def ballots(judge: str, seats: tuple[str, ...], levels: tuple[int, ...]) -> list[dict[str, int]]:
    """Every ballot of these levels that the judge may give, whole or in part; {} = none."""
    others = [seat for seat in seats if seat != judge]
    choices = product((None, *levels), repeat=len(others))
    return [
        {o: score for o, score in zip(others, choice, strict=True) if score is not None}
        for choice in choices
    ]


def counts(heard: Scores, owing: tuple[str, ...], levels: tuple[int, ...] = LEVELS) -> list[Scores]:
    """Every full count of four that `heard` may become."""
    futures = product(*(ballots(judge, SEATS, levels) for judge in owing))
    return [
        {**heard, **{j: votes for j, votes in zip(owing, future, strict=True) if votes}}
        for future in futures
    ]


def strict_ballots(judge: str) -> list[dict[str, int]]:
    """Every order of the three others, and one with a tie for the first place."""
    others = [seat for seat in SEATS if seat != judge]
    orders = [(9, 5, 2), (9, 2, 5), (5, 9, 2), (2, 9, 5), (5, 2, 9), (2, 5, 9), (9, 9, 2)]
    return [dict(zip(others, order, strict=True)) for order in orders]


def test_early_stop_never_changes_the_winner_of_the_full_count() -> None:
    """All councils of four with strict ballots or a tie, one ballot still owed, all 64 ways."""
    certain = 0
    for first, second, third in product(*map(strict_ballots, SEATS[:3])):
        heard = {"a": first, "b": second, "c": third}
        winner = certain_first(heard, SEATS, {"d"})
        if winner is None:
            continue
        certain += 1
        for count in counts(heard, ("d",)):
            assert majority_choice(count, SEATS) == winner, count
    assert certain == 8


@given(st.data())
def test_nor_in_councils_of_five(data: st.DataObject) -> None:
    """Five seats, one or two ballots owed; where it is certain, no way changes it."""
    seats = (*SEATS, "e")
    owing = data.draw(st.sampled_from([("e",), ("d",), ("b", "e")]))
    likes = st.lists(st.integers(1, 10), min_size=4, max_size=4)
    heard = {
        judge: dict(zip((s for s in seats if s != judge), data.draw(likes), strict=True))
        for judge in seats
        if judge not in owing
    }
    winner = certain_first(heard, seats, set(owing))
    if winner is not None:
        for future in data.draw(st.lists(_any_ballots(owing, seats), min_size=5, max_size=20)):
            assert majority_choice({**heard, **future}, seats) == winner


def _any_ballots(owing: tuple[str, ...], seats: tuple[str, ...]) -> st.SearchStrategy[Scores]:
    """A ballot of each judge in `owing`, whole or in part."""
    return st.fixed_dictionaries(
        {
            judge: st.dictionaries(
                st.sampled_from([s for s in seats if s != judge]), st.integers(1, 10), min_size=1
            )
            for judge in owing
        }
    )


@pytest.mark.parametrize("method", METHODS)
def test_whoever_is_certain_is_first_by_every_method(method: RankingMethod) -> None:
    heard = {"a": {"b": 2, "c": 1, "d": 9}, "b": {"a": 3, "c": 2, "d": 9}}
    heard["c"] = {"a": 1, "b": 3, "d": 10}
    assert certain_first(heard, SEATS, {"d"}) == "d"
    for count in counts(heard, ("d",)):
        assert ranked(count, SEATS, method)[0].agent_id == "d"


def test_it_is_exact_whoever_is_not_certain_can_still_lose_the_majority() -> None:
    """Two ballots owed in councils of four: uncertain means that some way leaves no such choice, or
    another one."""
    for first, second in product(strict_ballots("a"), strict_ballots("b")):
        heard = {"a": first, "b": second}
        if certain_first(heard, SEATS, {"c", "d"}) is None and first["b"] + second["c"] > 9:
            ways = {majority_choice(count, SEATS) for count in counts(heard, ("c", "d"), (1, 10))}
            assert len(ways) > 1 or ways == {None}


def test_a_judge_that_owes_a_part_counts_with_nothing_yet() -> None:
    """Pairwise reviews come one by one: what is there may be all that ever comes, or not."""
    heard = {"a": {"d": 9, "b": 1, "c": 1}, "b": {"a": 1, "d": 9, "c": 1}}
    heard["c"] = {"a": 1, "b": 1, "d": 9}
    assert certain_first(heard, SEATS, ()) == "d"
    assert certain_first(heard, SEATS, {"a", "c"}) is None


@given(st.data())
def test_nobody_is_certain_before_two_ballots_compare_it_with_each(data: st.DataObject) -> None:
    judge = data.draw(st.sampled_from(SEATS))
    one = data.draw(st.sampled_from(ballots(judge, SEATS, LEVELS)))
    owing = set(SEATS) - {judge}
    assert certain_first({judge: one} if one else {}, SEATS, owing) is None


def test_one_candidate_has_nobody_to_beat() -> None:
    assert certain_first({}, ("a",), ()) is None
    assert not list(combinations(("a",), 2))
    assert votes_of({}) == {}
