"""Commands that look after what is kept: secrets, sessions."""

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
