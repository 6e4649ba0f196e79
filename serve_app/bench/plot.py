"""The picture: how often right, with its interval, against seconds a question."""

from pathlib import Path

from serve_app.bench.report import Results
from serve_app.bench.statistics import wilson

MARKERS = {"seat": "o", "best": "s", "council": "D"}
NAMES = ("accuracy.svg", "accuracy.png")


def plot(results: Results, folder: Path) -> tuple[Path, ...]:
    """Writes the picture as SVG and PNG. Raises ImportError where matplotlib is not installed."""
    from matplotlib.figure import Figure  # by itself it draws with Agg and needs no screen

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for one in results.contestants:
        sure = wilson(one.correct, one.asked)
        low, high = 100 * (one.accuracy - sure.low), 100 * (sure.high - one.accuracy)
        axes.errorbar(
            one.seconds, 100 * one.accuracy, yerr=[[max(0.0, low)], [max(0.0, high)]],
            fmt=MARKERS[one.kind], capsize=3, label=_literal(one.title),
        )  # fmt: skip
    axes.set_xlabel("seconds a question")
    axes.set_ylabel("right, % (95 % interval)")
    axes.set_ylim(0, 100)
    axes.set_xlim(left=0)
    axes.set_title(_literal(f"{results.name}: {results.asked} questions"))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    files = tuple(folder / name for name in NAMES)
    for file in files:
        figure.savefig(file)
    return files


def _literal(text: str) -> str:
    """A dollar sign would begin a formula."""
    return text.replace("$", r"\$")
