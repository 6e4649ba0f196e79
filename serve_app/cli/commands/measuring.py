"""Commands that measure the council as it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serve_app.cli import proposals
from serve_app.cli.commands.options import Chairman, Seats, settings_of

PANEL = "Questions"
"""The heading in the help."""

group = typer.Typer()


class Mode(StrEnum):
    """`actors.messages.procedure.Mode`, in the one form that may be repeated on a command line."""

    FAST = "fast"
    STANDARD = "standard"
    THOROUGH = "thorough"


@group.command(rich_help_panel=PANEL)
def bench(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Your questions; without it, those that come with the council.",
            autocompletion=proposals.files,
        ),
    ] = None,
    mode: Annotated[
        list[Mode] | None,
        typer.Option(help="How the council works; repeat it. Without it: fast and standard."),
    ] = None,
    agent: Seats = None,
    chairman: Chairman = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="The model that decides items with a judge (default the chairman's).",
            autocompletion=proposals.models,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many questions.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results (default in COUNCIL_HOME/bench).",
            autocompletion=proposals.files,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 4, help="Draws their order.")] = 1,
) -> None:
    """Is the council worth it? Ask it questions whose answers are known.

    Compares each seat alone, the best by the ranking, and the council: how
    often each is right, and at which cost. Goes on where it was stopped.

    FILE is JSONL, a question a line: {"id": "1", "question": "What is 6 × 7?",
    "answers": ["42"]}, or in place of the answers "judge": "<when it is right>".
    """
    from serve_app.cli import bench as command
    from serve_app.cli.client import client_of
    from serve_app.cli.foreground import end_by_sigterm_too

    settings = settings_of()
    modes = tuple(dict.fromkeys(str(one) for one in mode or (Mode.FAST, Mode.STANDARD)))
    wanted = command.Wanted(
        file, modes, tuple(agent or ()), chairman, judge, limit, out, seed
    )  # fmt: skip
    end_by_sigterm_too()
    raise typer.Exit(command.bench(client_of(settings), wanted, settings.home))
