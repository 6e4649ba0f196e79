"""Ballots put together: a judge's votes from all its reviews, and whether more can matter."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from actors.council.judging.ranking import AT_LEAST, Scores
from actors.messages.events import ReviewHeard
from actors.messages.judgement import Vote


def votes_of(reviews: Mapping[str, Sequence[ReviewHeard]]) -> dict[str, tuple[Vote, ...]]:
    """reviewer → all its votes, from one review of all others or from one each."""
    return {
        reviewer: tuple(chain.from_iterable(review.rankings for review in heard))
        for reviewer, heard in reviews.items()
    }


def certain_first(scores: Scores, candidates: Sequence[str], owing: Collection[str]) -> str | None:
    """Who will be first, whatever the judges in `owing` say or leave unsaid; None where that is
    open.

    By the rule that the majority's choice is first: X is certain if X beats each other Y on two
    ballots at least, and on more than half of all that can ever hold both (those that do, and those
    of judges in `owing` that may judge both). Exact for that rule; who would be first by points
    alone is never certain before the end, since one ballot more can turn points round.
    """
    return next((one for one in candidates if _beats_all(scores, candidates, one, owing)), None)


def _beats_all(scores: Scores, candidates: Sequence[str], one: str, owing: Collection[str]) -> bool:
    others = [other for other in candidates if other != one]
    return bool(others) and all(_beats(scores, one, other, owing) for other in others)


def _beats(scores: Scores, one: str, other: str, owing: Collection[str]) -> bool:
    wins = both = 0
    for judge, votes in scores.items():
        if judge not in owing and one in votes and other in votes:
            both += 1
            wins += votes[one] > votes[other]
    still = sum(judge not in (one, other) for judge in owing)
    return wins >= AT_LEAST and 2 * wins > both + still
