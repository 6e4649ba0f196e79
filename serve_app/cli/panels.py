"""One seat in one stage of a session, as a panel on a terminal."""

from rich.panel import Panel
from rich.text import Text

from serve_app.cli.hearing import Voice
from serve_app.cli.terminal import out, printable

COLOURS = {"waiting": "dim", "asked": "cyan", "speaking": "cyan", "done": "green", "absent": "red"}


def panel(voice: Voice, lines: int | None = None, width: int = 76) -> Panel:
    """One seat; its last `lines` lines of `width` characters."""
    text = printable(voice.text).strip()
    if lines is not None:
        rows = Text(text).wrap(out, max(1, width))
        text = "\n".join(row.plain for row in rows[-lines:])
    body = Text(text or ("" if voice.state == "absent" else "…"), no_wrap=lines is not None)
    if voice.detail:
        body.append(f"\n{printable(voice.detail)}".strip("\n"), style="red")
    return Panel(
        body, title=Text(heading(voice)), title_align="left", border_style=COLOURS[voice.state]
    )


def heading(voice: Voice) -> str:
    parts = (voice.name, voice.model, voice.node, "from the cache" if voice.cached else "")
    return " · ".join(printable(part) for part in parts if part)
