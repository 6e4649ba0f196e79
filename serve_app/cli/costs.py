"""What a session took, on a terminal: its tokens and times by stage."""

from typing import Any

from rich.table import Table

STAGES = ("stage1_opinions", "stage2_review", "revision", "stage3_synthesis", "guard")
"""As a session's tokens and times have them, in the order of the session."""


def table(session: dict[str, Any]) -> Table:
    drawn = Table(title="Tokens and times", title_justify="left", title_style="bold")
    for column in ("Stage", "Prompt", "Completion", "Tokens", "Time"):
        drawn.add_column(column, justify="left" if column == "Stage" else "right")
    for row in rows(session):
        drawn.add_row(*row, style="bold" if row[0] == "Total" else None)
    return drawn


def plain(session: dict[str, Any]) -> str:
    return "\n".join(
        f"{stage}: {total} tokens ({prompt} prompt + {completion} completion), {seconds}"
        for stage, prompt, completion, total, seconds in rows(session)
    )


def rows(session: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """(stage, prompt, completion, total tokens, wall time) for each stage held, and all."""
    usage, latency = session["token_usage"], session["latency_stats"]
    found = []
    for stage in STAGES:
        tokens, times = usage.get(stage), latency.get(stage)
        if tokens and times:
            name = stage.rpartition("_")[2].capitalize()
            found.append(_row(name, tokens, times["total_duration_ms"]))
    return [*found, _row("Total", usage, latency["total_duration_ms"])]


def _row(name: str, tokens: dict[str, Any], ms: int) -> tuple[str, str, str, str, str]:
    counts = [
        f"{tokens[f'total_{kind}']:,}" for kind in ("prompt_tokens", "completion_tokens", "tokens")
    ]
    return (name, counts[0], counts[1], counts[2], f"{ms / 1000:.1f} s")
