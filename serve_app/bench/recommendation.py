"""What it means, in plain words: is the council worth it, and which is the smallest useful one.

The smallest useful contestant is the cheapest one that is not clearly worse than the best:
* best = most often right; of several, the cheapest;
* cheap = fewest seconds a question, then fewest tokens;
* clearly worse = more than `MARGIN` behind the best.
It is settled by these questions if the 95 % interval of how far it is behind ends within `MARGIN`,
and each cheaper one is significantly behind the best (McNemar, p < 0.05). Else it is said what is
open, and how many questions it takes. The best single seat is picked by its result on the same
questions, which flatters it: a council that leads it leads it all the more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serve_app.bench.contestants import Contestant
from serve_app.bench.statistics import Paired, paired

MARGIN = 0.05
SIGNIFICANT = 0.05
AT_LEAST = 20
"""Questions below which nothing is recommended."""


@dataclass(frozen=True)
class Advice:
    """`best_seat` is None where no seat sat; `enough`: whether it is settled by these questions."""

    best: Contestant
    best_seat: Contestant | None
    smallest: Contestant
    enough: bool
    sentences: tuple[str, ...]


def advise(found: Sequence[Contestant]) -> Advice:
    """`found` has a council, at least."""
    best = max(found, key=lambda one: (one.accuracy, -one.seconds, -one.tokens))
    seat = best_seat(found)
    by_cost = sorted(found, key=lambda one: (one.seconds, one.tokens, -one.accuracy))
    smallest = next(one for one in by_cost if not clearly_worse(one, best))
    told = [_choice(smallest, best)]
    doubts = [*_doubts(smallest, best, by_cost[: by_cost.index(smallest)])]
    if best.asked < AT_LEAST:
        pair = paired(best.marks, (seat or smallest).marks)
        told, doubts = [], [_too_few(pair)]
    return Advice(best, seat, smallest, not doubts, (*_worth(found, seat), *told, *doubts))


def best_seat(found: Sequence[Contestant]) -> Contestant | None:
    seats = [one for one in found if one.kind == "seat" and one.asked]
    return max(seats, key=lambda one: (one.accuracy, -one.seconds), default=None)


def clearly_worse(one: Contestant, best: Contestant) -> bool:
    return paired(best.marks, one.marks).difference > MARGIN


def _worth(found: Sequence[Contestant], seat: Contestant | None) -> list[str]:
    """A sentence a council: does it beat the best single seat?"""
    councils = [one for one in found if one.kind == "council"]
    if seat is None:
        return ["No seat sat, so there is nothing to compare the council with."]
    return [_compared(one, seat, paired(one.marks, seat.marks)) for one in councils]


def _compared(council: Contestant, seat: Contestant, pair: Paired) -> str:
    shares = f"right in {_percent(council.accuracy)}, {seat.title} alone in "
    shares += _percent(seat.accuracy)
    cost = f"{_times(council.seconds, seat.seconds)} the time"
    name = council.name[0].upper() + council.name[1:]
    if pair.p < SIGNIFICANT and pair.wins > pair.losses:
        return f"{name}: worth it. It is {shares} (p = {pair.p:.3f}), at {cost}."
    if pair.p < SIGNIFICANT:
        return f"{name}: not worth it. It is {shares} (p = {pair.p:.3f}), and takes {cost}."
    sure = pair.interval
    between = (
        f"the true difference may be anything from {_points(sure.low)} to {_points(sure.high)}"
    )
    if sure.high <= MARGIN:
        return f"{name}: hardly worth it. It is {shares}; {between}; it takes {cost}."
    told = f"{name}: {pair.asked} questions cannot tell whether it is worth it. It is {shares}"
    told += f" (p = {pair.p:.2f}); {between}."
    if pair.asked < AT_LEAST:
        return told
    size = max(MARGIN, abs(pair.difference))
    needed = _round(pair.needed_for_difference(size))
    return f"{told} About {needed} questions would show a difference of {round(100 * size)} points."


def _choice(one: Contestant, best: Contestant) -> str:
    what = f"{one.title}: {_percent(one.accuracy)} right, {one.seconds:.1f} s a question"
    if one == best:
        return f"The smallest useful choice is the one that is right most often, {what}."
    return (
        f"The smallest useful choice is {what}. Most often right is {best.title}: "
        f"{_percent(best.accuracy)}, {best.seconds:.1f} s."
    )


def _doubts(chosen: Contestant, best: Contestant, cheaper: Sequence[Contestant]) -> Iterator[str]:
    """What these questions leave open of the choice."""
    behind = paired(best.marks, chosen.marks)
    if chosen != best and behind.interval.high > MARGIN:
        yield (
            f"That is not settled: after {behind.asked} questions it may still be up to "
            f"{round(100 * behind.interval.high)} points behind. About "
            f"{_round(behind.needed_for_interval(MARGIN))} would tell to "
            f"{round(100 * MARGIN)} points."
        )
    for one in cheaper:
        pair = paired(best.marks, one.marks)
        if pair.p >= SIGNIFICANT:
            yield (
                f"{one.title} is cheaper, and {round(100 * pair.difference)} points behind the"
                f" best may be chance (p = {pair.p:.2f}). About "
                f"{_round(pair.needed_for_difference(pair.difference))} questions would tell."
            )


def _too_few(pair: Paired) -> str:
    return (
        f"{pair.asked} questions are too few to recommend anything: ask {AT_LEAST} at the very "
        f"least, better {_round(max(AT_LEAST, pair.needed_for_interval(MARGIN)))}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.0f} points".replace("-", "−")


def _times(one: float, other: float) -> str:
    return f"{one / other:.1f} times" if other > 0 else "more than"


def _round(number: int) -> str:
    """To two digits: it is an estimate."""
    digits = max(0, len(str(number)) - 2)
    return f"{-(-number // 10**digits) * 10**digits:,}"
