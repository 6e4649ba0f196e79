"""A soak run: councils under load for minutes, a fault every few seconds; what grows, who is stuck.

Unlike in a chaos run the orchestrator and the replica live all the time, so that what they keep
can be seen. Reading order: `testbed.py`, `clients.py`, then here.
"""

import signal
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

import psutil

from tests.cluster import victims
from tests.cluster.boxes import until
from tests.cluster.clients import OVER
from tests.cluster.testbed import BACK_S, Testbed
from tests.cluster.users import STARTS_S
from tests.cluster.verdicts import SCRIPTED, Kill, Verdict, judge

MEASURED = ("orchestrator", "replica", "chairman", "agent", "probe", "raylet", "gcs_server")
AWAY_S = 5.0
"""So long a cable is out or an agent stopped: too short for anybody to be given up."""
LOAD_S = 300.0


@dataclass(frozen=True)
class Plan:
    """Seconds. What is measured before `warm_up_s` is not compared."""

    lasts_s: float = 600.0
    every_s: float = 10.0
    warm_up_s: float = 120.0
    clients: int = 3
    seed: int = 1


@dataclass(frozen=True)
class Size:
    """Of the processes of one role, on average: MiB (PSS) and file descriptors."""

    pss_mib: float
    files: float


@dataclass(frozen=True)
class Soak:
    """`sizes` by role: after the warm-up, and at the end."""

    verdict: Verdict
    faults: Mapping[str, int]
    stuck: tuple[str, ...]
    sizes: Mapping[str, tuple[Size, Size]]

    def growth(self, role: str) -> Size:
        before, after = self.sizes[role]
        return Size(after.pss_mib - before.pss_mib, after.files - before.files)


def run(bed: Testbed, plan: Plan, say: Callable[[str], None] = print) -> Soak:
    """Load and faults for as long as planned; then all is at rest again."""
    chance, known, kills = Random(plan.seed), set(bed.stored()), len(bed.kills)
    clients = bed.clients(plan.clients, plan.seed)
    faults = {name: 0 for name in FAULTS}
    samples: list[tuple[float, dict[str, Size]]] = []
    try:
        until(lambda: clients.ended() >= plan.clients, LOAD_S, "the load has begun")
        began = time.monotonic()
        while (passed := time.monotonic() - began) < plan.lasts_s:
            name = chance.choice(sorted(FAULTS))
            faults[name] += 1
            FAULTS[name](bed, chance)
            say(f"{passed:>6.0f} s  {name:<9} {clients.ended()} councils ended")
            bed.wait(began + plan.every_s * sum(faults.values()) - time.monotonic())
            samples.append((time.monotonic() - began, sizes(bed)))
    finally:
        inquiries = clients.finish()
    until(bed.look, STARTS_S, "every PC is back")
    stored = {s: events for s, events in bed.stored().items() if s not in known}
    wall = time.time() - time.monotonic()
    verdict = judge(inquiries, stored, bed.ledger(inquiries), bed.kills[kills:], wall)
    bed.every_slot_works()
    bed.at_rest()
    stuck = tuple(s for s, events in stored.items() if events[-1]["kind"] != OVER)
    warm = [told for at, told in samples if at >= plan.warm_up_s] or [samples[-1][1]]
    compared = {role: _compared([told[role] for told in warm if role in told]) for role in MEASURED}
    return Soak(verdict, faults, stuck, compared)


def sizes(bed: Testbed) -> dict[str, Size]:
    """By role, on average over all PCs; what ends while it is looked at is left out."""
    found: dict[str, list[Size]] = {}
    for pc in bed.hosts:
        for process in bed.inside(pc):
            if (role := victims.role(process)) in MEASURED and (size := _size(process)):
                found.setdefault(role, []).append(size)
    return {role: _mean(each) for role, each in found.items()}


def _size(process: psutil.Process) -> Size | None:
    try:
        return Size(process.memory_full_info().pss / 2**20, process.num_fds())
    except psutil.Error:
        return None


def _mean(each: list[Size]) -> Size:
    return Size(statistics.mean(s.pss_mib for s in each), statistics.mean(s.files for s in each))


def _compared(samples: list[Size]) -> tuple[Size, Size]:
    """The first third and the last one, of each the median: who has just started is no measure."""
    third = -(-len(samples) // 3)
    return _middle(samples[:third]), _middle(samples[-third:])


def _middle(samples: list[Size]) -> Size:
    return Size(
        statistics.median(size.pss_mib for size in samples),
        statistics.median(size.files for size in samples),
    )


def _gone(bed: Testbed, chance: Random) -> None:
    """A PC's node dies; never both at once, since then nobody would be left to be measured."""
    until(bed.look, STARTS_S, "every PC is in")
    bed.kill("raylet", chance)


def _cut(bed: Testbed, chance: Random) -> None:
    pc = chance.choice(bed.workers)
    bed.lan.pull(pc)
    bed.wait(AWAY_S)
    bed.lan.plug(pc)


def _stopped(bed: Testbed, chance: Random) -> None:
    found = until(lambda: victims.every(bed.workers, "agent"), BACK_S, "a living agent")
    _, agent = chance.choice(found)
    agent.send_signal(signal.SIGSTOP)
    bed.wait(AWAY_S)
    agent.send_signal(signal.SIGCONT)


def _broken(bed: Testbed, chance: Random) -> None:
    """A model server ends its next answer in the middle."""
    pc = chance.choice(bed.workers).name
    bed.servers[pc].script("*", "unfinished", text="Half an ans")
    bed.kills.append(replace(Kill(time.monotonic(), SCRIPTED, pc), back_at=time.monotonic()))


FAULTS: dict[str, Callable[[Testbed, Random], object]] = {
    "agent": lambda bed, chance: bed.kill("agent", chance),
    "chairman": lambda bed, chance: bed.kill("chairman", chance),
    "raylet": _gone,
    "cut": _cut,
    "stopped": _stopped,
    "broken": _broken,
}
"""What may happen: three sorts of deaths, a cable, a process that stands still, a bad answer."""
