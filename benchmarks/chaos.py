"""What is lost when anything may be killed at any time: SIGKILLs under load, on simulated PCs.

    .venv/bin/python -m benchmarks.chaos [--kills 200] [--councils 100] [--seed 1]

PC1, PC2 and PC3 are network namespaces (root) with the real `./council up` and `join`; the model
servers are fakes that remember every call. Ends with exit code 1 if any promise was broken.
"""

import argparse
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.cluster import chaos
from tests.cluster.hosts import Lan, why_not
from tests.cluster.testbed import Testbed
from tests.cluster.verdicts import Verdict


def played(plan: chaos.Plan) -> tuple[Verdict, list[str], float]:
    """The verdict, the processes that were left, and the seconds it took."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ch", dir="/tmp")))
        if reason := why_not(folder / "probe"):
            sys.exit(f"Not possible here: {reason}")
        bed = stack.enter_context(closing(Testbed(stack.enter_context(closing(Lan(folder))))))
        began = time.monotonic()
        verdict = chaos.run(bed, plan)
        return verdict, bed.leave(), time.monotonic() - began


def report(verdict: Verdict, left: list[str], took_s: float) -> Table:
    table = Table(title=f"{verdict.kills} kills in {took_s:.0f} s", show_header=False)
    repeats = ", ".join(f"{kind} {n}" for kind, n in verdict.repeats_by.items()) or "none"
    for name, value in (
        ("councils accepted / complete / degraded", f"{verdict.councils} / {verdict.complete} / "
         f"{verdict.degraded}"),
        ("model calls", f"{verdict.calls}"),
        ("repeated, in all and a kill", f"{verdict.repeated}, "
         f"{verdict.repeated / max(1, verdict.kills):.2f}"),
        ("repeated after which kill", repeats),
        ("POSTs sent again, streams resumed", f"{verdict.retried_posts}, {verdict.reconnects}"),
        ("a council: median, longest", f"{verdict.median_s:.1f} s, {verdict.longest_s:.1f} s"),
        ("processes left at the end", f"{len(left)}"),
        ("broken promises", f"{len(verdict.broken)}"),
    ):  # fmt: skip
        table.add_row(name, value)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--councils", type=int, default=100)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=list(chaos.KINDS), default=list(chaos.KINDS))
    chosen = parser.parse_args()
    plan = chaos.Plan(
        chosen.kills, chosen.councils, chosen.clients, chosen.seed, kinds=tuple(chosen.only)
    )
    verdict, left, took_s = played(plan)
    console = Console(width=110)
    console.print(report(verdict, left, took_s))
    for sentence in (*verdict.broken, *left):
        console.print(f"  {sentence}", markup=False)
    sys.exit(1 if verdict.broken or left else 0)


if __name__ == "__main__":
    main()
