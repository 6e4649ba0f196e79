"""`./council key …`: who may use the HTTP API from another PC."""

from typing import Annotated

import typer

from serve_app.cli import proposals
from serve_app.cli.commands.options import settings_of

group = typer.Typer(
    no_args_is_help=True,
    help="""Keys that open the HTTP API: list, new, revoke, rotate.

    A council that listens on the LAN (./council up --lan) answers nobody without a key. Give every
    client its own, so that you can end one without the others. Changes count at once, without a
    restart; streams that are open go on.
    """,
)


@group.command("list")
def list_keys() -> None:
    """Which keys open, by id and name; the keys themselves are kept nowhere."""
    from serve_app.cli import key

    key.show(settings_of().home)


@group.command()
def new(
    name: Annotated[
        str, typer.Option(help="What it is for, so that you know it again.")
    ] = "client",
) -> None:
    """Make a key and print it, once. Like: ./council key new --name phone"""
    from serve_app.cli import key

    key.new(settings_of().home, name)


@group.command()
def revoke(
    key_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="As ./council key list has it.", autocompletion=proposals.keys
        ),
    ],
) -> None:
    """End a key: it opens nothing from now on."""
    from serve_app.cli import key

    key.revoke(settings_of().home, key_id)


@group.command()
def rotate(
    grace: Annotated[
        float,
        typer.Option(metavar="MINUTES", min=0, max=10_080, help="The old one opens that long yet."),
    ] = 0,
) -> None:
    """Give this PC's own commands a new key. The one they had ends at once, or after --grace."""
    from serve_app.cli import key

    key.rotate(settings_of().home, grace)
