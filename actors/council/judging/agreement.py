"""How far the judges agree, in numbers and in a sentence, and how sure each place is.

Knows nothing of methods of ranking beyond what `ranking` offers. Judges differ in what they may
judge (never themselves), so they are compared on what both of two judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, combinations_with_replacement
from math import factorial, prod
from statistics import StatisticsError, correlation, fmean

import krippendorff
import numpy as np

from actors.council.judging.ranking import Array, Scores, duel, tally
from actors.council.judging.remarks import HARDLY, remarks, sentence
from actors.messages.judgement import Agreement, Dispute, PlaceInterval, RankingMethod, Standing

EXACT_UP_TO = 5
"""Judges of whom all draws are looked at: C(9, 5) = 126. Beyond, `DRAWS` by the seed's chance."""
DRAWS = 200
CONFIDENCE = 0.9


def agreement(
    scores: Scores, standings: Sequence[Standing], names: Mapping[str, str]
) -> Agreement | None:
    """None where no ballot counts. `names`: agent_id → name, for the sentence."""
    if not scores:
        return None
    mean_alike = _mean_alike(scores)
    figures = Agreement(
        ballots=len(scores),
        kendall_w=None if mean_alike is None else kendall_w(len(scores), mean_alike),
        krippendorff_alpha=_alpha(scores, [s.agent_id for s in standings]),
        effective_votes=None if mean_alike is None else effective_votes(len(scores), mean_alike),
        disputes=tuple(_disputes(scores, [s.agent_id for s in standings])),
        sentence="",
    )
    found = tuple(remarks(figures, scores, standings))
    return figures.model_copy(update={"remarks": found, "sentence": sentence(found, names)})


def divided(scores: Scores) -> bool:
    """Whether judges hardly agree, as far as they can be compared."""
    mean_alike = _mean_alike(scores)
    return mean_alike is not None and kendall_w(len(scores), mean_alike) < HARDLY


def kendall_w(judges: int, mean_spearman: float) -> float:
    """Kendall's coefficient of concordance, ties corrected, from the mean of Spearman's ρ over all
    pairs of judges: W = (ρ̄ (m - 1) + 1) / m (Kendall & Gibbons 1990, ch. 6). 0 for two opposite
    judges, 1 for equal ones."""
    return round(min(1.0, max(0.0, (mean_spearman * (judges - 1) + 1) / judges)), 3)


def effective_votes(judges: int, mean_correlation: float) -> float:
    """Kish's effective sample size with an intraclass correlation: m / (1 + (m - 1) ρ̄). Clones are
    one vote. A lower bound: judges who are right for reasons of their own are alike, too."""
    return round(judges / (1 + (judges - 1) * max(0.0, mean_correlation)), 2)


def with_intervals(
    scores: Scores, standings: Sequence[Standing], method: RankingMethod, seed: int
) -> tuple[Standing, ...]:
    """The standings with a bootstrap interval for each place: judges are drawn with replacement, as
    many as there are (Efron 1979); with few of them every draw is looked at once, by its weight. A
    seat that no drawn judge judged has no place in that draw. None with fewer than two ballots."""
    if len(scores) < 2:
        return tuple(standings)
    times, weights = _draws(len(scores), seed)
    found = tally(scores, [standing.agent_id for standing in standings], method, times)
    return tuple(
        standing.model_copy(
            update={"interval": _interval(found.places[:, n], weights * (found.votes[:, n] > 0))}
        )
        for n, standing in enumerate(standings)
    )


def _draws(judges: int, seed: int) -> tuple[Array, Array]:
    """draw × judge, how often each judge is drawn; and the weight of each draw."""
    if judges > EXACT_UP_TO:
        chance = np.random.default_rng(seed)
        return chance.multinomial(judges, [1 / judges] * judges, DRAWS), np.ones(DRAWS)
    draws = list(combinations_with_replacement(range(judges), judges))
    times = np.array([[drawn.count(judge) for judge in range(judges)] for drawn in draws])
    return times, np.array([factorial(judges) / prod(map(factorial, each)) for each in times])


def _interval(places: Array, weights: Array) -> PlaceInterval | None:
    """What is left when half of the rest is cut from each end; None without any weight."""
    if not weights.sum():
        return None
    order = np.argsort(places, kind="stable")
    passed = np.cumsum(weights[order]) / weights.sum()
    tail = (1 - CONFIDENCE) / 2
    best = order[np.searchsorted(passed, tail, side="right")]
    worst = order[np.searchsorted(passed, 1 - tail, side="left")]
    return PlaceInterval(best=int(places[best]), worst=int(places[worst]))


def _mean_alike(scores: Scores) -> float | None:
    """Spearman's ρ, the mean over all pairs of judges that can be compared; None without any."""
    alike = [one for pair in combinations(scores.values(), 2) if (one := _alike(*pair)) is not None]
    return fmean(alike) if alike else None


def _alike(one: Mapping[str, int], other: Mapping[str, int]) -> float | None:
    """Spearman's ρ (Pearson's of mid-ranks) on what both judged; 0 where one of them finds all
    alike, None where they share fewer than two."""
    shared = [candidate for candidate in one if candidate in other]
    if len(shared) < 2:
        return None
    ranks = [_mid_ranks([own[c] for c in shared]) for own in (one, other)]
    try:
        return correlation(*ranks)
    except StatisticsError:  # a constant
        return 1.0 if ranks[0] == ranks[1] else 0.0


def _mid_ranks(values: Sequence[int]) -> list[float]:
    return [sum((v < x) + (v == x) / 2 for v in values) + 0.5 for x in values]


def _alpha(scores: Scores, candidates: Sequence[str]) -> float | None:
    """Krippendorff's α of the scores as intervals; None where there is nothing to compare."""
    table = [[own.get(candidate, np.nan) for candidate in candidates] for own in scores.values()]
    given = np.array(table, dtype=float)
    compared = given[:, (~np.isnan(given)).sum(axis=0) > 1]
    if not compared.size or len(np.unique(compared[~np.isnan(compared)])) < 2:
        return None
    alpha = krippendorff.alpha(reliability_data=compared, level_of_measurement="interval")
    return round(float(alpha), 3)


def _disputes(scores: Scores, candidates: Sequence[str]) -> Iterator[Dispute]:
    """Pairs with judges on both sides, the most even first."""
    found = []
    for one, other in combinations(candidates, 2):
        better, worse, _ = duel(scores, one, other)
        if better and worse:
            found.append(Dispute(agent_ids=(one, other), votes=(better, worse)))
    yield from sorted(found, key=lambda d: -min(d.votes) / sum(d.votes))
