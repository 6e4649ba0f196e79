"""What a PC uses while a call runs: nothing waits for it, and a part is not told as the whole."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.pc import card_watch, cards
from actors.pc.call_meter import CallMeter, CallMeters
from actors.pc.card_watch import mean_watts
from actors.pc.own_pc import is_own
from tests.fake_hosts import until
from tests.power import LOST, NvidiaSmi, count_to, zone

HERE = "http://127.0.0.1:11434"


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(card_watch, "EVERY_S", 0.01)
    return zone(tmp_path, "intel-rapl:0", "package-0", 900_000, most=999_999)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    return NvidiaSmi(tmp_path, monkeypatch)


@pytest.fixture
def no_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@asynccontextmanager
async def a_call(root: Path, url: str = HERE) -> AsyncIterator[CallMeter]:
    async with CallMeters(url, root).call() as meter:
        yield meter


@pytest.mark.usefixtures("no_smi")
async def test_the_processors_joules_between_start_and_end(counter: Path, tmp_path: Path) -> None:
    async with a_call(tmp_path) as meter:
        count_to(counter, 400_000)  # it began anew meanwhile
        assert await meter.joules() == 0.5
        count_to(counter, None)
        assert await meter.joules() is None


@pytest.mark.usefixtures("no_smi", "counter")
async def test_a_server_on_another_pc_is_not_measured_here(tmp_path: Path) -> None:
    async with a_call(tmp_path, "http://192.0.2.7:11434") as meter:
        assert await meter.joules() is None


async def test_a_pc_that_tells_nothing_is_asked_nothing(tmp_path: Path, smi: NvidiaSmi) -> None:
    async with a_call(tmp_path / "nowhere") as meter:
        assert await meter.joules() is None
    assert smi.asked() == 0


@pytest.mark.usefixtures("counter")
async def test_cards_count_by_what_they_draw_times_the_time(tmp_path: Path, smi: NvidiaSmi) -> None:
    smi.says("600.00\n400.00\n")
    clock, before_it = asyncio.get_running_loop().time, asyncio.all_tasks()
    before = clock()
    async with a_call(tmp_path) as meter:
        began = clock()
        await until(lambda: smi.asked() >= 3)  # the third look: two are there
        least = clock() - began
        joules = await meter.joules()
        most = clock() - before
    assert joules is not None
    assert 1000 * least <= joules + 0.001 and joules <= 1000 * most + 0.001
    await until(lambda: asyncio.all_tasks() <= before_it)  # it ends with who listens


@pytest.mark.usefixtures("counter")
@pytest.mark.parametrize(("lines", "code"), [("600.00\n", 0), (LOST, 15)])
async def test_a_card_that_vanishes_meanwhile_leaves_it_unknown(
    tmp_path: Path, smi: NvidiaSmi, lines: str, code: int
) -> None:
    smi.says("600.00\n400.00\n")
    async with a_call(tmp_path) as meter:
        await until(lambda: smi.asked() >= 2)
        assert await meter.joules() is not None
        smi.says(lines, code)
        asked = smi.asked()
        await until(lambda: smi.asked() >= asked + 3)
        assert await meter.joules() is None


@pytest.mark.usefixtures("counter")
async def test_nothing_waits_for_cards_that_do_not_answer(
    tmp_path: Path, smi: NvidiaSmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "PATIENCE_S", 30.0)
    smi.says("600.00\n")
    gate = smi.hold()
    async with asyncio.timeout(5), a_call(tmp_path) as meter:
        await until(lambda: smi.asked() == 1)
        assert await meter.joules() is None
    os.write(gate, b"go\n")
    await until(smi.answered)
    os.close(gate)


@pytest.mark.usefixtures("counter")
async def test_a_short_call_after_another_begins_with_its_last_look(
    tmp_path: Path, smi: NvidiaSmi
) -> None:
    smi.says("600.00\n")
    meters = CallMeters(HERE, tmp_path)
    async with meters.call():
        await until(lambda: smi.asked() >= 2)
    async with meters.call() as meter:
        assert await meter.joules() is not None


def test_the_mean_of_looks_is_told_of_whole_looks_only() -> None:
    assert mean_watts([(10.0, 20.0), (30.0, 40.0)]) == 50
    assert mean_watts([()]) == 0
    assert mean_watts([]) is None
    assert mean_watts([(10.0,), None]) is None
    assert mean_watts([(10.0,), (10.0, 20.0)]) is None


@pytest.mark.parametrize(
    ("url", "own"),
    [
        (HERE, True),
        ("http://localhost:11434", True),
        ("http://[::1]:11434", True),
        ("http://192.0.2.7:11434", False),
        ("http://gpu-pc.example:11434", False),
        ("", False),
    ],
)
def test_only_this_pcs_own_addresses_are_its_own(url: str, own: bool) -> None:
    assert is_own(url) == own
