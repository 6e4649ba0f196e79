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
    chance = Random(plan.seed)
    clients = bed.clients(plan.clients, plan.seed)
    began = time.monotonic()
    broken: list[str] = []
    try:
        until(lambda: clients.ended() >= plan.clients, LOAD_S, "the load has begun")
        for number in range(1, plan.kills + 1):
            _meanwhile(bed, chance.uniform(*plan.pause_s))
            (kind,) = chance.choices(plan.kinds, [KINDS[kind] for kind in plan.kinds])
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
    verdict = judge(inquiries, bed.stored(), bed.ledger(), bed.kills, wall)
    bed.every_slot_works()
    bed.at_rest()
    return replace(verdict, broken=(*broken, *verdict.broken))


def _meanwhile(bed: Testbed, seconds: float) -> None:
    """A moment by chance, in which PCs come back."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        bed.look()
        time.sleep(min(0.2, left))
