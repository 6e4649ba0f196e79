"""A chaos run: councils under load, somebody killed every few seconds, and what it was worth.

Reading order: `testbed.py` (the PCs), `clients.py` (the load), `victims.py` (who is killed),
`ledger.py` and `verdicts.py` (the judgement).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.cluster.boxes import until
from tests.cluster.testbed import Testbed
from tests.cluster.users import STARTS_S
from tests.cluster.verdicts import Verdict, judge

KINDS = {
    "orchestrator": 10,
    "agent": 10,
    "chairman": 10,
    "replica": 10,
    "raylet": 10,
    "head": 3,
}
"""Who is killed, and how often compared with the others: a head takes half a minute."""
LOAD_S = 600.0


@dataclass(frozen=True)
class Plan:
    """`pause_s`: the least and the most between a kill and the next one."""

    kills: int
    councils: int
    clients: int = 3
    seed: int = 1
    pause_s: tuple[float, float] = (0.5, 4.0)
    kinds: tuple[str, ...] = tuple(KINDS)


def run(bed: Testbed, plan: Plan, say: Callable[[str], None] = print) -> Verdict:
    """Kills and asks as planned; then everything must be at rest, and every slot work again."""
    chance, known, kills = Random(plan.seed), set(bed.stored()), len(bed.kills)
    clients = bed.clients(plan.clients, plan.seed)
    began = time.monotonic()
    broken: list[str] = []
    try:
        until(lambda: clients.ended() >= plan.clients, LOAD_S, "the load has begun")
        for number, kind in enumerate(bag(plan.kills, plan.kinds, chance), 1):
            bed.wait(chance.uniform(*plan.pause_s))
            kill = bed.kill(kind, chance)
            if (said := bed.integrity()) != "ok":
                broken.append(f"after kill {number} ({kill.kind}) the store is not whole: {said}")
            at = f"{kill.at - began:>7.1f} s"
            say(f"{number:>4} {at}  {kill.kind:<13} {kill.pc}  {clients.ended()} councils ended")
        until(lambda: clients.ended() >= plan.councils, LOAD_S, f"{plan.councils} councils")
    finally:
        inquiries = clients.finish()
    until(bed.look, STARTS_S, "every PC is back")
    wall = time.time() - time.monotonic()
    stored = {s: events for s, events in bed.stored().items() if s not in known}
    verdict = judge(inquiries, stored, bed.ledger(inquiries), bed.kills[kills:], wall)
    bed.every_slot_works()
    bed.at_rest()
    return replace(verdict, broken=(*broken, *verdict.broken))


def bag(kills: int, kinds: tuple[str, ...], chance: Random) -> list[str]:
    """So many kinds in an order by chance, each as often as its weight says, but once at least."""
    total = sum(KINDS[kind] for kind in kinds)
    sure = [kind for kind in kinds for _ in range(max(1, kills * KINDS[kind] // total))]
    more = chance.choices(kinds, [KINDS[kind] for kind in kinds], k=max(0, kills - len(sure)))
    drawn = (sure + more)[:kills]
    chance.shuffle(drawn)
    return drawn
