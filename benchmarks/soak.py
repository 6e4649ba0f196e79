"""What grows and who is stuck when it runs on and on: a fault every ten seconds under load.

    .venv/bin/python -m benchmarks.soak [--minutes 10] [--every 10] [--seed 1]

Three simulated PCs as in `benchmarks.chaos` (root). Ends with exit code 1 if a session is stuck or
a promise was broken; memory and file descriptors are shown, for whoever reads them.
"""

import argparse
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from tests.cluster import soak
from tests.cluster.hosts import Lan, why_not
from tests.cluster.testbed import Testbed


def played(plan: soak.Plan) -> tuple[soak.Soak, list[str]]:
    """What came of it, and the processes that were left."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="so", dir="/tmp")))
        if reason := why_not(folder / "probe"):
            sys.exit(f"Not possible here: {reason}")
        bed = stack.enter_context(closing(Testbed(stack.enter_context(closing(Lan(folder))))))
        return soak.run(bed, plan), bed.leave()


def report(found: soak.Soak, minutes: float) -> Table:
    verdict, faults = found.verdict, sum(found.faults.values())
    table = Table(
        title=f"{minutes:g} minutes, {faults} faults, {verdict.councils} councils accepted,"
        f" {verdict.complete} complete, {verdict.degraded} degraded, {len(found.stuck)} stuck"
    )
    for column in (
        "process",
        "MiB after warm-up",
        "at the end",
        "files after warm-up",
        "at the end",
    ):
        table.add_column(column, justify="right")
    for role, (before, after) in found.sizes.items():
        row = (before.pss_mib, after.pss_mib, before.files, after.files)
        table.add_row(role, *(f"{value:.1f}" for value in row))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between faults")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    lasts_s = 60 * chosen.minutes
    plan = soak.Plan(lasts_s, chosen.every, lasts_s / 5, chosen.clients, chosen.seed)
    found, left = played(plan)
    console = Console(width=110)
    console.print(report(found, chosen.minutes))
    for sentence in (*found.verdict.broken, *found.stuck, *left):
        console.print(f"  {sentence}", markup=False)
    sys.exit(1 if found.verdict.broken or found.stuck or left else 0)


if __name__ == "__main__":
    main()
