"""What a whole PC uses, on counters laid out as the kernel does and a clock that is set."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.messages.nodes import NodeEnergy
from actors.pc.pc_meter import LONGEST_S, PcMeter
from tests.power import LOST, NvidiaSmi, count_to, zone

MOST = 262_143_328_850
"""µJ: where a package's counter begins anew."""


@dataclass
class Pc:
    """One package, whose counter and clock a test sets."""

    root: Path
    smi: NvidiaSmi
    now: float = 100.0

    def __post_init__(self) -> None:
        self.counter = zone(self.root, "intel-rapl:0", "package-0", 5_000_000, MOST)
        self.meter = PcMeter(self.root, lambda: self.now)

    def after(self, seconds: float, microjoules: int) -> NodeEnergy | None:
        """A look so much later, at that state of the counter."""
        self.now += seconds
        count_to(self.counter, microjoules)
        return self.meter.look()


@pytest.fixture
def pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pc:
    """With a driver, but no card."""
    smi = NvidiaSmi(tmp_path, monkeypatch)
    smi.says("No devices were found\n", code=6)
    return Pc(tmp_path / "powercap", smi)


def numbers(told: NodeEnergy | None) -> tuple[float, float | None, int]:
    assert told is not None
    return told.joules, told.watts, told.cards


def test_joules_since_the_first_look_and_watts_now(pc: Pc) -> None:
    assert numbers(pc.meter.look()) == (0, None, 0)
    assert numbers(pc.after(5, 105_000_000)) == (100, 20, 0)
    assert numbers(pc.after(10, 605_000_000)) == (600, 50, 0)


def test_a_counter_that_begins_anew_goes_on(pc: Pc) -> None:
    pc.after(0, MOST - 40_000_000)
    assert numbers(pc.after(10, 59_999_999)) == (100, 10, 0)


def test_cards_count_by_what_they_draw_at_both_looks(pc: Pc) -> None:
    pc.smi.says("100.00\n20.00\n")
    assert numbers(pc.meter.look()) == (0, None, 2)
    pc.smi.says("200.00\n40.00\n")
    assert numbers(pc.after(10, 105_000_000)) == (100 + 10 * (120 + 240) / 2, 10 + 240, 2)


def test_a_look_that_follows_at_once_tells_what_the_last_one_did(pc: Pc) -> None:
    pc.meter.look()
    before = pc.after(5, 105_000_000)
    assert pc.after(0.01, 106_000_000) == before
    assert numbers(pc.after(0.99, 125_000_000)) == (120, 20, 0)


def test_a_card_that_vanished_is_not_counted_on(pc: Pc) -> None:
    pc.smi.says("100.00\n20.00\n")
    first = pc.meter.look()
    pc.smi.says("100.00\n")
    then = pc.after(10, 105_000_000)
    assert numbers(then) == (0, None, 1)
    assert first and then and then.since > first.since
    pc.smi.says(LOST, code=15)
    assert pc.after(5, 205_000_000) is None
    pc.smi.says("100.00\n")
    assert numbers(pc.after(5, 305_000_000)) == (0, None, 1)
    assert numbers(pc.after(1, 306_000_000)) == (101, 101, 1)


@pytest.mark.parametrize(
    ("seconds", "microjoules"),
    [(LONGEST_S + 1, MOST - 105_000_000), (5, 4_000_000)],
    ids=["too late", "the counter was set back by sleep"],
)
@pytest.mark.parametrize("before", [5_000_000, MOST // 2, MOST - 30_000_000_000])
def test_it_counts_anew_where_it_cannot_be_told(
    pc: Pc, before: int, seconds: float, microjoules: int
) -> None:
    """However far the counter had come: the nearer its end, the less was used by its looks."""
    count_to(pc.counter, before)
    pc.meter.look()
    assert numbers(pc.after(1, before + 10_000_000)) == (10, 10, 0)
    assert numbers(pc.after(seconds, microjoules)) == (0, None, 0)


def test_a_counter_that_is_closed_meanwhile_tells_nothing(pc: Pc) -> None:
    assert pc.meter.look() is not None
    pc.counter.unlink()
    pc.now += 5
    assert pc.meter.look() is None
    assert numbers(pc.after(5, 0)) == (0, None, 0)


def test_cards_are_not_asked_where_the_processor_tells_nothing(pc: Pc) -> None:
    pc.counter.unlink()
    assert pc.meter.look() is None
    assert pc.smi.asked() == 0
