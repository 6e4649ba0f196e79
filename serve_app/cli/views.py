"""How a session looks on a terminal: panels while it speaks, then scores, answer, tokens, times.

Everything a model wrote goes through `printable`, and into `Text`: it is never markup.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from actors.council.telling.cost import energy
from serve_app.cli.fitting import Fitting
from serve_app.cli.hearing import Hearing, Voice, of_stage
from serve_app.cli.provenance import provenance
from serve_app.cli.terminal import out, printable, say

TITLES = {
    "opinions": "1 Opinions",
    "review": "2 Reviews",
    "revision": "Revisions",
    "synthesis": "3 Synthesis",
    "guard": "Guard: the synthesis against the best opinion",
}
STAGES = ("stage1_opinions", "stage2_review", "revision", "stage3_synthesis", "guard")
"""As a session's tokens and times have them, in the order of the session."""
COLOURS = {"waiting": "dim", "asked": "cyan", "speaking": "cyan", "done": "green", "absent": "red"}


def live(hearing: Hearing, size: ConsoleDimensions) -> RenderableType:
    """The running stage, cut so that it fits a terminal of that size."""
    title = TITLES.get(hearing.stage)
    if hearing.closed is not None:
        return Text("")
    if hearing.queue is not None:
        return Spinner("dots", Text(queued(hearing.queue)))
    if title is None:
        return Spinner("dots", Text("The council gathers …"))
    voices = of_stage(hearing, hearing.stage)
    lines = max(1, (size.height - 3) // max(1, len(voices)) - 2)
    panels = [panel(voice, lines, size.width - 4) for voice in voices]
    return Group(Spinner("dots", Text(title, style="bold")), *panels)


def queued(queue: dict[str, Any]) -> str:
    """`Queued: 3rd, about 40 s`."""
    place, eta_s = int(queue["place"]), round(queue["eta_s"])
    teen = 10 <= place % 100 <= 20
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"Queued: {place}{ending}" + (f", about {eta_s} s" if eta_s else "")


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


def finished(hearing: Hearing) -> Iterator[tuple[str, RenderableType]]:
    """What will not change any more, each under a name: the stages that are over, the scores."""
    beyond = ("revision", "synthesis", "guard", "complete", "error")
    over = hearing.ranking or hearing.stage in ("review", *beyond)
    if over and of_stage(hearing, "opinions"):
        yield "opinions", stage_end(hearing, "opinions")
    if (hearing.ranking or hearing.stage in beyond) and of_stage(hearing, "review"):
        yield "review", stage_end(hearing, "review")
    if hearing.ranking:
        yield "scores", Fitting(scores(hearing))
    if hearing.stage in beyond[1:] and of_stage(hearing, "revision"):
        yield "revision", stage_end(hearing, "revision")
    if hearing.closed is not None and of_stage(hearing, "guard"):
        yield "guard", stage_end(hearing, "guard")


def stage_end(hearing: Hearing, stage: str) -> RenderableType:
    """What stays on the screen of a stage that is over."""
    title = Text(TITLES[stage], style="bold")
    return Group(title, *(panel(voice) for voice in of_stage(hearing, stage)))


def scores(hearing: Hearing) -> Table:
    """Places go by points, each judge's severity taken out; the mean score is for reading. Below
    it, in a sentence, how far the judges agree."""
    agreed = Text(printable(hearing.agreement))
    table = Table(title="Scores", title_justify="left", title_style="bold", caption=agreed)
    table.caption_justify = "left"
    for column in ("Place", "Seat", "Points", "Mean", "Votes"):
        table.add_column(column, justify="left" if column == "Seat" else "right")
    for line in hearing.ranking:
        mean = f"{line['mean_score']:.1f}" if line["votes"] else "–"
        points, votes = f"{line.get('points', 0):.2f}", str(line["votes"])
        table.add_row(place(line), Text(printable(line["name"])), points, mean, votes)
    return table


def plain_scores(hearing: Hearing) -> str:
    """The same in lines, for a pipe."""
    lines = [
        f"{place(line)}. {line['name']}: {line.get('points', 0):.2f} points{_mean(line, hearing)}"
        for line in hearing.ranking
    ]
    return "\n".join([*lines, *([hearing.agreement] if hearing.agreement else [])])


def _mean(line: dict[str, Any], hearing: Hearing) -> str:
    if hearing.method == "consensus":
        return ", by how much it agrees with the others"
    return f", mean {line['mean_score']:.1f} of 10 from {line['votes']} votes"


def place(line: dict[str, Any]) -> str:
    """`2`, or with the places that it may as well have: `2 (1–3)`."""
    sure = line.get("interval")
    if not sure or sure["best"] == sure["worst"]:
        return str(line["place"])
    return f"{line['place']} ({sure['best']}–{sure['worst']})"


def print_end(session: dict[str, Any], rich: bool) -> None:
    """The answer, then what was amiss (the notices tell of absences too), then tokens and times."""
    answer = session.get("final_answer")
    if answer:
        names = {agent["agent_id"]: agent["name"] for agent in session.get("agents") or ()}
        _print_answer(answer, names, rich)
    for detail in dict.fromkeys(notice["detail"] for notice in session.get("notices") or ()):
        say(f"Note: {detail}")
    say("")
    if rich:
        out.print(Fitting(costs(session)))
    else:
        say(plain_costs(session))
    if saved := session["token_usage"].get("saved_tokens"):
        say(f"Saved by the cache: {saved:,} tokens")
    if cloud := session.get("cloud_cost"):
        say(cloud["sentence"])
    if (joules := session.get("joules")) is not None:
        say(energy(joules))


def _print_answer(answer: dict[str, Any], names: dict[str, str], rich: bool) -> None:
    if rich:
        say("\nAnswer", style="bold green")
        out.print(Markdown(printable(answer["content"]), hyperlinks=False))
    else:
        say(f"\n# Answer\n\n{answer['content']}")
    say(f"\n({' '.join(provenance(answer, names))})")


def costs(session: dict[str, Any]) -> Table:
    table = Table(title="Tokens and times", title_justify="left", title_style="bold")
    for column in ("Stage", "Prompt", "Completion", "Tokens", "Time"):
        table.add_column(column, justify="left" if column == "Stage" else "right")
    for row in cost_rows(session):
        table.add_row(*row, style="bold" if row[0] == "Total" else None)
    return table


def plain_costs(session: dict[str, Any]) -> str:
    return "\n".join(
        f"{stage}: {total} tokens ({prompt} prompt + {completion} completion), {seconds}"
        for stage, prompt, completion, total, seconds in cost_rows(session)
    )


def cost_rows(session: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """(stage, prompt, completion, total tokens, wall time) for each stage held, and all."""
    usage, latency = session["token_usage"], session["latency_stats"]
    rows = []
    for stage in STAGES:
        tokens, times = usage.get(stage), latency.get(stage)
        if tokens and times:
            name = stage.rpartition("_")[2].capitalize()
            rows.append(_row(name, tokens, times["total_duration_ms"]))
    return [*rows, _row("Total", usage, latency["total_duration_ms"])]


def _row(name: str, tokens: dict[str, Any], ms: int) -> tuple[str, str, str, str, str]:
    counts = [
        f"{tokens[f'total_{kind}']:,}" for kind in ("prompt_tokens", "completion_tokens", "tokens")
    ]
    return (name, counts[0], counts[1], counts[2], f"{ms / 1000:.1f} s")
