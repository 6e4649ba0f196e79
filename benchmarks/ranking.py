"""How well each way to rank finds the truth, over simulated judges whose faults are known.

    .venv/bin/python -m benchmarks.ranking [--councils 1000] [--seats 3 4 5]

Kendall's τ with the truth (1 = the true order, 0 = by chance), mean over all councils; a star marks
whom the default leads by more than chance explains (95 %, paired), a minus who leads the default.
"""

import argparse

from rich.console import Console
from rich.table import Table

from actors.council.judging.ranking import DEFAULT
from tests.simulation.judges import FAULTS, RULES, lead, play


def row(faults: str, seats: int, councils: int, seed: int) -> list[str]:
    played = play(FAULTS[faults], seats, councils, seed)
    cells = []
    for name in (*RULES, "best judge"):
        ahead, half = lead(played, name)
        sign = "*" if ahead > half else "-" if -ahead > half else " "
        cells.append(f"{played[name].mean():.3f}{' ' if name == DEFAULT else sign}")
    return [faults, str(seats), *cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--councils", type=int, default=1_000)
    parser.add_argument("--seats", type=int, nargs="*", default=[3, 4, 5])
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    table = Table(title=f"Kendall's τ with the truth, {chosen.councils} councils a line")
    for column in ("judges' faults", "seats", *RULES, "best judge"):
        table.add_column(column, justify="left" if column == "judges' faults" else "right")
    for seats in chosen.seats:
        for faults in FAULTS:
            table.add_row(*row(faults, seats, chosen.councils, chosen.seed))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
