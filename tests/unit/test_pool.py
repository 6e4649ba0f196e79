"""The pool over PCs without Ray: who gets a lease, when agents start and stop, what fails fast."""

import asyncio
import pickle
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import pytest

from actors.errors import (
    AgentLost,
    CallCancelled,
    CallTimeout,
    ModelCrashed,
    ModelLoadFailed,
    ModelNotAvailable,
    NodeGone,
    NodeUnreachable,
)
from actors.messages.calls import CallFailed, ChatMessage, GenerateCall, Generated
from actors.messages.occupancy import Occupancy, PcOccupancy
from actors.messages.requests import ModelOptions
from actors.pool import Demand, Lease
from cluster.hosts import Site
from cluster.pool import CouncilPool, PoolConfig
from tests.fake_hosts import FakeHosts, FakePc, failure, until

CONFIG = PoolConfig(fairness_s=0.05, cooldown_s=30.0, return_s=0.05, report_s=0.02, watch_s=0.01)
PATIENT = replace(CONFIG, return_s=30.0)
STALE = PoolConfig(report_s=3600, watch_s=0.01)
"""PCs are asked once, and then only if need be."""
CALL = GenerateCall(
    call_id="c",
    model="a:1",
    messages=(ChatMessage(role="user", content="Why?"),),
    options=ModelOptions(),
    timeout_s=10,
)


