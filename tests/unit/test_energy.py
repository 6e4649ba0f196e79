"""Joules from the counters of Linux, laid out in a folder as the kernel does."""

from pathlib import Path

from actors.pc.energy import Meter
from serve_app.cli.benching.energy import StageMeter
from tests.power import zone


def test_packages_and_memory_count_and_what_is_inside_them_does_not(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    core = zone(tmp_path, "intel-rapl:0:0", "core", 100)
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 100)
    whole = zone(tmp_path, "intel-rapl:1", "psys", 100)
    meter = Meter(tmp_path)
    for counter, now in ((package, 300_100), (core, 200_100), (memory, 200_100), (whole, 900_100)):
        counter.write_text(str(now))
    assert meter.joules() == 0.5


def test_a_counter_that_began_anew_goes_on(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 900_000, most=999_999)
    meter = Meter(tmp_path)
    counter.write_text("100000")
    assert meter.joules() == 0.2
    counter.write_text("150000")
    assert meter.joules() == 0.25


def test_stages_are_told_apart(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    spent = StageMeter(Meter(tmp_path))
    counter.write_text("250000")
    spent.stage("review")
    counter.write_text("375000")
    assert spent.spent() == {"opinions": 0.25, "review": 0.125}


def test_where_nothing_is_told_nothing_is_claimed(tmp_path: Path) -> None:
    assert StageMeter(Meter(tmp_path / "nowhere")).spent() is None
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    spent = StageMeter(Meter(tmp_path))
    counter.unlink()
    assert spent.spent() is None


def test_a_part_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    zone(tmp_path, "intel-rapl:1", "package-1", 0).unlink()
    assert Meter(tmp_path).joules() is None


def test_a_counter_that_only_root_may_read_tells_nothing(tmp_path: Path) -> None:
    """To root every file is open, so that here a folder stands in the place of what is denied."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    counter.unlink()
    counter.mkdir()
    assert Meter(tmp_path).joules() is None
