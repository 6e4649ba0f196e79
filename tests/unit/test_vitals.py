"""Vitals: the processor's load between two readings, and plausible numbers from this very PC."""

import threading
import time
from pathlib import Path

import psutil
import pytest

from actors.pc import vitals
from actors.pc.vitals import CpuTime, Vitals, load_percent


@pytest.mark.parametrize(
    ("before", "now", "percent"),
    [
        (CpuTime(10, 100), CpuTime(15, 120), 25.0),
        (CpuTime(10, 100), CpuTime(10, 120), 0.0),
        (CpuTime(10, 100), CpuTime(30, 120), 100.0),
        (CpuTime(10, 100), CpuTime(9, 120), 0.0),  # the kernel's idle counters may run back
        (CpuTime(10, 100), CpuTime(40, 120), 100.0),
        (CpuTime(10, 100), CpuTime(10.01, 100.02), None),
        (CpuTime(10, 100), CpuTime(10, 100), None),
    ],
)
def test_load_is_the_busy_share_of_the_time_between(
    before: CpuTime, now: CpuTime, percent: float | None
) -> None:
    assert load_percent(before, now) == percent


def test_readings_in_quick_succession_keep_the_last_load(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [CpuTime(0, 0), CpuTime(5, 10), CpuTime(5, 10.01), CpuTime(5, 20)]
    monkeypatch.setattr(vitals, "_cpu_time", lambda: times.pop(0))
    meter = Vitals(Path("/"))
    assert [meter.read().cpu_percent for _ in range(3)] == [50.0, 50.0, 0.0]


def test_a_reading_of_this_pc(tmp_path: Path) -> None:
    read = Vitals(tmp_path).read()
    assert read.memory.total == psutil.virtual_memory().total
    assert read.disk.total == psutil.disk_usage(str(tmp_path)).total
    assert read.uptime_s == pytest.approx(time.time() - psutil.boot_time(), abs=2)
    for use in (read.memory, read.disk):
        assert 0 < use.used < use.total
        assert 0 < use.percent < 100
    assert read.memory.percent == pytest.approx(100 * read.memory.used / read.memory.total, abs=0.2)


def test_another_thread_reads_on_where_the_last_one_stopped() -> None:
    """A busy quarter second is seen by whichever thread reads next."""
    meter = Vitals(Path("/"))
    until = time.process_time() + 0.25
    while time.process_time() < until:
        pass
    loads: list[float] = []
    thread = threading.Thread(target=lambda: loads.append(meter.read().cpu_percent))
    thread.start()
    thread.join()
    assert loads[0] > 100 / psutil.cpu_count() / 4


def test_the_total_counts_no_second_twice() -> None:
    """All processors together have had no more time than since the start of the PC: the kernel's
    own counts drift by some hundredths of a percent."""
    now = vitals._cpu_time()
    assert 0 < now.busy <= now.total
    assert now.total <= 1.01 * psutil.cpu_count() * (time.time() - psutil.boot_time() + 2)


def test_a_disk_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(OSError):
        Vitals(Path("/no/such/folder")).read()
