"""The pool on a real Ray: agents are actors on pc1, in front of a fake Ollama."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.errors import ModelNotAvailable
from actors.messages.calls import CallFailed, ChatMessage, Delta, GenerateCall, Generated
from actors.messages.requests import ModelOptions
from actors.ollama.deadlines import Deadlines
from actors.pool import Demand, Pool
from cluster.pool import PoolConfig
from cluster.ray_pool import RayPool
from tests.fakes import FakeOllama

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
    assert [report.agents for report in await pool.reports()] == [("alpha",)]


async def test_a_model_that_no_pc_has_is_refused_at_once(pool: RayPool) -> None:
    await pool.reports()
    with pytest.raises(ModelNotAvailable):
        async with asyncio.timeout(2), pool.lease(demand("nobody-has-this")):
            pass
