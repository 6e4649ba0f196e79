"""How the result looks: a table for the terminal, Markdown, JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from serve_app.bench.contestants import Contestant
from serve_app.bench.recommendation import Advice
from serve_app.bench.statistics import paired, wilson

COLUMNS = ("Contestant", "Right", "Accuracy (95 %)", "Tokens", "Seconds", "Joules", "p")
NOTES = (
    "Tokens, seconds and joules are a question's, on average. A seat alone: its opinion, without"
    " the wait for the other seats; best of N: opinions and reviews; council: all of it.",
    "p: each against the best single seat on the same questions (McNemar, exact, two-sided; not"
    " corrected for several comparisons).",
)
ENERGY_NOTE = (
    "Joules: the processor of the PC where this command ran, with all else that ran on it. Other"
    " PCs and graphics cards are not in it."
)
NO_ENERGY_NOTE = "Joules are not known: this PC's system does not tell them to this user."


@dataclass(frozen=True)
class Results:
    """`left_out`: questions without a verdict; `failures`: error code → sessions."""

    name: str
    contestants: tuple[Contestant, ...]
    advice: Advice
    asked: int
    left_out: int
    failures: dict[str, int]

    @property
    def has_energy(self) -> bool:
        return any(one.joules is not None for one in self.contestants)


def table(results: Results) -> Table:
    drawn = Table(title=f"{results.name}: {results.asked} questions", title_justify="left")
    drawn.title_style = "bold"
    for column in COLUMNS:
        drawn.add_column(column, justify="left" if column == "Contestant" else "right")
    for one in results.contestants:
        style = "bold" if one == results.advice.smallest and results.advice.enough else None
        shown = (Text(cell) for cell in cells(one, results.advice.best_seat))
        drawn.add_row(*shown, style=style)
    return drawn


def cells(one: Contestant, seat: Contestant | None) -> tuple[str, ...]:
    sure = wilson(one.correct, one.asked)
    return (
        one.title,
        f"{one.correct}/{one.asked}",
        f"{_percent(one.accuracy)} % ({_percent(sure.low)}–{_percent(sure.high)})",
        f"{one.tokens:,.0f}",
        f"{one.seconds:.1f}",
        "–" if one.joules is None else f"{one.joules:,.0f}",
        _p(one, seat),
    )


def notes(results: Results) -> tuple[str, ...]:
    """What one must know to read the table."""
    found = [*NOTES, ENERGY_NOTE if results.has_energy else NO_ENERGY_NOTE]
    if results.failures:
        told = ", ".join(f"{code} ({n})" for code, n in sorted(results.failures.items()))
        found.append(f"Sessions that failed, counted as wrong: {told}.")
    if results.left_out:
        found.append(f"{results.left_out} questions left out: the judge gave no verdict.")
    return tuple(found)


def markdown(results: Results, plotted: bool) -> str:
    seat = results.advice.best_seat
    rows = [COLUMNS, tuple("---" if n == 0 else "--:" for n in range(len(COLUMNS)))]
    rows += [tuple(map(_escaped, cells(one, seat))) for one in results.contestants]
    lines = [f"# {_escaped(results.name)}: {results.asked} questions", ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *(f"* {_escaped(sentence)}" for sentence in results.advice.sentences), ""]
    lines += [f"{_escaped(note)}\n" for note in notes(results)]
    return "\n".join(
        [*lines, *(["![Accuracy against seconds](accuracy.svg)", ""] if plotted else [])]
    )


def as_json(results: Results) -> dict[str, Any]:
    advice = results.advice
    return {
        "name": results.name,
        "asked": results.asked,
        "left_out": results.left_out,
        "failures": results.failures,
        "contestants": [_as_json(one, advice.best_seat) for one in results.contestants],
        "best": advice.best.title,
        "best_seat": advice.best_seat.title if advice.best_seat else None,
        "smallest_useful": advice.smallest.title,
        "enough_questions": advice.enough,
        "advice": list(advice.sentences),
        "notes": list(notes(results)),
    }


def _as_json(one: Contestant, seat: Contestant | None) -> dict[str, Any]:
    sure = wilson(one.correct, one.asked)
    pair = paired(one.marks, seat.marks) if seat and one != seat else None
    return {
        "kind": one.kind,
        "name": one.name,
        "model": one.model or None,
        "correct": one.correct,
        "asked": one.asked,
        "accuracy": one.accuracy,
        "interval": [sure.low, sure.high],
        "tokens": one.tokens,
        "seconds": one.seconds,
        "joules": one.joules,
        "against_best_seat": pair and {"wins": pair.wins, "losses": pair.losses, "p": pair.p},
        "marks": dict(one.marks),
    }


def _p(one: Contestant, seat: Contestant | None) -> str:
    if seat is None or one == seat:
        return "–"
    p = paired(one.marks, seat.marks).p
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _escaped(text: str) -> str:
    """For Markdown: names come from whoever asked."""
    return "".join(f"\\{sign}" if sign in "|*_`<[]\\" else sign for sign in text)


def ordered(found: Sequence[Contestant]) -> tuple[Contestant, ...]:
    """Seats, then the best of N, then the council; as they came within each."""
    return tuple(sorted(found, key=lambda one: ("seat", "best", "council").index(one.kind)))
