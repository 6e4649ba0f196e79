"""Which models are loaded: waiting, sharing, eviction, expiry. Engines here are fakes."""

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.embedded.faults import EngineError, LoadFailed
from cluster.embedded.gguf import Header
from cluster.embedded.library import ModelFile
from cluster.embedded.residents import Limits, Residents


def model(name: str) -> ModelFile:
    header = Header({"general.architecture": "llama", "llama.context_length": 4096}, 1, "d")
    return ModelFile(f"{name}:latest", Path(name), 1, datetime(2026, 1, 1, tzinfo=UTC), header)


A, B, C = model("a"), model("b"), model("c")


@dataclass
class FakeEngine:
    alive: bool = True
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self) -> None:
        self.alive = False
        self.stopped.set()


@dataclass
class Loads:
    """Loads at once, unless a gate is closed; remembers what it loaded."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[tuple[str, int]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    given_up: int = 0

    async def __call__(self, wanted: ModelFile, num_ctx: int) -> Any:
        self.asked.append((wanted.name, num_ctx))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if wanted.name in self.broken:
            raise LoadFailed("exit status 1", "no")
        return FakeEngine()


@pytest.fixture
async def loads() -> Loads:
    loads = Loads()
    loads.gate.set()
    return loads


async def settle() -> None:
    """Lets everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


def names(residents: Residents) -> list[str]:
    return sorted(resident.model.name for resident in residents.loaded())


async def touch(residents: Residents, wanted: ModelFile, num_ctx: int | None = None) -> Any:
    async with residents.use(wanted, num_ctx, None) as (_, engine):
        return engine


async def test_questions_that_come_while_a_model_loads_share_the_load(loads: Loads) -> None:
    loads.gate.clear()
    residents = Residents(loads, Limits())
    tasks = [asyncio.create_task(touch(residents, A)) for _ in range(3)]
    await settle()
    assert names(residents) == []
    loads.gate.set()
    engines = await asyncio.gather(*tasks)
    assert len({id(engine) for engine in engines}) == 1
    assert loads.asked == [("a:latest", 2048)]
    assert names(residents) == ["a:latest"]
    await residents.close()
    assert not engines[0].alive


async def test_the_least_recently_used_idle_model_leaves_for_another(loads: Loads) -> None:
    residents = Residents(loads, Limits(max_loaded=2))
    await touch(residents, A)
    await touch(residents, B)
    await touch(residents, A)
    await touch(residents, C)
    assert names(residents) == ["a:latest", "c:latest"]
    await residents.close()


async def test_a_model_in_use_is_waited_for_never_evicted(loads: Loads) -> None:
    residents = Residents(loads, Limits(max_loaded=1))
    async with residents.use(A, None, None) as (_, engine):
        waiting = asyncio.create_task(touch(residents, B))
        await settle()
        assert not waiting.done() and engine.alive
    await waiting
    assert names(residents) == ["b:latest"]
    assert not engine.alive
    await residents.close()


async def test_another_context_reloads_the_model_once_it_is_idle(loads: Loads) -> None:
    residents = Residents(loads, Limits())
    async with residents.use(A, None, None) as (_, first):
        waiting = asyncio.create_task(touch(residents, A, 512))
        await settle()
        assert not waiting.done()
    second = await waiting
    assert loads.asked == [("a:latest", 2048), ("a:latest", 512)]
    assert second is not first and not first.alive  # type: ignore[comparison-overlap]
    await residents.close()


async def test_the_context_is_never_more_than_the_model_was_trained_for(loads: Loads) -> None:
    residents = Residents(loads, Limits())
    await touch(residents, A, 1_000_000)
    assert loads.asked == [("a:latest", 4096)]
    await residents.close()


async def test_a_failed_load_is_told_to_all_that_wait_and_tried_anew_by_the_next(
    loads: Loads,
) -> None:
    loads.broken.add("a:latest")
    residents = Residents(loads, Limits(max_loaded=1))
    told = await asyncio.gather(*(touch(residents, A) for _ in range(2)), return_exceptions=True)
    assert [type(error) for error in told] == [LoadFailed, LoadFailed]
    loads.broken.clear()
    await touch(residents, A)
    assert names(residents) == ["a:latest"]
    assert len(loads.asked) == 2
    await residents.close()


async def test_a_load_that_nobody_waits_for_any_more_is_given_up(loads: Loads) -> None:
    loads.gate.clear()
    residents = Residents(loads, Limits(max_loaded=1))
    tasks = [asyncio.create_task(touch(residents, A)) for _ in range(2)]
    await settle()
    tasks[0].cancel()
    await settle()
    assert loads.given_up == 0
    tasks[1].cancel()
    await settle()
    assert loads.given_up == 1
    loads.gate.set()
    await touch(residents, B)
    await residents.close()


async def test_a_crashed_model_is_not_listed_and_is_loaded_anew(loads: Loads) -> None:
    residents = Residents(loads, Limits(max_loaded=1))
    first = await touch(residents, A)
    first.alive = False
    assert names(residents) == []
    second = await touch(residents, A)
    assert second is not first and names(residents) == ["a:latest"]
    await residents.close()


async def test_unload_waits_for_the_last_question(loads: Loads) -> None:
    residents = Residents(loads, Limits())
    residents.unload("a:latest")
    async with residents.use(A, None, None) as (_, engine):
        residents.unload("a:latest")
        await settle()
        assert engine.alive and names(residents) == ["a:latest"]
    await settle()
    assert not engine.alive and names(residents) == []
    await residents.close()


async def test_a_model_leaves_when_its_keep_alive_has_passed(loads: Loads) -> None:
    residents = Residents(loads, Limits(keep_alive=0.001))
    engine = await touch(residents, A)
    async with asyncio.timeout(5):
        await engine.stopped.wait()
    assert names(residents) == []
    await residents.close()


async def test_keep_alive_holds_until_a_question_says_otherwise(loads: Loads) -> None:
    residents = Residents(loads, Limits())
    async with residents.use(A, None, math.inf):
        pass
    await touch(residents, A)
    (resident,) = residents.loaded()
    assert resident.expires == math.inf
    async with residents.use(A, None, 0.0):
        pass
    assert residents.loaded() == ()
    await residents.close()


async def test_after_the_close_nothing_is_loaded_any_more(loads: Loads) -> None:
    residents = Residents(loads, Limits(max_loaded=1))
    async with residents.use(A, None, None) as (_, engine):
        waiting = asyncio.create_task(touch(residents, B))
        await settle()
        await residents.close()
        assert not engine.alive
    with pytest.raises(EngineError, match="shutting down"):
        await waiting
    assert loads.asked == [("a:latest", 2048)]


async def test_no_more_questions_at_once_than_slots(loads: Loads) -> None:
    residents = Residents(loads, Limits(num_parallel=2))
    async with residents.use(A, None, None) as (resident, _):
        async with resident.slots, resident.slots:
            assert resident.slots.locked()
        assert not resident.slots.locked()
    await residents.close()
