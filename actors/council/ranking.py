"""Ballots → places. Borda count, so that a harsh judge and a generous one weigh the same.

Only the order within a ballot counts, and every ballot is brought to the same scale: a judge who
may not vote for itself has one candidate fewer than nobody, and takes no place from anyone.
Arithmetic is in fractions: the outcome does not depend on the order in which ballots arrived.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from actors.messages.events import Standing, Vote

_HALF = Fraction(1, 2)

Merit = tuple[bool, Fraction, Fraction]
"""Judged at all, then Borda, then mean score; greater is better."""


@dataclass
class _Tally:
    points: list[Fraction] = field(default_factory=list)
    scores: list[int] = field(default_factory=list)

    def merit(self) -> Merit:
        return (bool(self.scores), _mean(self.points), _mean(self.scores))


def rank(ballots: Mapping[str, Sequence[Vote]], candidates: Sequence[str]) -> tuple[Standing, ...]:
    """The candidates in order, best first; ties share a place (1, 2, 2, 4) and stand in the order
    of `candidates`. `ballots`: reviewer → votes; votes for oneself, for others than the candidates
    and second votes for the same one are passed over. Without votes: last, mean 0.0."""
    tallies = {candidate: _Tally() for candidate in candidates}
    for reviewer, votes in ballots.items():
        scores = _scores(reviewer, votes, tallies)
        for candidate, points in _borda(scores).items():
            tallies[candidate].points.append(points)
            tallies[candidate].scores.append(scores[candidate])
    merits = {candidate: tally.merit() for candidate, tally in tallies.items()}
    ordered = sorted(tallies, key=merits.__getitem__, reverse=True)
    return tuple(
        Standing(
            agent_id=candidate,
            place=1 + sum(other > merits[candidate] for other in merits.values()),
            mean_score=float(merits[candidate][2]),
            votes=len(tallies[candidate].scores),
            borda=float(merits[candidate][1]),
        )
        for candidate in ordered
    )


def _scores(reviewer: str, votes: Sequence[Vote], tallies: Mapping[str, _Tally]) -> dict[str, int]:
    scores: dict[str, int] = {}
    for vote in votes:
        if vote.agent_id in tallies and vote.agent_id != reviewer:
            scores.setdefault(vote.agent_id, vote.score)
    return scores


def _borda(scores: Mapping[str, int]) -> dict[str, Fraction]:
    """Share of the others on the ballot that each one beats, 0 to 1; a tie is half a win.
    A ballot of one says nothing about order: one half."""
    if len(scores) == 1:
        return dict.fromkeys(scores, _HALF)
    return {
        one: Fraction(
            sum(2 * (mine > other) + (mine == other) for other in scores.values()) - 1,
            2 * (len(scores) - 1),
        )
        for one, mine in scores.items()
    }


def _mean(values: Sequence[Fraction] | Sequence[int]) -> Fraction:
    return Fraction(sum(values)) / len(values) if values else Fraction(0)
