"""Taking a PC out: what runs there ends, nothing new comes, and it stays out until somebody undoes
it or starts that PC anew."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.errors import ModelNotAvailable, NodeNotFound, StoreUnavailable
from actors.messages.nodes import NodeStanding
from actors.pool import Demand
from cluster.drains import FILE, Drains
from cluster.nodes import NodeView, views
from cluster.pool import CouncilPool, PoolConfig
from tests.fake_hosts import FakeHosts, FakePc, until

CONFIG = PoolConfig(return_s=0.05, report_s=0.02, watch_s=0.01)


def want(model: str) -> Demand:
    return Demand(model=model, council="s", since=0.0, timeout_s=5)


@pytest.fixture
def hosts() -> FakeHosts:
    """PC1 has a; PC2 has a, and b alone."""
    return FakeHosts(FakePc("pc1", ("a:1",), is_head=True), FakePc("pc2", ("a:1", "b:1")))


@pytest.fixture
async def pool(hosts: FakeHosts, tmp_path: Path) -> AsyncIterator[CouncilPool]:
    pool = CouncilPool(replace(CONFIG, drains=tmp_path / FILE), hosts)
    pool.expect(())
    yield pool
    await pool.close()


async def standing(pool: CouncilPool, name: str) -> NodeStanding:
    return next(one for one in await pool.standings() if one.name == name)


async def becomes(pool: CouncilPool, state: str, name: str = "pc2") -> NodeStanding:
    async with asyncio.timeout(5):
        while (now := await standing(pool, name)).state != state:  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.001)
    return now


async def drained(pool: CouncilPool) -> NodeStanding:
    return await becomes(pool, "drained")


async def test_a_running_call_ends_and_then_the_pc_is_empty(
    pool: CouncilPool, hosts: FakeHosts
) -> None:
    async with pool.lease(want("b:1")) as lease:
        assert lease.node == "pc2"
        begun = await pool.drain("pc2")
        assert (begun.state, begun.calls, begun.agents) == ("draining", 1, ("b:1",))
        for _ in range(3):
            async with pool.lease(want("a:1")) as other:
                assert other.node == "pc1"
        assert hosts.log == [("start", "pc2", "b:1"), ("start", "pc1", "a:1")]
        assert (await standing(pool, "pc2")).state == "draining"

    empty = await drained(pool)

    assert (empty.calls, empty.agents, empty.owed) == (0, (), ())
    assert hosts.log[2:] == [("stop", "pc2", "b:1")]
    assert {r.name: r.duty for r in await pool.reports()} == {"pc1": "serving", "pc2": "drained"}


async def test_what_open_councils_find_nowhere_else_is_served_before_it_counts_as_drained(
    pool: CouncilPool, hosts: FakeHosts
) -> None:
    pool.expect(["b:1", "a"])
    async with pool.lease(want("b:1")):
        await pool.drain("pc2")
    for _ in range(2):
        async with pool.lease(want("b:1")) as lease:
            assert lease.node == "pc2"
    kept = await standing(pool, "pc2")
    assert (kept.state, kept.agents, kept.owed) == ("draining", ("b:1",), ("b:1",))
    assert hosts.count("stop") == 0, "the model stays while it is owed"

    pool.expect(["a:1"])

    await drained(pool)
    assert hosts.count("start") == hosts.count("stop") == 1


async def test_nothing_counts_as_drained_before_the_open_councils_are_known(
    hosts: FakeHosts, tmp_path: Path
) -> None:
    """An orchestrator that starts again has not read its sessions yet."""
    pool = CouncilPool(replace(CONFIG, drains=tmp_path / FILE), hosts)
    try:
        await pool.drain("pc2")
        looks = len(hosts.asked)
        await until(lambda: len(hosts.asked) > looks + 6)
        assert (await standing(pool, "pc2")).state == "draining"
        pool.expect(["b:1"])
        async with pool.lease(want("b:1")) as lease:
            assert lease.node == "pc2"
        pool.expect([])
        await drained(pool)
    finally:
        await pool.close()


async def test_a_model_that_only_a_drained_pc_has_is_refused_with_the_reason(
    pool: CouncilPool,
) -> None:
    await pool.drain("pc2")
    await drained(pool)
    with pytest.raises(ModelNotAvailable, match="taken out"):
        async with pool.lease(want("b:1")):
            pass


async def test_a_pc_that_is_let_in_again_serves_at_once(pool: CouncilPool) -> None:
    await pool.drain("pc2")
    await drained(pool)
    assert (await pool.readmit("pc2")).state == "serving"
    async with pool.lease(want("b:1")) as lease:
        assert lease.node == "pc2"


async def test_a_second_drain_and_a_second_undo_change_nothing(pool: CouncilPool) -> None:
    await pool.drain("pc2")
    await drained(pool)
    assert (await pool.drain("pc2")).state == "drained"
    await pool.readmit("pc2")
    assert (await pool.readmit("pc2")).state == "serving"


async def test_a_pc_that_nobody_knows_is_refused_by_name(pool: CouncilPool) -> None:
    for method in (pool.drain, pool.readmit):
        with pytest.raises(NodeNotFound, match=r"No PC of that name .* pc1, pc2"):
            await method("pc9")


async def test_a_drained_pc_stays_out_over_a_restart_and_serves_when_it_is_started_anew(
    pool: CouncilPool, hosts: FakeHosts, tmp_path: Path
) -> None:
    await pool.drain("pc2")
    await drained(pool)
    await pool.close()
    again = CouncilPool(replace(CONFIG, drains=tmp_path / FILE), hosts)
    try:
        again.expect(())
        assert (await standing(again, "pc2")).state == "drained"
        hosts.pcs["pc2"].node_id = "second"
        await becomes(again, "serving")
        async with again.lease(want("b:1")) as lease:
            assert lease.node == "pc2"
    finally:
        await again.close()


async def test_a_disk_that_takes_no_note_changes_nothing(hosts: FakeHosts, tmp_path: Path) -> None:
    pool = CouncilPool(replace(CONFIG, drains=tmp_path / "no folder" / FILE), hosts)
    try:
        with pytest.raises(StoreUnavailable, match="noted down"):
            await pool.drain("pc2")
        assert (await standing(pool, "pc2")).state == "serving"
    finally:
        await pool.close()


def node(name: str, node_id: str, start: str = "") -> NodeView:
    return NodeView(name, node_id, "10.0.0.9", 3, False, start)


def test_a_pc_that_comes_back_by_itself_is_still_the_one_that_was_taken_out(
    tmp_path: Path,
) -> None:
    drains = Drains(tmp_path / FILE)
    drains.note(node("pc2", "one", "4711-1.5"), "draining")
    drains.note(node("pc3", "one"), "drained")
    for book in (drains, Drains(tmp_path / FILE)):
        assert book.duty(node("pc2", "two", "4711-1.5")) == "draining"
        assert book.duty(node("pc2", "two", "4712-9.0")) == "serving"
        assert book.duty(node("pc3", "one")) == "drained"
        assert book.duty(node("pc3", "two")) == "serving"
    drains.note(node("pc3", "one"), "serving")
    assert Drains(tmp_path / FILE).duty(node("pc3", "one")) == "serving"


@pytest.mark.parametrize("text", ["", "{half", "[]", '{"pc2": {"start": "x", "duty": "asleep"}}'])
def test_notes_that_cannot_be_read_keep_nobody_out(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Drains(tmp_path / FILE).duty(node("pc2", "x")) == "serving"


def test_a_node_tells_which_command_started_it() -> None:
    record = {
        "Alive": True,
        "NodeID": "abc",
        "NodeManagerAddress": "10.0.0.7",
        "Resources": {"pc:pc7": 1.0, "ollama": 2.0},
        "Labels": {"ray.io/node-id": "abc", "council-start": "4711-1.5"},
    }
    assert views([record]) == (NodeView("pc7", "abc", "10.0.0.7", 2, False, "4711-1.5"),)
