"""OllamaAgent in front of a fake Ollama: its slots, its queue, and what happens to a call that is
asked again, left, or closed. Without Ray."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from actors import agent as agents
from actors.agent import AgentConfig, OllamaAgent
from actors.batches import Happening
from actors.messages.calls import CallFailed, ChatMessage, Delta, GenerateCall, Generated
from actors.messages.requests import ModelOptions
from actors.ollama.deadlines import Deadlines
from actors.ollama.wire import new_http_client
from actors.pc.call_meter import CallMeters
from actors.pc.energy import POWERCAP
from tests.fake_hosts import until
from tests.fakes import FakeOllama
from tests.fakes import replies as say
from tests.power import count_to, zone

pytestmark = pytest.mark.wire

MODEL = "alpha:1b"
Seated = Callable[..., OllamaAgent]


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama([MODEL], num_parallel=1) as fake:
        yield fake


@pytest.fixture
async def seated(fake: FakeOllama) -> AsyncIterator[Seated]:
    """Makes agents in front of the fake."""
    clients: list[httpx.AsyncClient] = []

    def http() -> httpx.AsyncClient:
        clients.append(new_http_client())
        return clients[-1]

    def make(num_parallel: int = 1, powercap: Path = POWERCAP) -> OllamaAgent:
        config = AgentConfig(
            model=MODEL,
            url=fake.url,
            node="pc1",
            num_ctx=2048,
            num_parallel=num_parallel,
            deadlines=Deadlines(connect_s=1, first_token_s=5, stall_s=5, generation_s=5),
        )
        return OllamaAgent(config, http, lambda url: CallMeters(url, powercap))

    yield make
    for client in clients:
        await client.aclose()


def call(name: str = "c1", timeout_s: float = 10.0) -> GenerateCall:
    return GenerateCall(
        call_id=name,
        model=MODEL,
        messages=(ChatMessage(role="user", content=f"Why, {name}?"),),
        options=ModelOptions(num_predict=100),
        timeout_s=timeout_s,
    )


async def heard(agent: OllamaAgent, wanted: GenerateCall) -> list[Happening]:
    async with aclosing(agent.batches(wanted)) as batches:
        return [event async for batch in batches for event in batch]


def asked(fake: FakeOllama) -> list[str]:
    return [chat.json["messages"][0]["content"] for chat in fake.chats]


async def test_an_answer_is_signed_with_the_pcs_name(seated: Seated) -> None:
    *deltas, end = await heard(seated(), call())
    assert isinstance(end, Generated)
    assert end.node == "pc1"
    assert "".join(d.text for d in deltas if isinstance(d, Delta)) == end.content


async def test_a_call_asked_again_cuts_the_former_one_and_gets_its_slot(
    seated: Seated, fake: FakeOllama
) -> None:
    fake.script(MODEL, say.silence("The sky"))
    agent = seated()
    former = asyncio.create_task(heard(agent, call()))
    await fake.until(lambda: fake.chats)
    began = time.monotonic()
    *_, end = await heard(agent, call())
    assert isinstance(end, Generated)
    await fake.until(lambda: fake.chats[0].cancelled)
    assert time.monotonic() - began < 1.0
    assert not any(isinstance(event, Generated) for event in await former)
    assert fake.chats[1].finished


async def test_another_call_does_not_cut_it(seated: Seated, fake: FakeOllama) -> None:
    agent = seated(num_parallel=2)
    fake.num_parallel = 2
    ends = await asyncio.gather(heard(agent, call("c1")), heard(agent, call("c2")))
    assert [type(events[-1]) for events in ends] == [Generated, Generated]
    assert not fake.cancelled


async def test_closing_a_call_closes_ollamas_connection_within_a_second(
    seated: Seated, fake: FakeOllama
) -> None:
    fake.script(MODEL, say.silence("The sky"), say.silence("The sky"))
    agent = seated()
    for listen in (agent.generate, agent.batches):
        stream = listen(call())
        await anext(stream)
        began = time.monotonic()
        await stream.aclose()
        request = fake.chats[-1]
        await fake.until(lambda request=request: request.cancelled, within_s=1.0)
        assert time.monotonic() - began < 1.0
    *_, end = await heard(agent, call())
    assert isinstance(end, Generated), "the slot is free again"


async def test_a_closed_call_has_left_before_its_slot_is_given_on(
    seated: Seated, fake: FakeOllama
) -> None:
    """Ollama has one slot too: who came next would wait there for the one that had left."""
    fake.script(MODEL, say.silence("The sky"))
    agent = seated()
    stream = agent.generate(call("left"))
    await anext(stream)
    following = asyncio.create_task(heard(agent, call("next")))
    await stream.aclose()
    *_, end = await following
    assert isinstance(end, Generated)
    left, came = fake.chats
    assert left.cancelled and came.finished
    assert end.timing.wall_ms < 1_000


async def test_calls_wait_in_order(seated: Seated, fake: FakeOllama) -> None:
    agent = seated()
    names = [f"c{n}" for n in range(5)]
    waiting = []
    for name in names:
        waiting.append(asyncio.create_task(heard(agent, call(name))))
        await asyncio.sleep(0)
    ends = [events[-1] for events in await asyncio.gather(*waiting)]
    assert asked(fake) == [f"Why, {name}?" for name in names]
    queued = [end.timing.queue_ms for end in ends if isinstance(end, Generated)]
    assert queued[0] < queued[-1]


async def test_at_most_num_parallel_are_sent_and_the_queue_has_a_bound(
    seated: Seated, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "WAITING_LIMIT", 3)
    fake.always(MODEL, say.silence())
    agent = seated()
    sent = [asyncio.create_task(heard(agent, call(f"c{n}"))) for n in range(4)]
    await fake.until(lambda: fake.chats)
    await until(lambda: agent._waiting == 3)
    (refused,) = await heard(agent, call("one too many"))
    assert isinstance(refused, CallFailed)
    assert (refused.code, refused.node, refused.retryable) == ("server_busy", "pc1", True)
    assert len(fake.chats) == 1
    for task in sent:
        task.cancel()
    await asyncio.gather(*sent, return_exceptions=True)
    fake.unscript()
    *_, end = await heard(agent, call())
    assert isinstance(end, Generated), "who gave up does not hold a place"


async def test_a_wait_for_a_slot_ends_with_the_calls_time(seated: Seated, fake: FakeOllama) -> None:
    fake.always(MODEL, say.silence())
    agent = seated()
    holding = asyncio.create_task(heard(agent, call("holds")))
    await fake.until(lambda: fake.chats)
    (late,) = await heard(agent, call("late", timeout_s=0.1))
    assert isinstance(late, CallFailed) and late.code == "timeout"
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert len(fake.chats) == 1


async def test_a_new_pool_cuts_what_the_one_before_had_asked(
    seated: Seated, fake: FakeOllama
) -> None:
    fake.script(MODEL, say.silence("The sky"))
    agent = seated()
    former = asyncio.create_task(heard(agent, call("old")))
    await fake.until(lambda: fake.chats)
    same = agent._config
    assert await agent.claim(same)
    await former
    await fake.until(lambda: fake.chats[0].cancelled)
    assert not await agent.claim(same.model_copy(update={"num_ctx": 4096}))


async def test_load_and_unload_are_told_and_their_failure_too(
    seated: Seated, fake: FakeOllama
) -> None:
    agent = seated()
    assert await agent.load() is None
    assert MODEL in fake.memory.resident
    assert await agent.unload() is None
    assert MODEL not in fake.memory.resident
    fake.models.clear()
    failures = [await agent.load(), await agent.unload()]
    assert [f.code for f in failures if f] == ["model_not_available"] * 2


async def test_what_broke_off_is_told_in_part(seated: Seated, fake: FakeOllama) -> None:
    fake.script(MODEL, say.broken("blue " * 10_000, "boom"))
    *_, end = await heard(seated(), call())
    assert isinstance(end, CallFailed)
    assert len(end.partial) == agents.PARTIAL_KEPT


async def test_a_bug_of_ours_is_a_failure_and_not_an_exception(
    seated: Seated, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = seated()
    monkeypatch.setattr(agent, "_client", None)
    (end,) = await heard(agent, call())
    assert isinstance(end, CallFailed)
    assert (end.code, end.retryable) == ("agent_lost", True)


async def test_a_model_is_kept_while_its_agent_lives_and_outlives_it_only_for_a_while(
    fake: FakeOllama,
) -> None:
    http = new_http_client()
    agent = OllamaAgent(
        AgentConfig(model=MODEL, url=fake.url, node="pc1", keep_alive_s=1), lambda: http
    )

    def loads() -> list[object]:
        asked = [r.json for r in fake.requests if r.path == "/api/generate"]
        return [body["keep_alive"] for body in asked]

    assert await agent.load() is None
    await until(lambda: len(loads()) >= 3)
    assert set(loads()) == {1}
    await agent.unload()
    assert loads()[-1] == 0
    assert agent._keeping is None
    await http.aclose()


async def test_an_answer_tells_what_its_pc_used_meanwhile(
    seated: Seated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without a program that tells of cards
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 100_000, most=999_999)
    events: list[Happening] = []
    async with aclosing(seated(powercap=tmp_path).generate(call())) as answering:
        async for event in answering:
            if not events:
                count_to(counter, 50_000)  # it begins anew while the model speaks
            events.append(event)
    assert isinstance(events[0], Delta) and isinstance(events[-1], Generated)
    assert events[-1].joules == 0.95
    (*_, silent) = await heard(seated(powercap=tmp_path / "nowhere"), call())
    assert isinstance(silent, Generated) and silent.joules is None
