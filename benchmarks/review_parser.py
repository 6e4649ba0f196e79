"""What it costs to read a review, whatever a model wrote, and that nothing in it is an exception.

    .venv/bin/python -m benchmarks.review_parser [--inputs 100000] [--large 2000] [--seed 1]

Inputs are made from the pieces that models write and attackers would: ballots, whole and cut off,
fences, quotes, thinking, brackets, escapes, odd Unicode. Most are short; `--large` of them have
64 KB. Ends with exit code 1 if anything was raised, if a ballot named somebody it may not, or if
the slowest hundredth of the large ones takes more than 5 ms.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from actors.council.judging.reviews import read_ballot

VOTABLE, OWN = {"A": "agent_3", "C": "agent_1"}, "B"
LARGE = 64 * 1024
P99_MS = 5.0
VOTE = '{"reasoning": "right, but \\"short\\"", "agent_id": "A", "score": 8}'
BALLOT = f'{{"rankings": [{VOTE}, {{"reasoning": "no", "agent_id": "C", "score": 3}}]}}'
PIECES = (
    *("{", "}", "[", "]", '"', "'", ",", ":", "\\", '\\"', "\n", " ", "\t", "\ufeff", "\ud800"),
    *("{" * 40, "[" * 40, '{"a":', '{"a":"', '"   ', "}" * 9, "]" * 9, "1e999", "NaN", "\x00"),
    *(
        "<think>",
        "</think>",
        "<thinking>",
        "<response-0123abcd>",
        "</response-0123abcd>",
        "```json",
    ),
    *('"rankings"', '"agent_id"', '"score"', '"reasoning"', '"A"', '"B"', '"Response C"', "“", "”"),
    *("8", "8/10", "11", "-1", "7.5", "<1-10>", "true", "null", "é", "🐘", "\u202e", "\u2028", "x"),
    *(VOTE, BALLOT, BALLOT[:-30], BALLOT.replace('"', "'"), BALLOT.replace("8", "99")),
    *("A good answer, clear and complete. ", "I would rank Response A first: "),
)
Make = Callable[[random.Random, int], str]


def mixed(chance: random.Random, size: int) -> str:
    """Pieces in any order."""
    return _filled(size, lambda: chance.choice(PIECES))


def repeated(chance: random.Random, size: int) -> str:
    """A few pieces over and over, as a model that runs away writes, or an attacker."""
    few = "".join(chance.choices(PIECES, k=chance.randint(1, 3)))
    return chance.choice(("", '{"rankings": [', '{"a":"')) + few * (size // len(few) + 1)


def wordy(chance: random.Random, size: int) -> str:
    """A ballot with endless reasoning, in prose, thinking or a fence."""
    prose = "word, and “so” on " * (size // 18)
    ballot = json.dumps({"rankings": [{"reasoning": prose, "agent_id": "A", "score": 8}]})
    return chance.choice(
        (f"{prose}{BALLOT}", ballot, f"<think>{prose}</think>{BALLOT}", f"{BALLOT}{prose}")
    )


def damaged(chance: random.Random, size: int) -> str:
    """A list of votes with a hundred signs put anywhere, or taken away."""
    text = list(f'{{"rankings": [{", ".join([VOTE] * (size // len(VOTE)))}]}}')
    for _ in range(min(100, len(text) // 20)):
        text[chance.randrange(len(text))] = chance.choice((*PIECES[:16], ""))
    return "".join(text)


def noise(chance: random.Random, size: int) -> str:
    """Any characters."""
    return "".join(map(chr, (chance.randrange(0x110000) for _ in range(size // 2))))


KINDS: tuple[Make, ...] = (mixed, repeated, wordy, damaged, noise)


def _filled(size: int, piece: Callable[[], str]) -> str:
    parts, length = [], 0
    while length < size:
        parts.append(piece())
        length += len(parts[-1])
    return "".join(parts)


@dataclass
class Row:
    """What became of the inputs of one kind; times in ms of processor."""

    kind: str
    took_ms: list[float] = field(default_factory=list)
    with_votes: int = 0
    raised: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        began = time.thread_time()
        try:
            ballot = read_ballot(text, VOTABLE, OWN)
        except Exception as error:
            self.raised.append(f"{type(error).__name__}: {error!s:.100} <- {text[:200]!r}")
            return
        self.took_ms.append((time.thread_time() - began) * 1000)
        self.with_votes += bool(ballot.votes)
        judged = [vote.agent_id for vote in ballot.votes]
        scores = all(1 <= vote.score <= 10 for vote in ballot.votes)
        fine = len(set(judged)) == len(judged) and set(judged) <= set(VOTABLE.values()) and scores
        if not fine or not (ballot.votes or ballot.rejected):
            self.wrong.append(f"{ballot} <- {text[:200]!r}")

    def quantile(self, share: float) -> float:
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(small: int, large: int, seed: int) -> tuple[list[Row], list[Row]]:
    """The rows of the short inputs and of the large ones, kind by kind."""
    return (
        list(_rows(small, seed, lambda chance: int(10 ** chance.uniform(0.5, 3)))),
        list(_rows(large, seed + 1, lambda chance: LARGE)),
    )


def _rows(count: int, seed: int, size: Callable[[random.Random], int]) -> Iterator[Row]:
    for make in KINDS:
        row, chance = Row(make.__name__), random.Random(f"{seed} {make.__name__}")
        for _ in range(-(-count // len(KINDS))):
            row.read(make(chance, size(chance)))
        yield row


def total(rows: list[Row]) -> Row:
    whole = Row("all")
    for row in rows:
        whole.took_ms += row.took_ms
        whole.with_votes += row.with_votes
        whole.raised += row.raised
        whole.wrong += row.wrong
    return whole


def _table(short: list[Row], large: list[Row]) -> Table:
    table = Table(
        "inputs", "kind", "count", "exceptions", "wrong", "votes", "p50 ms", "p99 ms", "max ms"
    )
    for name, rows in (("to 1 KB", short), ("64 KB", large)):
        for row in [*rows, total(rows)]:
            counts = (len(row.took_ms), len(row.raised), len(row.wrong), row.with_votes)
            times = (f"{row.quantile(share):.2f}" for share in (0.5, 0.99, 1.0))
            table.add_row(name, row.kind, *map(str, counts), *times)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    short, large = measure(given.inputs, given.large, given.seed)
    console, whole, worst = Console(width=110), total([*short, *large]), total(large)
    console.print(_table(short, large))
    for found in [*whole.raised, *whole.wrong][:20]:
        console.print(found, markup=False)
    return int(bool(whole.raised or whole.wrong) or worst.quantile(0.99) > P99_MS)


if __name__ == "__main__":
    sys.exit(main())
