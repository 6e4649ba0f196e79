"""Ballots → places, by one of five methods. Every ballot is brought to its own judge's scale first,
so that a harsh judge and a generous one weigh the same, and nobody loses by a vote for oneself that
may not be given.

`adjusted` (the default) is the additive model of the scores, answer + judge, where judges' severity
is drawn towards nought as far as it may be chance: the best linear unbiased prediction of a mixed
model (Henderson 1975), here "recovery of inter-block information" (Yates 1940). It was chosen by
simulation (`tests/simulation`), where it loses to none of the others. `borda` is the mean share of
the others that an answer beats, `copeland` the share of the others that it beats on most ballots,
`bradley_terry` the maximum a posteriori strength (choix), `z_scores` the mean score in standard
deviations of its judge.

Whoever beats each other one on most of the ballots that hold both is first, whatever the method
says (the Condorcet winner, as in Black's rule, 1958): so no minority of judges can take the first
place from the one that the others agree on. One ballot alone is no majority, whoever is silent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.messages.judgement import RankingMethod, Standing, Vote

DEFAULT: RankingMethod = "adjusted"
AT_LEAST = 2
"""Ballots that must prefer an answer to another before they can be a majority."""
SEVERITY_PRIOR = 0.5
"""Variance of a judge's errors over that of the judges' severity. From 0.3 to 1 it makes no
difference in simulation; 0 wastes what a judge's level tells, infinity believes all of it."""
DIGITS = 9
"""Points that differ by less are equal: sums depend on the order in which ballots arrived."""
PRIOR = 0.1
"""Bradley–Terry: weight of the prior, without which an answer that always wins has no strength."""

Scores = Mapping[str, Mapping[str, int]]
"""judge → answer → score: the votes that count."""
Array = NDArray[Any]


@dataclass(frozen=True)
class Tally:
    """How rankings come out, each by how often each judge's ballot is counted in it. Arrays of
    ranking × candidate, or of ranking alone; `points` by the method, 0 where there is no vote."""

    places: Array
    points: Array
    borda: Array
    means: Array
    votes: Array


def rank(
    ballots: Mapping[str, Sequence[Vote]],
    candidates: Sequence[str],
    method: RankingMethod = DEFAULT,
) -> tuple[Standing, ...]:
    """The candidates in order, best first; ties share a place (1, 2, 2, 4) and stand in the order
    of `candidates`. `ballots`: reviewer → votes, of which those in `counted` count. Equal points
    are parted by the mean score. Without votes: last, mean 0.0."""
    return ranked(counted(ballots, candidates), candidates, method)


def counted(ballots: Mapping[str, Sequence[Vote]], candidates: Sequence[str]) -> Scores:
    """The votes that count: not for oneself, not for others than the candidates, and of several for
    the same one the first. Judges without such a vote are left out, the others stand in order."""
    known = set(candidates)
    scores: dict[str, dict[str, int]] = {}
    for judge in sorted(ballots):
        for vote in ballots[judge]:
            if vote.agent_id in known and vote.agent_id != judge:
                scores.setdefault(judge, {}).setdefault(vote.agent_id, vote.score)
    return scores


def ranked(
    scores: Scores, candidates: Sequence[str], method: RankingMethod
) -> tuple[Standing, ...]:
    """`rank` for votes that were counted already."""
    found = tally(scores, candidates, method, np.ones((1, len(scores))))
    standings = [
        Standing(
            agent_id=candidate,
            place=int(found.places[0, n]),
            mean_score=float(found.means[0, n]),
            votes=int(found.votes[0, n]),
            borda=float(found.borda[0, n]),
            points=float(found.points[0, n]),
        )
        for n, candidate in enumerate(candidates)
    ]
    return tuple(sorted(standings, key=lambda standing: standing.place))


def ranked_by(points: Mapping[str, float]) -> tuple[Standing, ...]:
    """Standings by points alone, without votes; ties share a place, in the order given."""
    standings = [
        Standing(
            agent_id=candidate,
            place=1 + sum(round(p, DIGITS) > round(own, DIGITS) for p in points.values()),
            mean_score=0.0,
            votes=0,
            points=round(own, DIGITS),
        )
        for candidate, own in points.items()
    ]
    return tuple(sorted(standings, key=lambda standing: standing.place))


def tally(scores: Scores, candidates: Sequence[str], method: RankingMethod, times: Array) -> Tally:
    """Many rankings at once. `times`: ranking × judge, how often that judge's ballot is counted;
    judges in the order of `scores`."""
    sheet = _sheet(scores, candidates)
    votes = times @ ~np.isnan(sheet)
    points = np.where(votes > 0, np.round(_METHODS[method](sheet, times), DIGITS), 0.0)
    means = np.round(_mean(sheet, times), DIGITS)
    keys = (votes > 0, _chosen(sheet, times), points, means)
    return Tally(_places(keys), points, np.round(_borda(sheet, times), DIGITS), means, votes)


def majority_choice(scores: Scores, candidates: Sequence[str]) -> str | None:
    """Who beats each other one on most ballots, two at least; None where nobody does."""
    (chosen,) = _chosen(_sheet(scores, candidates), np.ones((1, len(scores))))
    return next((one for one, yes in zip(candidates, chosen, strict=True) if yes), None)


