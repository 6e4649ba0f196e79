"""The ranking on a terminal: places with how sure they are, points, mean scores, and a sentence."""

from typing import Any

from rich.table import Table
from rich.text import Text

from serve_app.cli.session.hearing import Hearing
from serve_app.cli.terminal import printable


def table(hearing: Hearing) -> Table:
    """Places go by points, each judge's severity taken out; the mean score is for reading. Below
    it, in a sentence, how far the judges agree."""
    agreed = Text(printable(hearing.agreement))
    drawn = Table(title="Scores", title_justify="left", title_style="bold", caption=agreed)
    drawn.caption_justify = "left"
    for column in ("Place", "Seat", "Points", "Mean", "Votes"):
        drawn.add_column(column, justify="left" if column == "Seat" else "right")
    for line in hearing.ranking:
        mean = f"{line['mean_score']:.1f}" if line["votes"] else "–"
        points, votes = f"{line.get('points', 0):.2f}", str(line["votes"])
        drawn.add_row(place(line), Text(printable(line["name"])), points, mean, votes)
    return drawn


def plain(hearing: Hearing) -> str:
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
