"""Commands that look after what is kept: secrets, sessions."""

from pathlib import Path
from typing import Annotated

import typer

from serve_app.cli.commands import keys
from serve_app.cli.commands.options import settings_of
from serve_app.cli.terminal import say

PANEL = "Upkeep"
"""The heading in the help."""

group = typer.Typer()
group.add_typer(keys.group, name="key", rich_help_panel=PANEL)


@group.command(rich_help_panel=PANEL)
def token() -> None:
    """Make the token that lets PCs in, if there is none, and say where it is (for ray up)."""
    from cluster.secret_files import TOKEN, secret

    home = settings_of().home
    secret(home, TOKEN)
    say(f"The token is in {home / TOKEN}")


@group.command(rich_help_panel=PANEL)
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Copy all sessions into a file, whole at one moment, while the council runs or not."""
    from serve_app.cli import backup as command

    command.backup(settings_of(), file, force)


@group.command(rich_help_panel=PANEL)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What backup made.")],
) -> None:
    """Put such a copy back. What is there now is kept beside it.

    Only while no council runs here: ./council down
    """
    from serve_app.cli import backup as command

    command.restore(settings_of(), file)


@group.command(rich_help_panel=PANEL)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this PC and the council that runs, and say how to mend what is wrong.

    Changes nothing. Exit code 0 if there is no fault (warnings are none), else 1.
    """
    from serve_app.cli.doctor import rounds

    raise typer.Exit(rounds.go(settings_of(), as_json))
