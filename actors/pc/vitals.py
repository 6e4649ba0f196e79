"""How a PC feels: processor, memory, disk, uptime, from psutil. Knows nothing of models."""

import time
from pathlib import Path
from typing import NamedTuple

import psutil

from actors.messages.nodes import MemoryUse, NodeVitals


class CpuTime(NamedTuple):
    """Seconds since the start of the PC, over all processors."""

    busy: float
    total: float


class Vitals:
    """Reads without waiting: the processor's load is the one since the last reading.

    psutil's own `cpu_percent` remembers the last reading per thread, so a thread pool would make it
    count from whenever that thread came by last. `disk` is a folder on the disk that is meant.
    """

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._last = _cpu_time()
        self._percent = 0.0

    def read(self) -> NodeVitals:
        """A few system calls, under a millisecond on a local disk; blocks on a hung one."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(self._disk))
        return NodeVitals(
            cpu_percent=self._cpu_percent(),
            memory=MemoryUse(
                total=memory.total, used=memory.total - memory.available, percent=memory.percent
            ),
            disk=MemoryUse(total=disk.total, used=disk.used, percent=disk.percent),
            uptime_s=max(0, round(time.time() - psutil.boot_time())),
        )

    def _cpu_percent(self) -> float:
        now = _cpu_time()
        percent = load_percent(self._last, now)
        if percent is not None:
            self._last, self._percent = now, percent
        return self._percent


def load_percent(before: CpuTime, now: CpuTime) -> float | None:
    """0 to 100; None where too little time has passed to tell (the kernel counts in 10 ms)."""
    passed = now.total - before.total
    if passed < 0.05:
        return None
    return round(100 * min(1.0, max(0.0, (now.busy - before.busy) / passed)), 1)


def _cpu_time() -> CpuTime:
    """Linux counts guests twice, and waiting for a disk as idleness."""
    times = psutil.cpu_times()._asdict()
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return CpuTime(total - times["idle"] - times.get("iowait", 0.0), total)
