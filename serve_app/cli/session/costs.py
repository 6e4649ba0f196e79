"""What a session took, on a terminal: its tokens by stage and model, its times by stage."""

from typing import Any

from rich.table import Table
from rich.text import Text

from serve_app.cli.terminal import printable

STAGES = ("stage1_opinions", "stage2_review", "revision", "stage3_synthesis", "guard")
"""As a session's tokens and times have them, in the order of the session."""
INDENT = "  "


def table(session: dict[str, Any]) -> Table:
    drawn = Table(title="Tokens and times", title_justify="left", title_style="bold")
    for column in ("Stage", "Prompt", "Completion", "Tokens", "Time"):
        drawn.add_column(column, justify="left" if column == "Stage" else "right")
    for name, *numbers in rows(session):
        of_model = name.startswith(INDENT)
        style = "bold" if name == "Total" else "dim" if of_model else None
        drawn.add_row(Text(printable(name)), *numbers, style=style)
    return drawn


def plain(session: dict[str, Any]) -> str:
    return "\n".join(
        f"{name}: {total} tokens ({prompt} prompt + {completion} completion)"
        + (f", {seconds}" if seconds else "")
        for name, prompt, completion, total, seconds in rows(session)
    )


def rows(session: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """(stage, prompt, completion, total tokens, wall time) for each stage held, and all. Under a
    stage of several models a row each, indented, without a time: they ran beside each other."""
    usage, latency = session["token_usage"], session["latency_stats"]
    found = []
    for stage in STAGES:
        tokens, times = usage.get(stage), latency.get(stage)
        if tokens and times:
            name = stage.rpartition("_")[2].capitalize()
            found.append(_row(name, tokens, "total_", times["total_duration_ms"]))
            if len(models := tokens["by_model"]) > 1:
                found += [_row(INDENT + model, used, "") for model, used in models.items()]
    return [*found, _row("Total", usage, "total_", latency["total_duration_ms"])]


def _row(
    name: str, tokens: dict[str, Any], prefix: str, ms: int | None = None
) -> tuple[str, str, str, str, str]:
    prompt, completion = tokens[f"{prefix}prompt_tokens"], tokens[f"{prefix}completion_tokens"]
    time = "" if ms is None else f"{ms / 1000:.1f} s"
    return (name, f"{prompt:,}", f"{completion:,}", f"{prompt + completion:,}", time)
