"""Commands that look after what is kept: secrets, sessions."""

from pathlib import Path
from typing import Annotated

import typer

from serve_app.cli import proposals
from serve_app.cli.commands import keys
from serve_app.cli.commands.options import settings_of
from serve_app.cli.shells import Shell
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
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Where the copy goes.", autocompletion=proposals.files),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Copy all sessions into a file, whole at one moment, while the council runs or not."""
    from serve_app.cli import backup as command

    command.backup(settings_of(), file, force)


@group.command(rich_help_panel=PANEL)
def restore(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What backup made.", autocompletion=proposals.files),
    ],
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


@group.command(rich_help_panel=PANEL)
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")],
) -> None:
    """Let Tab complete commands, options, models, sessions.

    Prints what your shell has to read. Type one line, then open a new terminal:

    ./council completion bash >> ~/.bashrc

    ./council completion zsh >> ~/.zshrc

    ./council completion fish > ~/.config/fish/completions/council.fish

    Models, sessions and PCs are those of the council that runs here.
    """
    from serve_app.cli.commands.developing import ROOT
    from serve_app.cli.shells import script

    typer.echo(script(shell, ROOT / "council"), nl=False)
