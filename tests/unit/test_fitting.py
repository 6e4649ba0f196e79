"""What fits a terminal: tables, paragraphs in their place, what a seat says while it says it."""

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serve_app.bench import report
from serve_app.bench.contestants import Contestant
from serve_app.bench.recommendation import advise
from serve_app.cli.fitting import Fitting
from serve_app.cli.session.panels import panel
from serve_app.cli.session.voice import Voice


def drawn(what: object, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get().splitlines()


def table() -> Table:
    made = Table(title="Scores", caption=Text("They agree."))
    for header in ("Place", "Seat", ""):
        made.add_column(header)
    made.add_row("1", Text("[/b] Physicist of some length"), "")
    made.add_row("2", "Poet", "pull it")
    return made


def test_a_table_that_fits_is_a_table() -> None:
    assert drawn(Fitting(table()), 60) == drawn(table(), 60)


def test_one_that_does_not_fit_is_a_paragraph_a_row_with_all_that_it_says() -> None:
    lines = drawn(Fitting(table()), 24)
    assert max(map(len, lines)) <= 24
    assert " ".join(" ".join(lines).split()) == (
        "Scores 1 Seat [/b] Physicist of some length 2 Seat Poet · pull it They agree."
    )


@pytest.mark.parametrize("width", [2, 20, 76])
def test_wide_characters_of_a_seat_that_writes_are_wrapped_and_not_cut(width: int) -> None:
    text = "漢字" * 30
    shown = "".join(drawn(panel(Voice("A", "a:1b", text=text), width + 4, 99), width + 4))
    assert shown.count("漢") + shown.count("字") == 60


def test_a_contestants_name_is_no_markup() -> None:
    one = Contestant("seat", "[/b]", "a:1b", {"1": True}, 10.0, 1.0)
    council = Contestant("council", "council", "", {"1": True}, 20.0, 2.0)
    results = report.Results("mine", (one, council), advise((one, council)), 1, 0, {})
    assert any("[/b]" in line for line in drawn(report.table(results), 120))
