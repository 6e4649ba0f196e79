"""How sure it is: intervals, paired tests, and how many questions it would take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

Z_95 = 1.959964
Z_80 = 0.841621
"""Of a power of 80 %."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def wilson(correct: int, asked: int) -> Interval:
    """The 95 % interval of a share by Wilson (1927); all of [0, 1] where nothing was asked."""
    from scipy.stats import binomtest

    if asked == 0:
        return Interval(0.0, 1.0)
    found = binomtest(correct, asked).proportion_ci(confidence_level=0.95, method="wilson")
    return Interval(float(found.low), float(found.high))


@dataclass(frozen=True)
class Paired:
    """Two contestants on the same questions: `wins` = right where the other is wrong."""

    wins: int
    losses: int
    asked: int

    @property
    def difference(self) -> float:
        return (self.wins - self.losses) / self.asked if self.asked else 0.0

    @cached_property
    def p(self) -> float:
        """McNemar's test, exact and two-sided: are wins and losses a fair coin?"""
        from scipy.stats import binomtest

        apart = self.wins + self.losses
        return float(binomtest(self.wins, apart, 0.5).pvalue) if apart else 1.0

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the difference by Agresti and Min (2005): half a question is added
        to each of the four cells, so that no difference seen is not yet none there."""
        middle, spread = self._smoothed
        half = Z_95 * math.sqrt(spread / (self.asked + 2))
        return Interval(max(-1.0, middle - half), min(1.0, middle + half))

    def needed_for_interval(self, half: float) -> int:
        """Questions until the interval reaches `half` to each side, if it goes on like this."""
        return math.ceil(Z_95**2 * self._smoothed[1] / half**2)

    def needed_for_difference(self, difference: float) -> int:
        """Questions until a difference of that size would be found significant four times out of
        five, if they disagree as often as so far (Connor 1987)."""
        middle, spread = self._smoothed
        apart = max(spread + middle**2, difference)
        hits = Z_95 * math.sqrt(apart) + Z_80 * math.sqrt(max(0.0, apart - difference**2))
        return math.ceil((hits / difference) ** 2)

    @property
    def _smoothed(self) -> tuple[float, float]:
        """The difference, and the variance of one question's, with the halves added."""
        asked, wins, losses = self.asked + 2, self.wins + 0.5, self.losses + 0.5
        middle = (wins - losses) / asked
        return middle, (wins + losses) / asked - middle**2


def paired(one: Mapping[str, bool], other: Mapping[str, bool]) -> Paired:
    """On the questions that both were asked."""
    both = [item for item in one if item in other]
    return Paired(
        wins=sum(one[item] and not other[item] for item in both),
        losses=sum(other[item] and not one[item] for item in both),
        asked=len(both),
    )
