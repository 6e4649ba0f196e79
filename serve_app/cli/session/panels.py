"""One seat in one stage of a session, as a panel on a terminal."""

from collections.abc import Collection, Iterator

from rich.cells import cell_len
from rich.panel import Panel
from rich.text import Text

from serve_app.cli.session.voice import Voice
from serve_app.cli.terminal import out, printable

COLOURS = {
    "waiting": "dim",
    "asked": "cyan",
    "thinking": "cyan",
    "speaking": "cyan",
    "done": "green",
    "absent": "red",
    "stopped": "red",
}
BORDER = 6
"""Columns of a panel's edge that no text of it can have."""


def panel(
    voice: Voice, width: int, lines: int | None = None, loading: Collection[str] = ()
) -> Panel:
    """One seat, `width` columns wide; its last `lines` lines. The facts stand in the lower edge
    where it has room for them."""
    text = printable(voice.text).strip()
    if lines is not None:
        rows = Text(text).wrap(out, max(1, width - 4))
        text = "\n".join(row.plain for row in rows[-lines:])
    body = Text(text or doing(voice, loading), no_wrap=lines is not None)
    if voice.detail:
        body.append(f"\n{printable(voice.detail)}".strip("\n"), style="red")
    told = " · ".join(facts(voice))
    fits = lines is not None or cell_len(told) <= width - BORDER
    if not fits:
        body.append(f"\n{told}".lstrip("\n"), style="dim")
    return Panel(
        body, title=Text(heading(voice)), title_align="left", border_style=COLOURS[voice.state],
        subtitle=Text(told) if told and fits else None, subtitle_align="right",
    )  # fmt: skip


def heading(voice: Voice) -> str:
    """Who speaks, and where."""
    return " · ".join(printable(part) for part in (voice.name, voice.model, voice.node) if part)


def doing(voice: Voice, loading: Collection[str] = ()) -> str:
    """What a seat does that has written nothing; `loading`: models that PCs load now."""
    if voice.state in ("absent", "done"):
        return ""
    if voice.state == "waiting" and voice.model in loading:
        return f"loading {printable(voice.model)} …"
    return voice.state if voice.state == "stopped" else f"{voice.state} …"


def facts(voice: Voice) -> Iterator[str]:
    """How much and how fast, and what was out of the ordinary."""
    if voice.state == "stopped" and voice.text:
        yield "stopped"
    if voice.state == "done" and voice.tokens:
        yield f"{voice.tokens:,} tokens"
    if voice.speed:
        yield (
            f"{voice.speed:.1f} tokens/s"
            if voice.state == "done"
            else (f"about {voice.speed:.0f} tokens/s")
        )
    if voice.cached:
        yield "from the cache" + (f", {voice.saved:,} tokens saved" if voice.saved else "")
    if voice.truncated:
        yield "cut at the output limit"
    if voice.again:
        yield printable(voice.again)
