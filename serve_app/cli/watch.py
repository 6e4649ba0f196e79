"""`./council watch`: the council at a glance, over and over."""

import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from serve_app.cli.client import Client
from serve_app.cli.status import overview
from serve_app.cli.terminal import Stop, out, rich_wanted


def watch(client: Client, every_s: float) -> None:
    """Until Ctrl-C. In a pipe: once."""
    if not rich_wanted():
        out.print(overview(client))
        return
    with Live(overview(client), console=out, auto_refresh=False, screen=True) as display:
        try:
            while True:
                display.update(_now(client), refresh=True)
                time.sleep(every_s)
        except KeyboardInterrupt:
            return


def _now(client: Client) -> RenderableType:
    """The overview; or why there is none just now: the council may be starting again."""
    try:
        shown = overview(client)
    except Stop as stop:
        shown = Text("\n".join(stop.lines), style="red")
    return Group(shown, Text("\nCtrl-C ends this.", style="dim"))
