"""Who competes: each seat alone, the best of N by the ranking, and the council in each mode."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from serve_app.bench.runs import Run, SeatAsked, Voice

Kind = Literal["seat", "best", "council"]


@dataclass(frozen=True)
class Contestant:
    """`marks`: item → right or not, in the order of the items. Costs are means over the questions
    that were answered; `joules` is None where it is not known."""

    kind: Kind
    name: str
    model: str
    marks: Mapping[str, bool]
    tokens: float
    seconds: float
    joules: float | None = None

    @property
    def asked(self) -> int:
        return len(self.marks)

    @property
    def correct(self) -> int:
        return sum(self.marks.values())

    @property
    def accuracy(self) -> float:
        return self.correct / self.asked if self.asked else 0.0

    @property
    def title(self) -> str:
        return f"{self.name} ({self.model})" if self.model else self.name


def complete(runs: Iterable[Run], modes: Sequence[str]) -> tuple[list[list[Run]], int]:
    """The items that were run in all modes (a list of runs each, in the order of `modes`), and how
    many were left out since a judge gave no verdict."""
    by_item: dict[str, dict[str, Run]] = {}
    for run in runs:
        by_item.setdefault(run.item_id, {})[run.mode] = run
    whole = [[got[mode] for mode in modes] for got in by_item.values() if got.keys() >= set(modes)]
    judged = [item for item in whole if all(run.judged for run in item)]
    return judged, len(whole) - len(judged)


def contestants(items: Sequence[Sequence[Run]], modes: Sequence[str]) -> tuple[Contestant, ...]:
    """`items` as `complete` gives them. Seats by what they said in the first mode."""
    first = [item[0] for item in items]
    found = [_seat(seat, first) for seat in dict.fromkeys(s for run in first for s in run.seats)]
    for n, mode in enumerate(modes):
        runs = [item[n] for item in items]
        if any(run.reviewed for run in runs):
            found.append(_best(runs, mode))
        found.append(_council(runs, mode))
    return tuple(found)


def _seat(seat: SeatAsked, runs: Sequence[Run]) -> Contestant:
    voices = {run.item_id: run.voice(seat.agent_id) for run in runs if seat in run.seats}
    heard = [voice for voice in voices.values() if voice]
    alone = len(runs) > 0 and all(len(run.seats) == 1 for run in runs)
    return Contestant(
        "seat", seat.name, seat.model, {item: _right(voice) for item, voice in voices.items()},
        _mean(voice.tokens for voice in heard), _mean(voice.seconds for voice in heard),
        _joules(runs, ("opinions",)) if alone else None,
    )  # fmt: skip


def _best(runs: Sequence[Run], mode: str) -> Contestant:
    """Where only one opinion came, there was nothing to review: it is the best."""
    chosen = {run.item_id: run.voice(run.best) or _only_voice(run) for run in runs}
    return _together(
        "best", f"best of N, {mode}", {i: _right(voice) for i, voice in chosen.items()}, runs,
        lambda run: run.best_tokens, lambda run: run.best_seconds, ("opinions", "review"),
    )  # fmt: skip


def _council(runs: Sequence[Run], mode: str) -> Contestant:
    return _together(
        "council", f"council, {mode}", {run.item_id: bool(run.correct) for run in runs}, runs,
        lambda run: run.tokens, lambda run: run.seconds, None,
    )  # fmt: skip


def _together(
    kind: Kind,
    name: str,
    marks: Mapping[str, bool],
    runs: Sequence[Run],
    tokens: Callable[[Run], float],
    seconds: Callable[[Run], float],
    stages: Sequence[str] | None,
) -> Contestant:
    return Contestant(
        kind, name, "", marks, _mean(map(tokens, runs)), _mean(map(seconds, runs)),
        _joules(runs, stages),
    )  # fmt: skip


def _only_voice(run: Run) -> Voice | None:
    return run.voices[0] if len(run.voices) == 1 else None


def _right(voice: Voice | None) -> bool:
    return bool(voice and voice.correct)


def _joules(runs: Sequence[Run], stages: Sequence[str] | None) -> float | None:
    """Of these stages (None = all), a question; None where a run's are not known."""
    spent = [run.joules for run in runs if run.joules is not None]
    if len(spent) < len(runs) or not runs:
        return None
    return _mean(sum(j for s, j in one.items() if stages is None or s in stages) for one in spent)


def _mean(values: Iterable[float]) -> float:
    all_values = list(values)
    return sum(all_values) / len(all_values) if all_values else 0.0
