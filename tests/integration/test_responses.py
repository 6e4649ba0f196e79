"""OpenAI's own client and its Responses API against the council, over sockets: whole, streamed,
parsed, had again, gone on with, in the background; errors, retries."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter

pytest.importorskip("openai")

import openai
from openai import OpenAI
from openai.types.responses import (
    Response,
    ResponseInputMessageItem,
    ResponseOutputMessage,
    ResponseStreamEvent,
)

from actors.messages.procedure import ProcedureDefaults
from serve_app.clients.telling import LEAVES_TOOLS
from tests.fakes import FakeModel, FakeOllama, replies
from tests.fakes.http import Exchange
from tests.fakes.replies import NDJSON
from tests.integration.test_openai import (
    MODELS,
    TITLE,
    client,
    judge_for_the_opinion,
    losing,
    snippets,
)
from tests.sittings import at

pytestmark = pytest.mark.wire

WEATHER: Any = {"type": "function", "name": "weather", "parameters": {}, "strict": False}
QUICK = ProcedureDefaults(mode="fast")
events_of_its_own = TypeAdapter[Any](ResponseStreamEvent)


class Answer(BaseModel):
    answer: str


async def test_a_response_is_a_session_that_is_had_again_gone_on_with_and_removed(
    tmp_path: Path,
) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, local):
        raw = await asking.responses.with_raw_response.create(
            model="council",
            input="Why is the sky blue?",
            instructions="Be brief.",
            max_output_tokens=5,
            metadata={"chat": "4711"},
        )
        first = raw.parse()
        again = await asking.responses.retrieve(first.id)
        assert all("Be brief." in chat.body.decode() for chat in fake.chats)
        next_one = await asking.responses.create(
            model="council-fast", input="And at sunset?", previous_response_id=first.id
        )
        session = await local.session(raw.headers["x-council-session"])
        later = await local.session(next_one.id.removeprefix("resp_"))
        await asking.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            await asking.responses.retrieve(first.id)
        with pytest.raises(openai.BadRequestError, match="no session with that id"):
            await asking.responses.create(
                model="council", input="And then?", previous_response_id=first.id
            )
    Response.model_validate_json(raw.text)  # as strict as its types are
    assert session.final_answer is not None
    assert first.output_text == again.output_text == session.final_answer.content
    assert first.id == f"resp_{session.session_id}" and first.metadata == {"chat": "4711"}
    assert again.to_dict() == first.to_dict() and session.metadata == {"chat": "4711"}
    assert not any("4711" in chat.body.decode() for chat in fake.chats)
    assert first.usage is not None and first.usage.total_tokens == session.token_usage.total_tokens
    thought = first.usage.output_tokens - session.final_answer.completion_tokens
    assert first.usage.output_tokens_details.reasoning_tokens == thought > 0
    assert first.model_extra["council"]["page"].endswith(session.session_id)  # type: ignore[index]
    (answering,) = [one for one in later.opinions if one.content == next_one.output_text][:1]
    usage = next_one.usage
    assert usage is not None and answering.completion_tokens > 0
    of_others = usage.output_tokens - answering.completion_tokens
    assert usage.output_tokens_details.reasoning_tokens == of_others, "an opinion is the answer"
    assert later.follows == session.session_id and next_one.previous_response_id == first.id
    assert [turn.query for turn in later.earlier] == ["Why is the sky blue?"]


@pytest.mark.parametrize("preferred", [False, True])
async def test_a_stream_tells_what_happens_and_then_the_answer(
    tmp_path: Path, preferred: bool
) -> None:
    """By its own helper, which holds the order of events; each is as its own types have it."""
    procedure = ProcedureDefaults(guard=True)
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake, procedure=procedure) as (asking, local),
    ):
        fake.always(at("synthesis"), replies.Answer(text="A draft, as [A] says."))
        if preferred:
            fake.always(at("guard"), judge_for_the_opinion)
        events = []
        async with asking.responses.stream(model="council", input="Why?") as stream:
            async for event in stream:
                events.append(event)
            told = await stream.get_final_response()
        session = await local.session(told.id.removeprefix("resp_"))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed"
    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    thought = [e.text for e in events if e.type == "response.reasoning_summary_text.done"]
    assert session.final_answer is not None and told.output_text == said
    assert said.endswith(session.final_answer.content)
    assert ("The judges prefer this answer" in said) is preferred
    kinds = ["reasoning", "message", "reasoning"] + ["message"] * preferred
    assert [item.type for item in told.output] == kinds
    assert "The council sits:" in thought[0] and f"/#/session/{session.session_id}" in thought[0]
    assert "Ranking:" in thought[0] and "The guard compares" in thought[1]
    assert told.model_extra["council"]["replaced"] is preferred  # type: ignore[index]
    assert told.usage is not None and told.usage.total_tokens == session.token_usage.total_tokens


async def test_every_event_is_as_its_own_types_have_it(tmp_path: Path) -> None:
    """Its client takes what comes; its types say what should."""
    called = {"function": {"name": "weather", "arguments": {"town": "Lyon"}}}

    async def calls_a_tool(fake: FakeOllama, exchange: Exchange) -> None:
        exchange.head(200, NDJSON)
        exchange.line({"message": {"role": "assistant", "content": "", "thinking": "Hm."}})
        exchange.line({"message": {"role": "assistant", "content": "I look."}})
        exchange.line({"message": {"role": "assistant", "content": "", "tool_calls": [called]}})
        exchange.line({"done": True, "done_reason": "stop", "eval_count": 3})

    caller = FakeModel("caller:1b", ("completion", "tools"))
    async with (
        FakeOllama([*MODELS, caller]) as fake,
        client(tmp_path, fake, procedure=QUICK) as (asking, _),
        httpx.AsyncClient(base_url=str(asking.base_url), timeout=30) as http,
    ):
        fake.always(lambda asked: "tools" in asked.json, calls_a_tool)
        told = []
        for more in ({"model": "council"}, {"model": "caller:1b", "tools": [WEATHER]}):
            body = {"input": "Why?", "stream": True, **more}
            told.append((await http.post("responses", json=body)).text)
        whole = await asking.responses.create(model="caller:1b", input="Why?", tools=[WEATHER])
        back: Any = [{"role": "user", "content": "Why?"}, *whole.output]
        back += [{"type": "function_call_output", "call_id": whole.output[-1].call_id,  # type: ignore[union-attr]
                  "output": "Sunny"}]  # fmt: skip
        await asking.responses.create(model="caller:1b", input=back)
        sent = fake.chats[-1].json["messages"]
    for text in told:
        frames = [part.split("\n") for part in text.strip().split("\n\n") if part[0] != ":"]
        events = [events_of_its_own.validate_json(data[len("data: ") :]) for _, data in frames]
        names = [name.removeprefix("event: ") for name, _ in frames]
        assert names == [event.type for event in events] and len(names) > 9
    assert [item.type for item in events[-1].response.output] == [
        "reasoning", "message", "function_call",
    ]  # fmt: skip
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call"]
    assert json.loads(whole.output[-1].arguments) == {"town": "Lyon"}  # type: ignore[union-attr]
    assert sent[1] == {"role": "assistant", "content": "I look.", "tool_calls": [called]}
    assert sent[2] == {"role": "tool", "content": "Sunny", "tool_name": "weather"}


async def test_a_model_and_a_council_answer_in_a_shape_by_the_plain_client(tmp_path: Path) -> None:
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake, procedure=QUICK) as (asking, _),
    ):
        plain = OpenAI(base_url=str(asking.base_url), api_key="none")

        def parsed(model: str) -> Any:
            return plain.responses.parse(model=model, input="Why?", text_format=Answer)

        told = [await asyncio.to_thread(parsed, model) for model in ("alpha:1b", "council")]
        plain.close()
        schema = fake.chats[-1].json["format"]
    assert all(isinstance(one.output_parsed, Answer) for one in told)
    assert schema["required"] == ["answer"]
    assert told[1].text.format.schema_ == schema


async def test_what_is_cut_short_is_incomplete(tmp_path: Path) -> None:
    cut = replies.Answer(text="It scat", done_reason="length")
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        fake.always("*", cut)
        whole = await asking.responses.create(model="alpha:1b", input="Why?", max_output_tokens=2)
        stream = await asking.responses.create(model="alpha:1b", input="Why?", stream=True)
        *_, last = [event async for event in stream]
    assert last.type == "response.incomplete"
    for told in (whole, last.response):
        assert told.status == told.output[0].status == "incomplete"  # type: ignore[union-attr]
        assert told.incomplete_details and told.incomplete_details.reason == "max_output_tokens"


async def test_who_leaves_a_stream_ends_it_unless_it_was_in_the_background(tmp_path: Path) -> None:
    slow = FakeOllama(MODELS, latency_s=30.0)
    async with slow as fake, client(tmp_path, fake) as (asking, local):
        names = []
        for more in ({}, {"background": True}):
            stream: Any = await asking.responses.create(
                model="council", input="Why?", stream=True, **more
            )
            names.append((await anext(aiter(stream))).response.id)
            await stream.close()
        left, kept = names
        async with asyncio.timeout(10):
            assert (await local.wait(left.removeprefix("resp_"))).error_code == "cancelled"
        assert (await asking.responses.retrieve(kept)).status in ("queued", "in_progress")
        with pytest.raises(openai.BadRequestError, match="still running"):
            await asking.responses.create(model="council", input="?", previous_response_id=kept)
        again: Any = await asking.responses.retrieve(kept, stream=True)
        assert (await anext(aiter(again))).response.id == kept
        ended = await asking.responses.cancel(kept)
        *_, last = [event async for event in again]
        with pytest.raises(openai.BadRequestError, match="calls no tools"):
            await asking.responses.create(
                model="council", input="Why?", tools=[WEATHER], tool_choice="required"
            )
        offered = {"input": "Why?", "tools": [WEATHER], "background": True}
        told: Any = await asking.responses.create(model="council", **offered)
        assert told.council["notices"] == [LEAVES_TOOLS]
        await asking.responses.cancel(told.id)
    assert ended.status == last.response.status == "cancelled" and last.type == "response.failed"


async def test_what_a_council_was_asked_is_had_in_pages(tmp_path: Path) -> None:
    said: Any = [
        {"role": "user", "content": "Why is the sky blue?"},
        {"role": "assistant", "content": "Rayleigh."},
        {"role": "user", "content": "And at sunset?"},
    ]
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        told = await asking.responses.create(model="council-fast", input=said)
        items = asking.responses.input_items
        newest = [item async for item in items.list(told.id, limit=2)]
        oldest = (await items.list(told.id, order="asc")).data
        with pytest.raises(openai.BadRequestError, match="no such item"):
            await items.list(told.id, after="msg_1")
    assert [item.id for item in reversed(newest)] == [item.id for item in oldest]
    texts = [(item.role, item.content[0].text) for item in oldest]  # type: ignore[union-attr]
    assert texts == [(one["role"], one["content"]) for one in said]
    assert isinstance(oldest[0], ResponseInputMessageItem)
    assert isinstance(oldest[1], ResponseOutputMessage)


async def test_its_own_retry_opens_no_second_council_nor_does_a_title(tmp_path: Path) -> None:
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake, procedure=QUICK) as (asking, local),
        losing(asking) as lossy,
    ):
        told = await lossy.responses.create(model="council", input="Why?")
        titled = await asking.responses.create(model="council", input=TITLE)
        (session,) = await local.sessions(9, None, None)
    assert told.id == f"resp_{session.session_id}" and titled.model in MODELS


async def test_the_responses_in_the_document_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake, procedure=QUICK) as (asking, local),
    ):
        (code,) = snippets("python", str(asking.base_url), "responses.")

        def run() -> None:
            names: dict[str, Any] = {}
            exec(code, names)
            names["client"].close()

        await asyncio.to_thread(run)
        assert len(await local.sessions(9, None, None)) == 3
    assert "The council sits: " in capsys.readouterr().out
