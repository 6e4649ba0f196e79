"""The pool on a real Ray: agents are actors on pc1, in front of a fake Ollama."""

import asyncio
import os
import platform
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import ray

from actors.errors import NodeGone
from actors.messages.calls import CallFailed, ChatMessage, Delta, GenerateCall, Generated
from actors.messages.requests import ModelOptions
from actors.ollama.deadlines import Deadlines
from actors.pool import Demand, Lease, Pool
from actors.remote import RemoteAgent
from cluster.pool import PoolConfig
from cluster.ray_pool import RayPool
from tests.fake_hosts import until
from tests.fakes import FakeOllama
from tests.fakes.replies import silence

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("local_ray")]

CONFIG = PoolConfig(watch_s=0.2, report_s=0.5, fairness_s=5.0)
DEADLINES = Deadlines(connect_s=2, first_token_s=20, stall_s=5, generation_s=20)


@pytest.fixture
async def pool() -> AsyncIterator[RayPool]:
    pool = RayPool(CONFIG, DEADLINES)
    yield pool
    await pool.close()


def call(model: str, text: str = "Why is the sky blue?") -> GenerateCall:
    return GenerateCall(
        call_id="c1",
        model=model,
        messages=(ChatMessage(role="user", content=text),),
        options=ModelOptions(num_predict=64),
        timeout_s=30,
    )


def demand(model: str) -> Demand:
    return Demand(model=model, council="s1", since=0.0, timeout_s=60)


async def ask(pool: Pool, model: str) -> list[Delta | Generated | CallFailed]:
    async with pool.lease(demand(model)) as lease:
        return [event async for event in lease.agent.generate(call(model))]


async def test_a_call_is_answered_by_an_actor_and_streamed(
    pool: RayPool, fake_ollama: FakeOllama
) -> None:
    *deltas, answer = await ask(pool, "alpha")
    assert isinstance(answer, Generated)
    assert answer.node == "pc1"
    assert "".join(d.text for d in deltas if isinstance(d, Delta)) == answer.content
    assert ["alpha" in report.agents for report in await pool.reports()] == [True]


async def test_a_model_that_no_pc_told_of_is_refused_once_no_pc_may_come_back_with_it() -> None:
    """An open session may know it from before. Of the demand's 60 s none is waited out."""
    pool = RayPool(replace(CONFIG, return_s=0.0), DEADLINES)
    try:
        with pytest.raises(NodeGone):
            async with asyncio.timeout(30), pool.lease(demand("nobody-has-this")):
                pass
    finally:
        await pool.close()


async def test_a_call_that_ends_at_once_crosses_ray_as_one_item(
    pool: RayPool, fake_ollama: FakeOllama
) -> None:
    async with pool.lease(demand("alpha")):
        handle = ray.get_actor("agent:pc1:alpha", "council")
        items = [await ref async for ref in handle.batches.remote(call("alpha"))]
    assert len([item for item in items if item]) <= 2
    assert isinstance(items[-1][-1], Generated)


async def test_leaving_a_call_closes_the_connection_to_ollama(
    pool: RayPool, fake_ollama: FakeOllama
) -> None:
    fake_ollama.script("alpha", silence("Because"))
    before = len(fake_ollama.cancelled)
    async with pool.lease(demand("alpha")) as lease:
        events = lease.agent.generate(call("alpha"))
        assert isinstance(await anext(aiter(events)), Delta)
        await events.aclose()  # type: ignore[attr-defined]
    await until(lambda: len(fake_ollama.cancelled) > before, within_s=1)


async def test_a_killed_agent_is_lost_and_the_next_call_is_served(
    pool: RayPool, fake_ollama: FakeOllama
) -> None:
    fake_ollama.script("alpha", silence("Because"))
    async with pool.lease(demand("alpha")) as lease:
        events = aiter(lease.agent.generate(call("alpha")))
        assert isinstance(await anext(events), Delta)
        ray.kill(ray.get_actor("agent:pc1:alpha", "council"), no_restart=False)
        *_, last = [event async for event in events]
    assert isinstance(last, CallFailed)
    assert (last.code, last.retryable, last.node) == ("agent_lost", True, "pc1")
    assert isinstance((await ask(pool, "alpha"))[-1], Generated)


async def test_a_fourth_model_takes_the_place_of_an_idle_one(
    pool: RayPool, fake_ollama: FakeOllama
) -> None:
    for model in ("alpha", "beta", "gamma", "delta"):
        assert isinstance((await ask(pool, model))[-1], Generated)
    (report,) = await pool.reports()
    assert report.agents == ("beta", "delta", "gamma")
    assert (report.python, report.ray) == (platform.python_version(), ray.__version__)
    assert report.clock is not None and abs(report.clock.ahead_s) <= report.clock.bound_s + 0.1
    assert not any(model.startswith("alpha") for model in fake_ollama.memory.resident)


async def test_a_new_pool_takes_over_the_agents_and_ends_their_old_calls(
    fake_ollama: FakeOllama,
) -> None:
    first = RayPool(CONFIG, DEADLINES)
    fake_ollama.script("delta", silence("Because"))
    async with first.lease(demand("delta")) as lease:
        events = aiter(lease.agent.generate(call("delta")))
        assert isinstance(await anext(events), Delta)
        pid = await agent_pid("delta")
        second = RayPool(CONFIG, DEADLINES)
        assert isinstance((await ask(second, "delta"))[-1], Generated)
        *_, last = [event async for event in events]
        assert isinstance(last, CallFailed)
    assert await agent_pid("delta") == pid
    await first.close()
    await second.close()


async def test_an_agent_made_with_another_config_is_replaced(fake_ollama: FakeOllama) -> None:
    pid = await agent_pid("delta")
    pool = RayPool(PoolConfig(num_ctx=2048), DEADLINES)
    assert isinstance((await ask(pool, "delta"))[-1], Generated)
    assert await agent_pid("delta") != pid
    assert fake_ollama.chats[-1].json["options"]["num_ctx"] == 2048
    await pool.close()


async def test_the_agent_travels_to_another_actor(pool: RayPool) -> None:
    @ray.remote
    class Elsewhere:
        async def ask(self, lease: Lease) -> str:
            *_, last = [event async for event in lease.agent.generate(call("alpha"))]
            return last.kind

    elsewhere = Elsewhere.options(num_cpus=0).remote()
    async with pool.lease(demand("alpha")) as lease:
        assert await elsewhere.ask.remote(lease) == "generated"
    ray.kill(elsewhere)


async def agent_pid(model: str) -> int:
    handle = ray.get_actor(f"agent:pc1:{model}", "council")
    pid: int = await handle.__ray_call__.remote(lambda _: os.getpid())
    return pid


async def test_a_frozen_agent_is_lost_and_its_late_answer_is_not_heard(
    pool: RayPool, fake_ollama: FakeOllama
) -> None:
    fake_ollama.script("alpha", silence("Because"))
    async with pool.lease(demand("alpha")):
        agent = RemoteAgent(ray.get_actor("agent:pc1:alpha", "council"), "pc1", silence_s=1.0)
        events = aiter(agent.generate(call("alpha")))
        assert isinstance(await anext(events), Delta)
        pid = await agent_pid("alpha")
        os.kill(pid, signal.SIGSTOP)
        try:
            *_, last = [event async for event in events]
        finally:
            os.kill(pid, signal.SIGCONT)
    assert isinstance(last, CallFailed)
    assert last.code == "agent_lost"
