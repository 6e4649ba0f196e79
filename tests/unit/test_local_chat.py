"""A chat with one local model: streamed, with tools and pictures, and never begun twice."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.errors import ModelCrashed, ModelNotInstalled
from actors.messages.calls import CallFailed, Delta, GenerateCall, Generated
from actors.messages.chats import LocalChat
from actors.messages.requests import CouncilRequest
from tests.fakes import FakeOllama
from tests.fakes.http import Exchange
from tests.fakes.replies import NDJSON
from tests.http_council import served
from tests.local_council import LocalCouncil
from tests.scripted import ScriptedPool, plausible, stage_of_call
from tests.unit.test_modes import council, request

CHAT = {"model": "a:1", "messages": [{"role": "user", "content": "Why?"}]}
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


@asynccontextmanager
async def chatting(home: Path, fake: FakeOllama) -> AsyncIterator[LocalCouncil]:
    async with served(home, fake) as (_, local):
        yield local


async def heard(local: LocalCouncil, chat: LocalChat) -> list[Delta | Generated]:
    return [event async for event in local.chat(chat) if event is not None]


async def test_what_the_model_says_comes_piece_by_piece_then_what_it_cost(tmp_path: Path) -> None:
    async with FakeOllama(("a:1",)) as fake, chatting(tmp_path, fake) as local:
        *deltas, end = await heard(local, LocalChat.model_validate(CHAT))
    assert isinstance(end, Generated)
    assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == end.content
    assert end.usage.total_tokens > 0
    assert fake.chats[-1].json["messages"] == CHAT["messages"]


async def test_tools_and_pictures_go_in_and_calls_of_tools_come_out(tmp_path: Path) -> None:
    called = [{"function": {"name": "weather", "arguments": {"town": "Lyon"}}}]

    async def calls_a_tool(fake: FakeOllama, exchange: Exchange) -> None:
        exchange.head(200, NDJSON)
        exchange.line({"message": {"role": "assistant", "content": "", "tool_calls": called}})
        exchange.line({"done": True, "done_reason": "stop", "eval_count": 3})

    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    turns = [
        {"role": "user", "content": "Look", "images": ["aGk="]},
        {"role": "assistant", "content": "", "tool_calls": called},
        {"role": "tool", "content": "Sunny", "tool_name": "weather"},
    ]
    chat = LocalChat.model_validate({**CHAT, "messages": turns, "tools": tools, "think": "low"})
    async with FakeOllama(("a:1",)) as fake, chatting(tmp_path, fake) as local:
        fake.always(lambda asked: asked.path == "/api/chat", calls_a_tool)
        (end,) = await heard(local, chat)
        sent = fake.chats[-1].json
    assert isinstance(end, Generated)
    assert (end.content, list(end.tool_calls)) == ("", called)
    assert (sent["messages"], sent["tools"], sent["think"]) == (turns, tools, "low")


async def test_a_model_that_breaks_off_in_mid_answer_is_not_begun_again(tmp_path: Path) -> None:
    def crashes(call: GenerateCall) -> str | CallFailed:
        return CallFailed(code="model_crashed", detail="It crashed.", retryable=True, node="pc1")

    pool = ScriptedPool(("a:1",))
    spoken = pool.agent.generate

    async def speaks_first(call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        pool.agent.calls.append(call)
        yield Delta(text="Be")
        yield crashes(call)

    pool.agent.generate = speaks_first  # type: ignore[method-assign]
    pieces = []
    async with council(tmp_path, pool) as orchestrator:
        with pytest.raises(ModelCrashed):
            async for batch in orchestrator.chat(LocalChat.model_validate(CHAT)):
                pieces += batch
        pool.agent.generate = spoken  # type: ignore[method-assign]
        pool.agent.script = lambda call: crashes(call) if len(pool.agent.calls) < 3 else "Because."
        async for batch in orchestrator.chat(LocalChat.model_validate(CHAT)):
            pieces += batch
        with pytest.raises(ModelNotInstalled):
            async for _ in orchestrator.chat(LocalChat.model_validate({**CHAT, "model": "z"})):
                pass
    assert "".join(p.text for p in pieces if isinstance(p, Delta)) == "BeBecause."


async def test_instructions_reach_everybody_and_the_form_the_chairman(tmp_path: Path) -> None:
    wanted = "Answer like a pirate."

    def answers(call: GenerateCall) -> str | CallFailed:
        if stage_of_call(call) == "synthesis":
            return json.dumps({"answer": "as [A] says"})
        return plausible(call)

    pool = ScriptedPool(("a:1", "b:1", "c:1", "d:1"), answers)
    form = {"format": SCHEMA, "options": {"temperature": 0.9, "num_predict": 7, "seed": 3}}
    question = CouncilRequest.model_validate(
        {**request("standard").model_dump(), "instructions": wanted, "answer": form}
    )
    async with council(tmp_path, pool) as orchestrator:
        session = await orchestrator.wait((await orchestrator.open(question)).session_id)
    assert session.final_answer is not None
    assert session.final_answer.content == '{"answer": "as [A] says"}'
    assert session.final_answer.guard is None and not session.procedure.guard
    assert {stage_of_call(call) for call in pool.agent.calls} == {
        "opinions", "review", "synthesis",
    }  # fmt: skip
    for call in pool.agent.calls:
        assert wanted in "\n".join(m.content for m in call.messages), stage_of_call(call)
    (synthesis,) = [call for call in pool.agent.calls if stage_of_call(call) == "synthesis"]
    assert synthesis.format == SCHEMA
    assert synthesis.options.temperature == 0.9
    assert (synthesis.options.num_predict, synthesis.options.seed) == (7, 3)
    assert "cite it" not in synthesis.messages[1].content


async def test_without_a_chairman_the_opinions_have_the_form(tmp_path: Path) -> None:
    pool = ScriptedPool(("a:1", "b:1", "c:1", "d:1"), lambda call: '{"answer": "so"}')
    question = CouncilRequest.model_validate(
        {**request("fast").model_dump(), "answer": {"format": SCHEMA}}
    )
    async with council(tmp_path, pool) as orchestrator:
        session = await orchestrator.wait((await orchestrator.open(question)).session_id)
    assert session.final_answer is not None
    assert session.final_answer.content == '{"answer": "so"}'
    assert all(call.format == SCHEMA for call in pool.agent.calls)
