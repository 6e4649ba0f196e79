"""Judges whose faults are known, around a truth that is known: how well does a ranking find it?

An answer's quality is standard normal. A judge perceives it with noise, part of which all judges
share; likes what stands early and what it wrote itself; and has a severity and a spread of its own.
Scores are whole, 1 to 10. All chance comes from the seed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from actors.council.judging.ranking import DEFAULT, rank
from actors.messages.judgement import Vote

MIDDLE, UNIT = 6.0, 1.5
"""The score of a mean answer, and points of score a standard deviation of quality is worth."""


@dataclass(frozen=True)
class Faults:
    """In standard deviations of quality, but `severity` and `self_preference` in points of score.
    `common`: the share of the noise's variance that all judges have in common. `spread`: of the log
    of how far a judge pulls answers apart."""

    noise: float = 1.0
    common: float = 0.0
    position: float = 0.0
    self_preference: float = 1.5
    severity: float = 1.25
    spread: float = 0.3


USUAL = Faults()
FAULTS: Mapping[str, Faults] = {
    "usual": USUAL,
    "sharp eyes": replace(USUAL, noise=0.4),
    "noise": replace(USUAL, noise=2.0),
    "correlation": replace(USUAL, common=0.5),
    "position bias": replace(USUAL, position=1.5),
    "self-preference": replace(USUAL, self_preference=4.0),
    "harshness": replace(USUAL, severity=2.5),
    "all of them": Faults(1.5, 0.3, 1.0, 3.0, 2.0, 0.4),
}

Sheet = np.ndarray
"""judge × answer, whole scores; the diagonal is what a judge gives itself."""
Rule = Callable[[Sheet], list[float]]
"""A sheet → what each answer is worth; greater is better."""


def sheet(chance: np.random.Generator, seats: int, faults: Faults) -> tuple[np.ndarray, Sheet]:
    """The truth, and what judges make of it."""
    truth = chance.normal(size=seats)
    shared = chance.normal(size=seats)
    early = np.linspace(1.0, 0.0, seats)[chance.permutation(seats)] if seats > 1 else np.ones(1)
    own = chance.normal(size=(seats, seats))
    seen = truth + faults.noise * (
        np.sqrt(faults.common) * shared + np.sqrt(1 - faults.common) * own
    )
    seen = seen + faults.position * early
    pulled = np.exp(faults.spread * chance.normal(size=(seats, 1)))
    scores = MIDDLE + UNIT * pulled * seen + faults.severity * chance.normal(size=(seats, 1))
    scores += np.diag(2 * faults.self_preference * chance.random(seats))
    return truth, np.clip(np.rint(scores), 1, 10).astype(int)


def ours(scores: Sheet, method: str) -> list[float]:
    """By the council's own code, from ballots as it reads them: the lower the place the better."""
    seats = [f"agent_{n}" for n in range(len(scores))]
    ballots = {
        judge: [
            Vote(agent_id=one, score=int(scores[row, n])) for n, one in enumerate(seats) if n != row
        ]
        for row, judge in enumerate(seats)
    }
    places = {s.agent_id: s.place for s in rank(ballots, seats, method)}  # type: ignore[arg-type]
    return [-places[seat] for seat in seats]


def others(scores: Sheet) -> np.ma.MaskedArray:
    """Without what judges give themselves."""
    return np.ma.masked_array(scores, mask=np.eye(len(scores), dtype=bool))


def mean_score(scores: Sheet) -> list[float]:
    return [float(value) for value in others(scores).mean(axis=0)]


def mean_rank(scores: Sheet) -> list[float]:
    """As others do it: the mean of the places on each ballot."""
    rows = [
        [1 + np.sum(row > one) for one in row] for row in (others(scores).filled(-1)).astype(float)
    ]
    return [-float(v) for v in np.ma.masked_array(rows, mask=np.eye(len(scores))).mean(axis=0)]


def single_judge(truth: np.ndarray, scores: Sheet) -> list[float]:
    """τ of each judge alone. (Which of them is the best nobody knows beforehand; here, over many
    councils, the best of them is found with the truth at hand.)"""
    return [tau(truth, [float(score) for score in row]) for row in scores]


def tau(truth: np.ndarray, worth: list[float]) -> float:
    """Kendall's τ-a with the truth: a pair that is left undecided counts 0, as a guess would. (τ-b
    would reward a rule for what it leaves undecided.)"""
    one, other = np.triu_indices(len(truth), 1)
    found = np.round(np.array(worth)[one] - np.array(worth)[other], 9)
    return float(np.mean(np.sign(truth[one] - truth[other]) * np.sign(found)))


METHODS = ("adjusted", "borda", "copeland", "z_scores")
RULES: Mapping[str, Rule] = {
    **{method: (lambda s, m=method: ours(s, m)) for method in METHODS},  # type: ignore[misc]
    "mean score": mean_score,
    "mean rank": mean_rank,
}


def play(
    faults: Faults, seats: int, councils: int, seed: int, rules: Iterable[str] = RULES
) -> dict[str, np.ndarray]:
    """τ of each rule, council by council: all rules judge the same sheets. `best judge` is the one
    seat that did best over all of them."""
    chance = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in rules}
    alone: list[list[float]] = []
    for _ in range(councils):
        truth, scores = sheet(chance, seats, faults)
        for name, told in found.items():
            told.append(tau(truth, RULES[name](scores)))
        alone.append(single_judge(truth, scores))
    judges = np.array(alone)
    best = judges[:, judges.mean(axis=0).argmax()]
    return {**{name: np.array(values) for name, values in found.items()}, "best judge": best}


def lead(played: Mapping[str, np.ndarray], rival: str) -> tuple[float, float]:
    """How far the default is ahead of a rival, and half of the 95 % interval of that (paired)."""
    ahead = played[DEFAULT] - played[rival]
    return float(ahead.mean()), float(1.96 * ahead.std(ddof=1) / np.sqrt(len(ahead)))
