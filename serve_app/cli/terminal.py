"""What a user sees: plain words, steps with progress, and what to do next when something fails."""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.text import Text

_PIPE_WIDTH = 1000
"""In a pipe or a file nothing is broken into lines or cut."""


_told = Console(force_terminal=True)
PLAIN = _told.no_color or _told.is_dumb_terminal
"""Whether the terminal can do no more than text (TERM=dumb), or is to show no more (NO_COLOR): then
no control code is sent to it at all."""


def _console(stream: TextIO, stderr: bool) -> Console:
    if not stream.isatty():
        return Console(highlight=False, stderr=stderr, width=_PIPE_WIDTH)
    if not PLAIN:
        return Console(highlight=False, stderr=stderr)
    width = shutil.get_terminal_size().columns
    return Console(
        highlight=False, stderr=stderr, width=width, color_system=None, force_terminal=False
    )


out = _console(sys.stdout, stderr=False)
err = _console(sys.stderr, stderr=True)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Stop(Exception):
    """An expected failure: `Stop(what happened, what to do next, …)`. Printed without traceback."""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(str(argument) for argument in self.args)


def say(text: str, style: str = "") -> None:
    """Plain text to standard output; not broken into lines, so that it can be copied."""
    out.print(Text(printable(text), style=style), soft_wrap=True)


def prose(text: str) -> None:
    """A sentence to standard output: on a terminal its lines end between words."""
    out.print(Text(printable(text)), soft_wrap=not sys.stdout.isatty())


def tell(text: str) -> None:
    """Plain text beside the output: progress, hints."""
    err.print(Text(printable(text)), soft_wrap=True)


def show_stop(what: str, *next_steps: str) -> None:
    err.print(f"[bold red]council:[/] {escape(printable(what))}", soft_wrap=True)
    for step in next_steps:
        tell(f"  {step}")


@contextmanager
def step(doing: str, done: str) -> Iterator[None]:
    """One long step: a spinner with the seconds on a terminal, a line before it elsewhere."""
    began = monotonic()
    if err.is_terminal:
        with err.status(f"{escape(doing)} …"):
            yield
    else:
        tell(f"{doing} …")
        yield
    err.print(f"[green]✓[/] {escape(done)} [dim]({monotonic() - began:.0f} s)[/]", soft_wrap=True)


def note(text: str) -> None:
    err.print(f"[yellow]![/] {escape(printable(text))}", soft_wrap=True)


def printable(text: str) -> str:
    """Without control characters: what a model or a server wrote must not steer the terminal."""
    return _CONTROL.sub("", text)


def rich_wanted() -> bool:
    """A live display: only for a person at a terminal that has not asked for plain text."""
    return out.is_terminal and not PLAIN and sys.stdout.isatty()


def room() -> int | None:
    """How many characters fit into a line; None in a pipe or a file, where any number does."""
    return out.width if sys.stdout.isatty() else None
