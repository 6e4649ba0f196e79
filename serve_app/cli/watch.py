"""`./council watch`: the council at a glance, over and over."""

import time

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from serve_app.cli.client import Client
from serve_app.cli.status import overview
from serve_app.cli.terminal import Stop, out, rich_wanted

BELOW = 2
"""Lines under what is watched."""


def watch(client: Client, every_s: float) -> None:
    """Until Ctrl-C. In a pipe, or where nothing but text can be shown: once."""
    if not rich_wanted():
        out.print(overview(client))
        return
    with Live(Screen(overview(client)), console=out, auto_refresh=False, screen=True) as display:
        try:
            while True:
                display.update(Screen(now(client)), refresh=True)
                time.sleep(every_s)
        except KeyboardInterrupt:
            return


def now(client: Client) -> RenderableType:
    """The overview; or why there is none just now: the council may be starting again."""
    try:
        return overview(client)
    except Stop as stop:
        return Text("\n".join(stop.lines), style="red")


class Screen:
    """As much as the terminal has lines for, and how many are missing."""

    def __init__(self, shown: RenderableType) -> None:
        self.shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.shown, options.update(height=None), pad=False)
        room = max(1, console.size.height - BELOW)
        for line in lines[:room]:
            yield from line
            yield Segment.line()
        hidden = len(lines) - room
        more = f"{hidden} more lines: ./council status" if hidden > 0 else ""
        yield Text(f"{more}\nCtrl-C ends this.", style="dim", end="")
