"""How a session looks on a terminal: panels while it speaks, then what came of it.

Everything a model wrote goes through `printable`, and into `Text`: it is never markup.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.markdown import Markdown
from rich.spinner import Spinner
from rich.text import Text

from actors.council.telling.cost import energy
from actors.council.telling.provenance import provenance
from serve_app.cli.fitting import Fitting
from serve_app.cli.session import costs, scores
from serve_app.cli.session.hearing import Hearing, loads, of_stage
from serve_app.cli.session.matrix import matrix
from serve_app.cli.session.panels import panel
from serve_app.cli.terminal import out, printable, prose, say

TITLES = {
    "opinions": "1 Opinions",
    "review": "2 Reviews",
    "revision": "Revisions",
    "synthesis": "3 Synthesis",
    "guard": "Guard: the synthesis against the best opinion",
}


def live(hearing: Hearing, size: ConsoleDimensions) -> RenderableType:
    """The running stage, cut so that it fits a terminal of that size."""
    title = TITLES.get(hearing.stage)
    if hearing.closed is not None:
        return Text("")
    if hearing.queue is not None and not loads(hearing):
        return Spinner("dots", Text(queued(hearing.queue)))
    if title is None:
        return Spinner("dots", Text("The council gathers …"))
    voices = of_stage(hearing, hearing.stage)
    lines = max(1, (size.height - 3) // max(1, len(voices)) - 2)
    panels = [panel(voice, size.width, lines, hearing.loading) for voice in voices]
    ended = sum(voice.state in ("done", "absent") for voice in voices)
    count = f" {ended}/{len(voices)}" if len(voices) > 1 else ""
    queue = hearing.queue
    place = f" · {queued(queue)}" if queue and queue["place"] > 1 else ""
    return Group(Spinner("dots", Text(title + count + place, style="bold")), *panels)


def queued(queue: dict[str, Any]) -> str:
    """`Queued: 3rd, about 40 s`."""
    place, eta_s = int(queue["place"]), round(queue["eta_s"])
    teen = 10 <= place % 100 <= 20
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"Queued: {place}{ending}" + (f", about {eta_s} s" if eta_s else "")


def finished(hearing: Hearing, reasons: bool = False) -> Iterator[tuple[str, RenderableType]]:
    """What will not change any more, each under a name: the stages that are over, the scores; the
    judges' `reasons` if they are wanted."""
    beyond = ("revision", "synthesis", "guard", "complete", "error")
    over = hearing.ranking or hearing.stage in ("review", *beyond)
    if over and of_stage(hearing, "opinions"):
        yield "opinions", stage_end(hearing, "opinions")
    if (hearing.ranking or hearing.stage in beyond) and hearing.ballots.judges:
        yield "review", matrix(hearing, reasons)
    if hearing.ranking:
        yield "scores", Fitting(scores.table(hearing))
    if hearing.stage in beyond[1:] and of_stage(hearing, "revision"):
        yield "revision", stage_end(hearing, "revision")
    if hearing.closed is not None and of_stage(hearing, "guard"):
        yield "guard", stage_end(hearing, "guard")


def stage_end(hearing: Hearing, stage: str) -> RenderableType:
    """What stays on the screen of a stage that is over."""
    title = Text(TITLES[stage], style="bold")
    return Group(title, *(panel(voice, out.width) for voice in of_stage(hearing, stage)))


def print_end(session: dict[str, Any], rich: bool, reasons: bool = False) -> None:
    """The answer, then what was amiss (the notices tell of absences too), then tokens and times.
    With `reasons`, the synthesis too that the guard put aside."""
    answer = session.get("final_answer")
    if answer:
        names = {agent["agent_id"]: agent["name"] for agent in session.get("agents") or ()}
        _print_answer(answer, names, rich)
        lost = (answer["guard"] or {}).get("synthesis")
        if reasons and lost:
            _print_text("The synthesis that lost", lost, rich)
    for detail in dict.fromkeys(notice["detail"] for notice in session.get("notices") or ()):
        prose(f"Note: {detail}")
    say("")
    if rich:
        out.print(Fitting(costs.table(session)))
    else:
        say(costs.plain(session))
    if saved := session["token_usage"].get("saved_tokens"):
        say(f"Saved by the cache: {saved:,} tokens")
    if cloud := session.get("cloud_cost"):
        prose(cloud["sentence"])
    if (joules := session.get("joules")) is not None:
        prose(energy(joules))


def _print_answer(answer: dict[str, Any], names: dict[str, str], rich: bool) -> None:
    _print_text("Answer", answer["content"], rich)
    prose(f"\n({' '.join(provenance(answer, names))})")


def _print_text(title: str, text: str, rich: bool) -> None:
    if rich:
        say(f"\n{title}", style="bold green")
        out.print(Markdown(printable(text), hyperlinks=False))
    else:
        say(f"\n# {title}\n\n{text}")
