"""Commands for those who work on the council itself."""

import platform
import tomllib
from importlib.metadata import version as version_of
from pathlib import Path

import typer

from serve_app.cli.terminal import say

ROOT = Path(__file__).parents[3]

PANEL = "Development"
"""The heading in the help."""

group = typer.Typer()


@group.command(
    "test",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    rich_help_panel=PANEL,
)
def run_tests(context: typer.Context) -> None:
    """Run the tests: all tiers (unit, wire, …), or those that are named.

    What this machine cannot run is SKIPPED, with the reason. Other words go to pytest:
    ./council test unit -k ballot -x
    """
    from serve_app.cli import tiers

    raise typer.Exit(tiers.run(context.args))


@group.command(rich_help_panel=PANEL)
def lint() -> None:
    """Check style and types: ruff, mypy --strict."""
    from serve_app.cli import lint as command

    raise typer.Exit(command.run())


@group.command(rich_help_panel=PANEL)
def version() -> None:
    """The versions that must be the same on all PCs."""
    say(f"LLM Council on Ray {project_version()}")
    say(f"Ray {version_of('ray')}, Python {platform.python_version()}")
    say(f"From {ROOT}")


def project_version() -> str:
    """Of this checkout, as `pyproject.toml` has it."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