def duel(scores: Scores, one: str, other: str) -> tuple[int, int, int]:
    """On how many ballots that hold both `one` is better, `other` is, neither is."""
    (better,), (both,) = _duels(_sheet(scores, (one, other)), np.ones((1, len(scores))))
    wins, losses = int(better[0, 1]), int(better[1, 0])
    return wins, losses, int(both[0, 1]) - wins - losses


def _sheet(scores: Scores, candidates: Sequence[str]) -> Array:
    """judge × candidate; nan = no vote."""
    rows = [[own.get(candidate, np.nan) for candidate in candidates] for own in scores.values()]
    return np.array(rows, dtype=float).reshape(len(scores), len(candidates))


def _places(keys: Sequence[Array]) -> Array:
    """1 + how many stand before, by the first of the keys that differs; greater is better."""
    before = np.zeros((*keys[0].shape, keys[0].shape[1]), dtype=bool)
    for key in reversed(keys):
        mine, theirs = key[:, :, None], key[:, None, :]
        before = (theirs > mine) | ((theirs == mine) & before)
    return np.asarray(1 + before.sum(axis=2))


def _duels(sheet: Array, times: Array) -> tuple[Array, Array]:
    """ranking × one × other: ballots on which one is better than the other, and that hold both."""
    one, other = sheet[:, :, None], sheet[:, None, :]
    better, both = one > other, ~np.isnan(one + other)
    return np.einsum("rj,jab->rab", times, better), np.einsum("rj,jab->rab", times, both)


def _chosen(sheet: Array, times: Array) -> Array:
    """ranking × candidate: the majority's choice."""
    better, both = _duels(sheet, times)
    wins = (better >= AT_LEAST) & (2 * better > both)
    wins |= np.eye(sheet.shape[1], dtype=bool)
    return np.asarray(wins.all(axis=2) & (sheet.shape[1] > 1))


def _mean(values: Array, times: Array) -> Array:
    """ranking × candidate: the mean over the ballots that have it; 0 without any."""
    total, votes = times @ np.nan_to_num(values), times @ ~np.isnan(values)
    return np.asarray(total / np.maximum(votes, 1))


def _borda(sheet: Array, times: Array) -> Array:
    """The mean share of the others on a ballot that each one beats, 0 to 1; a tie is half a win. A
    ballot of one says nothing about order: one half."""
    one, other = sheet[:, :, None], sheet[:, None, :]
    beaten = ((one > other) + (one == other) / 2).sum(axis=2) - 0.5
    others = (~np.isnan(sheet)).sum(axis=1, keepdims=True) - 1
    share = np.where(others > 0, beaten / np.maximum(others, 1), 0.5)
    return _mean(np.where(np.isnan(sheet), np.nan, share), times)


def _adjusted(sheet: Array, times: Array) -> Array:
    """What an answer would get from the mean judge, on the scale of 1 to 10: least squares with a
    line for each judge that says its severity is nought. The judges' severities are eliminated from
    the normal equations, which leaves one small system a ranking."""
    given = (~np.isnan(sheet)).astype(float)
    total, many = np.nan_to_num(sheet), given.sum(axis=1)
    level = (times @ total.sum(axis=1)) / np.maximum(times @ many, 1)
    weight = 1 / (many + SEVERITY_PRIOR)
    blocks = given[:, :, None] * np.eye(sheet.shape[1])
    blocks -= given[:, :, None] * given[:, None, :] * weight[:, None, None]
    left = np.einsum("rj,jab->rab", times, blocks)
    right = times @ (total - given * (total.sum(axis=1) * weight)[:, None])
    right -= level[:, None] * (times @ (given * (1 - many * weight)[:, None]))
    answers = np.einsum("rab,rb->ra", np.linalg.pinv(left, hermitian=True), right)
    return np.asarray(level[:, None] + answers)


def _copeland(sheet: Array, times: Array) -> Array:
    """The share of the others that an answer beats on most ballots; even is half."""
    better, _ = _duels(sheet, times)
    worse = better.transpose(0, 2, 1)
    wins = ((better > worse) + (better == worse) / 2).sum(axis=2) - 0.5
    return np.asarray(wins / max(1, sheet.shape[1] - 1))


def _bradley_terry(sheet: Array, times: Array) -> Array:
    """Log-strengths; a tie counts as half a win for each."""
    import choix  # brings SciPy, for those alone who choose it

    better, both = _duels(sheet, times)
    wins = better + (both - better - better.transpose(0, 2, 1)) / 2
    wins *= 1 - np.eye(sheet.shape[1])
    return np.round([choix.ilsr_pairwise_dense(each, alpha=PRIOR) for each in wins], 5)


def _z_scores(sheet: Array, times: Array) -> Array:
    """The mean score in standard deviations of its judge; who finds all alike says 0 of each."""
    given = ~np.isnan(sheet)
    middle = (np.nan_to_num(sheet).sum(axis=1) / given.sum(axis=1))[:, None]
    apart = sheet - middle
    spread = np.sqrt((np.nan_to_num(apart) ** 2).sum(axis=1) / given.sum(axis=1))[:, None]
    return _mean(np.where(spread > 0, apart / np.where(spread > 0, spread, 1), apart), times)


_METHODS: Mapping[RankingMethod, Callable[[Array, Array], Array]] = {
    "adjusted": _adjusted,
    "borda": _borda,
    "copeland": _copeland,
    "bradley_terry": _bradley_terry,
    "z_scores": _z_scores,
}
