"""Who gave whom what, on a terminal: the ballots as a table; abstentions and reasons in lines."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serve_app.cli.fitting import Fitting
from serve_app.cli.session.hearing import Hearing, name_of, seats
from serve_app.cli.terminal import printable

GOOD, BAD = 8, 3
"""Scores from which, and up to which, a colour says so."""
HINT = "Why: --reasons tells it."


def matrix(hearing: Hearing, with_reasons: bool) -> RenderableType:
    """With the hint that there are reasons, or with them."""
    table = _table(hearing)
    lines = [*abstentions(hearing)]
    if with_reasons:
        lines += reasons(hearing)
    elif _has_reasons(hearing):
        table.caption, table.caption_justify = Text(HINT, style="dim"), "left"
    return Group(Fitting(table), *(Text(printable(line)) for line in lines))


def abstentions(hearing: Hearing) -> Iterator[str]:
    """Who gave no vote at all, and why."""
    for judge in _judges(hearing):
        if not hearing.ballots.given.get(judge):
            yield f"{name_of(hearing, judge)} abstains: {hearing.ballots.why_not(judge)}"


def reasons(hearing: Hearing) -> Iterator[str]:
    """By which labels the judges speak of whom; a line a vote, and what the judge wrote where no
    vote has a reason of its own; and what of a ballot does not count."""
    if labels := sorted((label, seat) for seat, label in hearing.ballots.labels.items()):
        told = ", ".join(f"{label} = {name_of(hearing, seat)}" for label, seat in labels)
        yield f"The judges saw the answers without names: {told}."
    for judge in _judges(hearing):
        votes = hearing.ballots.given.get(judge) or {}
        words = hearing.ballots.words.get(judge)
        if words and not any(vote.get("reasoning") for vote in votes.values()):
            yield f"{name_of(hearing, judge)}, in its own words: {_one_line(words)}"
        else:
            yield from _votes(hearing, judge, votes)
        if votes and judge in hearing.ballots.refused:
            why = hearing.ballots.why_not(judge)
            yield f"Of {name_of(hearing, judge)}'s ballot does not count: {why}"


def _votes(hearing: Hearing, judge: str, votes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for seat, vote in votes.items():
        why = _one_line(vote.get("reasoning") or "no reason given")
        judged = name_of(hearing, seat)
        yield f"{name_of(hearing, judge)} gave {judged} {vote['score']} of 10: {why}"


def _has_reasons(hearing: Hearing) -> bool:
    given = hearing.ballots.given.values()
    reasoned = any(vote.get("reasoning") for votes in given for vote in votes.values())
    return reasoned or any(hearing.ballots.words.values())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(hearing: Hearing) -> Table:
    table = Table(title="Who gave whom what", title_justify="left", title_style="bold")
    table.add_column("Judge")
    judged = seats(hearing)
    for seat in judged:
        table.add_column(Text(printable(name_of(hearing, seat))), justify="right")
    for judge in _judges(hearing):
        cells = [_cell(hearing, judge, seat) for seat in judged]
        table.add_row(Text(printable(name_of(hearing, judge))), *cells)
    return table


def _cell(hearing: Hearing, judge: str, seat: str) -> Text:
    if judge == seat:
        return Text("")
    vote = (hearing.ballots.given.get(judge) or {}).get(seat)
    if vote is None:
        return Text("no vote", style="dim")
    score = int(vote["score"])
    return Text(str(score), style="green" if score >= GOOD else "red" if score <= BAD else "")


def _judges(hearing: Hearing) -> list[str]:
    return [seat for seat in seats(hearing) if seat in hearing.ballots.judges]
