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
place from the one that the others agree on. A pair that fewer than three judged has no majority.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from math import sqrt
from statistics import fmean, pstdev

import numpy as np

from actors.messages.events import RankingMethod, Standing, Vote

DEFAULT: RankingMethod = "adjusted"
MAJORITY_OF = 3
"""Ballots that must hold both answers before most of them decide who is first."""
SEVERITY_PRIOR = 0.5
"""Variance of a judge's errors over that of the judges' severity. From 0.3 to 1 it makes no
difference in simulation; 0 wastes what a judge's level tells, infinity believes all of it."""
DIGITS = 9
"""Points that differ by less are equal: sums depend on the order in which ballots arrived."""
PRIOR = 0.1
"""Bradley–Terry: weight of the prior, without which an answer that always wins has no strength."""

Scores = Mapping[str, Mapping[str, int]]
"""judge → answer → score: the votes that count."""
Points = Mapping[str, float]
Merit = tuple[bool, bool, float, float]
"""Judged at all, the majority's choice, points, mean score; greater is better."""


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
    given = {c: [own[c] for own in scores.values() if c in own] for c in candidates}
    judged = [c for c in candidates if given[c]]
    points = {c: round(value, DIGITS) for c, value in _METHODS[method](scores, judged).items()}
    shares = points if method == "borda" else borda(scores, judged)
    first = majority_choice(scores, judged)
    merits = {
        c: (bool(given[c]), c == first, points.get(c, 0.0), fmean(given[c] or [0.0]))
        for c in candidates
    }
    return tuple(
        Standing(
            agent_id=candidate,
            place=1 + sum(other > merits[candidate] for other in merits.values()),
            mean_score=merits[candidate][3],
            votes=len(given[candidate]),
            borda=shares.get(candidate, 0.0),
            points=merits[candidate][2],
        )
        for candidate in sorted(candidates, key=merits.__getitem__, reverse=True)
    )


def majority_choice(scores: Scores, candidates: Sequence[str]) -> str | None:
    """Who beats each other one on most of at least three ballots; None where nobody does."""
    for one in candidates:
        duels = [duel(scores, one, other) for other in candidates if other != one]
        if duels and all(sum(each) >= MAJORITY_OF and 2 * each[0] > sum(each) for each in duels):
            return one
    return None


def duel(scores: Scores, one: str, other: str) -> tuple[int, int, int]:
    """On how many ballots that hold both `one` is better, `other` is, neither is."""
    signs = [
        (own[one] > own[other]) - (own[one] < own[other])
        for own in scores.values()
        if one in own and other in own
    ]
    return signs.count(1), signs.count(-1), signs.count(0)


def borda(scores: Scores, candidates: Sequence[str]) -> dict[str, float]:
    """The mean share of the others on a ballot that each one beats, 0 to 1; a tie is half a win. A
    ballot of one says nothing about order: one half."""
    shares: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    for own in scores.values():
        for one, mine in own.items():
            beaten = sum((mine > other) + (mine == other) / 2 for other in own.values()) - 0.5
            shares[one].append(beaten / (len(own) - 1) if len(own) > 1 else 0.5)
    return {candidate: fmean(each) for candidate, each in shares.items()}


def _adjusted(scores: Scores, candidates: Sequence[str]) -> dict[str, float]:
    """What an answer would get from the mean judge, on the scale of 1 to 10: least squares, with a
    line for each judge that says its severity is nought."""
    votes = [(judge, one, score) for judge, own in scores.items() for one, score in own.items()]
    if not votes:
        return {}
    judges, level = list(scores), fmean(score for *_, score in votes)
    design = np.zeros((len(votes) + len(judges), len(judges) + len(candidates)))
    values = np.zeros(len(design))
    for row, (judge, one, score) in enumerate(votes):
        design[row, judges.index(judge)] = 1.0
        design[row, len(judges) + candidates.index(one)] = 1.0
        values[row] = score - level
    design[len(votes) :, : len(judges)] = np.eye(len(judges)) * sqrt(SEVERITY_PRIOR)
    fitted, *_ = np.linalg.lstsq(design, values, rcond=None)
    return {one: level + float(fitted[len(judges) + n]) for n, one in enumerate(candidates)}


def _copeland(scores: Scores, candidates: Sequence[str]) -> dict[str, float]:
    """The share of the others that an answer beats on most ballots; even is half."""
    wins = dict.fromkeys(candidates, 0.0)
    for one, other in combinations(candidates, 2):
        more, fewer, _ = duel(scores, one, other)
        wins[one] += (more > fewer) + (more == fewer) / 2
        wins[other] += (fewer > more) + (more == fewer) / 2
    return {one: won / max(1, len(candidates) - 1) for one, won in wins.items()}


def _bradley_terry(scores: Scores, candidates: Sequence[str]) -> dict[str, float]:
    """Log-strengths; a tie counts as a win for each."""
    import choix  # brings SciPy, for those alone who choose it

    pairs = [
        (candidates.index(winner), candidates.index(loser))
        for own in scores.values()
        for winner, loser in _won(own)
    ]
    if not pairs:
        return dict.fromkeys(candidates, 0.0)
    strengths = choix.opt_pairwise(len(candidates), pairs, alpha=PRIOR, tol=1e-9)
    return {one: round(float(s), 5) for one, s in zip(candidates, strengths, strict=True)}


def _won(own: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for one, other in combinations(own, 2):
        if own[one] >= own[other]:
            yield one, other
        if own[other] >= own[one]:
            yield other, one


def _z_scores(scores: Scores, candidates: Sequence[str]) -> dict[str, float]:
    """A judge who finds all alike says 0 of each."""
    given: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    for own in scores.values():
        middle, spread = fmean(own.values()), pstdev(own.values())
        for one, score in own.items():
            given[one].append((score - middle) / spread if spread else 0.0)
    return {candidate: fmean(each) for candidate, each in given.items()}


_METHODS: Mapping[RankingMethod, Callable[[Scores, Sequence[str]], Points]] = {
    "adjusted": _adjusted,
    "borda": borda,
    "copeland": _copeland,
    "bradley_terry": _bradley_terry,
    "z_scores": _z_scores,
}