class Open(Protocol):
    def __call__(self, hosts: FakeHosts, config: PoolConfig = CONFIG) -> CouncilPool: ...


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Pools that are closed after the test."""
    pools: list[CouncilPool] = []

    def open_pool(hosts: FakeHosts, config: PoolConfig = CONFIG) -> CouncilPool:
        pools.append(CouncilPool(config, hosts))
        return pools[-1]

    yield open_pool
    for pool in pools:
        await pool.close()


def want(model: str, since: float = 0.0, **changes: object) -> Demand:
    return Demand(model=model, council="s", since=since, timeout_s=5, **changes)  # type: ignore[arg-type]


async def ask(pool: CouncilPool, demand: Demand) -> tuple[str, Generated | CallFailed]:
    async with pool.lease(demand) as lease:
        *_, last = [event async for event in lease.agent.generate(CALL)]
        assert isinstance(last, Generated | CallFailed)
        return lease.node, last


async def test_a_model_is_loaded_once_and_then_leased(opened: Open) -> None:
    hosts = FakeHosts(FakePc("pc1", ("a:1",)))
    pool = opened(hosts)
    for _ in range(3):
        node, last = await ask(pool, want("a:1"))
        assert (node, isinstance(last, Generated)) == ("pc1", True)
    assert hosts.log == [("start", "pc1", "a:1")]


async def test_a_name_without_a_tag_means_latest(opened: Open) -> None:
    hosts = FakeHosts(FakePc("pc1", ("a:latest",)))
    pool = opened(hosts)
    await ask(pool, want("a"))
    await ask(pool, want("a:latest"))
    assert hosts.log == [("start", "pc1", "a:latest")]


async def test_the_oldest_council_gets_the_slot_that_falls_free(opened: Open) -> None:
    pool = opened(FakeHosts(FakePc("pc1", ("a:1",))))
    served: list[float] = []

    async def serve(since: float) -> None:
        async with pool.lease(want("a:1", since)):
            served.append(since)

    async with pool.lease(want("a:1")):
        tasks = [asyncio.create_task(serve(since)) for since in (3.0, 1.0, 2.0)]
        await until(lambda: len(pool._waiters) == 3)
        assert served == []
    await asyncio.gather(*tasks)
    assert served == [1.0, 2.0, 3.0]


async def test_demand_beyond_the_slots_is_shared_with_another_pc(opened: Open) -> None:
    hosts = FakeHosts(FakePc("pc1", ("a:1",)), FakePc("pc2", ("a:1",)))
    pool = opened(hosts)
    async with pool.lease(want("a:1")) as first, pool.lease(want("a:1")) as second:
        assert {first.node, second.node} == {"pc1", "pc2"}
        assert {r.agents for r in await pool.reports()} == {("a:1",)}


async def test_an_idle_agent_nobody_waits_for_makes_room(opened: Open) -> None:
    hosts = FakeHosts(FakePc("pc1", ("a:1", "b:1"), max_models=1))
    pool = opened(hosts)
    await ask(pool, want("a:1"))
    await ask(pool, want("b:1"))
    assert hosts.log == [("start", "pc1", "a:1"), ("stop", "pc1", "a:1"), ("start", "pc1", "b:1")]


async def test_who_waited_past_the_bound_gets_a_place(opened: Open) -> None:
    """A stream of demands for the resident model cannot keep another one out for ever."""
    hosts = FakeHosts(FakePc("pc1", ("a:1", "b:1"), max_models=1))
    pool = opened(hosts)
    async with AsyncExitStack() as held:
        await held.enter_async_context(pool.lease(want("a:1")))
        rival = asyncio.create_task(ask(pool, want("b:1", since=9.0)))
        await until(lambda: len(pool._waiters) == 1)
        busy = asyncio.create_task(_keep_busy(pool, rival))
        await until(lambda: len(pool._waiters) > 1)
    assert (await rival)[0] == "pc1"
    await busy


async def _keep_busy(pool: CouncilPool, until_done: "asyncio.Task[object]") -> None:
    while not until_done.done():
        await asyncio.gather(*(ask(pool, want("a:1")) for _ in range(3)))


class TestRefusals:
    async def test_a_model_that_was_deleted_is_refused_at_once(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1", "b:1")))
        pool = opened(hosts, PATIENT)
        await pool.reports()
        hosts.pcs["pc1"].models = ("a:1",)
        await until(lambda: not pool._roster.known("b:1"))
        with pytest.raises(ModelNotAvailable, match="No PC has the model b:1"):
            async with asyncio.timeout(5):
                await ask(pool, want("b:1"))

    async def test_a_model_that_nobody_ever_had_is_that_of_a_pc_which_is_not_back_yet(
        self, opened: Open
    ) -> None:
        """A session that was open before the orchestrator died may come back before its PC."""
        hosts = FakeHosts(FakePc("pc1", ("a:1",)))
        waiting = asyncio.create_task(ask(opened(hosts, PATIENT), want("x:1")))
        await until(lambda: "pc1" in hosts.asked)
        hosts.pcs["pc2"] = FakePc("pc2", ("x:1",))
        assert (await waiting)[0] == "pc2"
        with pytest.raises(NodeGone):
            await ask(opened(FakeHosts(FakePc("pc1", ("a:1",)))), want("x:1"))

    async def test_a_model_that_was_pulled_just_now_is_found(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",)))
        pool = opened(hosts, STALE)
        await pool.reports()
        hosts.pcs["pc1"].models = ("a:1", "new:1")
        pool._roster.entries["pc1"].reported_at -= 2  # the report is older than a second
        assert (await ask(pool, want("new:1")))[0] == "pc1"

    async def test_a_load_failure_moves_the_model_to_another_pc(self, opened: Open) -> None:
        broken = FakePc("pc1", ("a:1",), load_fails={"a:1": "model_load_failed"})
        hosts = FakeHosts(broken, FakePc("pc2", ("a:1",)))
        node, _ = await ask(opened(hosts), want("a:1"))
        assert node == "pc2"
        assert ("stop", "pc1", "a:1") in hosts.log

    async def test_a_demand_fails_once_every_pc_failed_to_load(self, opened: Open) -> None:
        fails = {"a:1": "model_load_failed"}
        pcs = [FakePc(name, ("a:1",), load_fails=fails) for name in ("pc1", "pc2")]
        hosts = FakeHosts(*pcs)
        pool = opened(hosts)
        for _ in range(2):
            with pytest.raises(ModelLoadFailed, match="told so"):
                await ask(pool, want("a:1"))
        assert hosts.count("start") == 2, "a pair that failed cools down"

    async def test_a_wait_is_bounded(self, opened: Open) -> None:
        pool = opened(FakeHosts(FakePc("pc1", ("a:1",))))
        async with pool.lease(want("a:1")):
            with pytest.raises(CallTimeout):
                async with pool.lease(Demand("a:1", "s", 0.0, timeout_s=0.02)):
                    pass
        assert (await ask(pool, want("a:1")))[0] == "pc1"

    async def test_a_closed_pool_leaves_nobody_waiting(self, opened: Open) -> None:
        pool = opened(FakeHosts(FakePc("pc1", ("a:1",))))
        async with pool.lease(want("a:1")):
            waiting = asyncio.create_task(ask(pool, want("a:1")))
            await until(lambda: len(pool._waiters) == 1)
            await pool.close()
            with pytest.raises(CallCancelled):
                await waiting


class TestBreaker:
    async def test_five_unreachable_calls_open_it_and_then_it_fails_fast(
        self, opened: Open
    ) -> None:
        pc = FakePc("pc1", ("a:1",), ends=[failure("node_unreachable")] * 5)
        pool = opened(FakeHosts(pc), STALE)
        for _ in range(5):
            _, last = await ask(pool, want("a:1"))
            assert isinstance(last, CallFailed)
        started = time.perf_counter()
        with pytest.raises(NodeUnreachable):
            await ask(pool, want("a:1"))
        assert time.perf_counter() - started < 0.05

    async def test_an_answer_in_between_keeps_it_closed(self, opened: Open) -> None:
        down = failure("node_unreachable")
        pc = FakePc("pc1", ("a:1",), ends=[down, down, down, down, None, down])
        pool = opened(FakeHosts(pc), STALE)
        for _ in range(6):
            await ask(pool, want("a:1"))
        assert isinstance((await ask(pool, want("a:1")))[1], Generated)

    async def test_the_other_pc_serves_while_it_is_open(self, opened: Open) -> None:
        pc1 = FakePc("pc1", ("a:1",), connected=True, ends=[failure("node_unreachable")] * 5)
        pool = opened(FakeHosts(pc1, FakePc("pc2", ("a:1",))), STALE)
        for _ in range(5):
            await ask(pool, want("a:1"))
        assert (await ask(pool, want("a:1")))[0] == "pc2"

    async def test_a_report_that_reaches_the_server_closes_it(self, opened: Open) -> None:
        pc = FakePc("pc1", ("a:1",), ends=[failure("node_unreachable")] * 5)
        hosts = FakeHosts(pc)
        pool = opened(hosts)
        for _ in range(5):
            await ask(pool, want("a:1"))
        asked = len(hosts.asked)
        await until(lambda: len(hosts.asked) > asked + 1)
        assert isinstance((await ask(pool, want("a:1")))[1], Generated)

    async def test_a_server_that_was_reached_and_stays_silent_is_unreachable(
        self, opened: Open
    ) -> None:
        pc = FakePc("pc1", ("a:1",))
        pool = opened(FakeHosts(pc))
        await ask(pool, want("a:1"))
        pc.connected = False
        await until(lambda: pool._roster.entries["pc1"].breaker.open)
        with pytest.raises(NodeUnreachable):
            await ask(pool, want("a:1"))


class TestComingAndGoing:
    async def test_a_pc_that_joins_serves_what_waits_for_it(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",)))
        pool = opened(hosts)
        async with pool.lease(want("a:1")):
            waiting = asyncio.create_task(ask(pool, want("a:1")))
            await until(lambda: len(pool._waiters) == 1)
            hosts.pcs["pc2"] = FakePc("pc2", ("a:1",))
            assert (await waiting)[0] == "pc2"

    async def test_a_pc_that_leaves_is_forgotten_with_its_agents(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",)))
        pool = opened(hosts)
        async with pool.lease(want("a:1")):
            del hosts.pcs["pc1"]
            await until(lambda: hosts.count("stop"))
        with pytest.raises(NodeGone, match="a:1 left the cluster"):
            await ask(pool, want("a:1"))
        assert await pool.reports() == ()

    async def test_a_pc_that_was_away_for_a_moment_is_waited_for(self, opened: Open) -> None:
        """Rows 7 and 10: a cable out for a moment makes it slower, not absent."""
        hosts = FakeHosts(FakePc("pc1", ("a:1",)), FakePc("pc2", ("b:1",)))
        pool = opened(hosts, PATIENT)
        await ask(pool, want("a:1"))
        away = hosts.pcs.pop("pc1")
        hosts.pcs["pc2"].models = ()
        await until(lambda: hosts.count("stop") and not pool._roster.known("b:1"))
        waiting = asyncio.create_task(ask(pool, want("a:1")))
        with pytest.raises(ModelNotAvailable):
            await ask(pool, want("b:1"))
        assert not waiting.done()
        hosts.pcs["pc1"] = replace(away, node_id="second")
        assert (await waiting)[0] == "pc1"

    async def test_row_07_who_waits_for_a_model_learns_when_a_pc_has_it_again(
        self, opened: Open
    ) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:latest", "b:1")), FakePc("pc2", ("c:1",)))
        pool = opened(hosts)
        assert await pool.back(frozenset({"b:1", "x:1"})) == {"b:1"}
        away = hosts.pcs.pop("pc1")
        await until(lambda: "pc1" not in pool._roster.entries)
        waiting = asyncio.create_task(pool.back(frozenset({"a", "x:1"})))
        left = asyncio.create_task(pool.back(frozenset({"a"})))
        with pytest.raises(NodeGone):
            await ask(pool, want("a"))
        assert not waiting.done()
        left.cancel()
        await asyncio.wait([left])
        hosts.pcs["pc1"] = replace(away, node_id="second")
        assert await waiting == {"a"}
        assert (await ask(pool, want("a")))[0] == "pc1"
        closed = asyncio.create_task(pool.back(frozenset({"x:1"})))
        await until(lambda: pool._missing)
        await pool.close()
        with pytest.raises(CallCancelled):
            await closed
        assert not pool._missing

    async def test_a_fresh_look_sees_a_pc_that_joined_just_now(self, opened: Open) -> None:
        hosts = FakeHosts()
        pool = opened(hosts, replace(STALE, watch_s=3600))
        assert await pool.reports() == ()
        hosts.pcs["pc1"] = FakePc("pc1", ("a:1",))
        assert await pool.reports() == ()
        assert [report.name for report in await pool.reports(fresh=True)] == ["pc1"]

    async def test_a_load_that_ends_after_its_pc_left_makes_no_agent(self, opened: Open) -> None:
        gate, leave = asyncio.Event(), asyncio.Event()
        hosts = FakeHosts(FakePc("pc1", ("a:1",), gate=gate, exit=leave))
        pool = opened(hosts)
        waiting = asyncio.create_task(ask(pool, want("a:1")))
        await until(lambda: hosts.count("start"))
        del hosts.pcs["pc1"]
        with pytest.raises(NodeGone):
            await waiting
        gate.set()
        await until(lambda: len(pool._residents._tasks) == 1)
        assert [agent.state for agent in pool._residents.states()] == ["leaving"]
        leave.set()
        await until(lambda: pool._residents.states() == ())

    async def test_a_pc_that_joined_again_gets_new_agents(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",)))
        pool = opened(hosts)
        await ask(pool, want("a:1"))
        hosts.pcs["pc1"].node_id = "second"
        await until(lambda: hosts.count("stop"))
        await ask(pool, want("a:1"))
        assert hosts.count("start") == 2

    async def test_agents_left_by_a_former_pool_are_taken_over(self, opened: Open) -> None:
        left = (Site("pc1", "a:1"), Site("pc9", "a:1"))
        hosts = FakeHosts(FakePc("pc1", ("a:1",)), left_over=left)
        pool = opened(hosts)
        await pool.reports()
        await until(lambda: len(hosts.log) == 2)
        assert set(hosts.log) == {("start", "pc1", "a:1"), ("stop", "pc9", "a:1")}
        assert (await ask(pool, want("a:1")))[0] == "pc1"
        assert hosts.count("start") == 1

    async def test_a_lost_agent_is_brought_up_again_before_the_next_call(
        self, opened: Open
    ) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",), ends=[failure("agent_lost")]))
        pool = opened(hosts)
        await ask(pool, want("a:1"))
        assert isinstance((await ask(pool, want("a:1")))[1], Generated)
        assert hosts.count("start") == 2

    async def test_an_agent_that_dies_while_it_starts_is_started_again(self, opened: Open) -> None:
        """It costs the model no cool-down: a killed process says nothing of it."""
        hosts = FakeHosts(FakePc("pc1", ("a:1",), deaths=2))
        assert isinstance((await ask(opened(hosts), want("a:1")))[1], Generated)
        assert (hosts.count("start"), hosts.count("stop")) == (3, 0)

    async def test_an_agent_that_always_dies_is_left_alone_for_a_while(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",), deaths=9))
        pool = opened(hosts)
        for _ in range(2):
            with pytest.raises(AgentLost):
                await ask(pool, want("a:1"))
        assert hosts.count("start") == 3

    async def test_an_agent_whose_model_was_deleted_ends(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",), ends=[failure("model_not_available")]))
        pool = opened(hosts)
        await ask(pool, want("a:1"))
        await until(lambda: hosts.count("stop"))

    async def test_a_pc_without_an_answer_keeps_its_last_report(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",)))
        pool = opened(hosts)
        before = await pool.reports()
        hosts.pcs["pc1"].answers = False
        asked = len(hosts.asked)
        await until(lambda: len(hosts.asked) > asked + 1)
        assert [r.ollama for r in await pool.reports()] == [r.ollama for r in before]


class TestLeases:
    async def test_a_cancelled_wait_gives_its_slot_back(self, opened: Open) -> None:
        hosts = FakeHosts(FakePc("pc1", ("a:1",), gate=asyncio.Event()))
        pool = opened(hosts)
        waiting = asyncio.create_task(ask(pool, want("a:1")))
        await until(lambda: hosts.count("start"))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hosts.pcs["pc1"].gate.set()  # type: ignore[union-attr]
        assert (await ask(pool, want("a:1")))[0] == "pc1"

    async def test_a_slot_granted_at_the_moment_of_cancellation_is_not_lost(
        self, opened: Open
    ) -> None:
        pool = opened(FakeHosts(FakePc("pc1", ("a:1",))))
        async with pool.lease(want("a:1")):
            waiting = asyncio.create_task(ask(pool, want("a:1")))
            await until(lambda: pool._waiters)
            waiter = next(iter(pool._waiters.values()))
        pool._plan()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert waiter.resident.done()
        assert (await ask(pool, want("a:1")))[0] == "pc1"

    async def test_a_lease_that_travels_is_a_plain_one(self, opened: Open) -> None:
        pool = opened(FakeHosts(FakePc("pc1", ("a:1",))))
        async with pool.lease(want("a:1")) as lease:
            there: Lease = pickle.loads(pickle.dumps(lease))
        assert type(there.agent).__name__ == "FakeAgent"
        assert (there.node, there.num_ctx) == ("pc1", 4096)


async def test_how_busy_the_pcs_are_is_told_at_once(opened: Open) -> None:
    pool = opened(FakeHosts(FakePc("pc1", ("a:1", "b:1"), max_models=1)), PATIENT)
    assert pool.occupancy() == Occupancy()
    async with pool.lease(want("a:1")):
        waits = asyncio.create_task(ask(pool, want("a:1", since=1.0)))
        await until(lambda: pool.occupancy().queued == {"a:1": 1, "b:1": 0})
        assert pool.occupancy().pcs == (PcOccupancy(name="pc1", busy=1, slots=1, models=("a:1",)),)
    await waits
    assert pool.occupancy().queued == {"a:1": 0, "b:1": 0}
    assert pool.occupancy().pcs[0].busy == 0


async def test_what_a_model_can_is_told_by_a_pc_that_has_it(opened: Open) -> None:
    unwell = FakePc("pc1", ("a:1",), load_fails={"a:1": "model_crashed"})
    hosts = FakeHosts(unwell, FakePc("pc2", ("a:1",)), FakePc("pc3", ("b:1",)))
    pool = opened(hosts)
    assert (await pool.limits("A:1")).context_length == 8192
    assert hosts.count("start") == 0  # nobody loads it for that
    with pytest.raises(NodeGone):
        await pool.limits("nobody")
    del hosts.pcs["pc2"]
    await until(lambda: len(pool.occupancy().pcs) == 2)
    with pytest.raises(ModelCrashed):
        await pool.limits("a:1")
