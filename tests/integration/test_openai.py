"""OpenAI's own client against the council, over sockets: models, chats whole and streamed, errors,
retries, side requests."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("openai")

import openai
from openai import AsyncOpenAI, OpenAI

from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import CouncilRequest
from cluster import api_keys
from serve_app.clients.telling import LEAVES_PICTURES, LEAVES_TOOLS
from tests.fakes import FakeModel, FakeOllama, replies
from tests.fakes.http import Exchange
from tests.fakes.replies import NDJSON
from tests.http_council import API, served
from tests.local_council import LocalCouncil
from tests.sittings import at, chats

pytestmark = pytest.mark.wire

MODELS = ("alpha:1b", "beta:1b", "gamma:1b")
ASKED: list[Any] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Why is the sky blue?"},
    {"role": "assistant", "content": "It scatters."},
    {"role": "user", "content": [{"type": "text", "text": "And at sunset?"}]},
]
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
REFUSED = {"type": "refusal", "refusal": "I would rather not."}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
PICTURE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
TOOLS: Any = [{"type": "function", "function": {"name": "get_current_timestamp"}}]
TITLE = """### Task:
Generate a concise, 3-5 word title with an emoji summarizing the chat history.
### Output:
JSON format: { "title": "your concise title here" }
### Chat History:
<chat_history>
USER: Why is the sky blue?
</chat_history>"""


@asynccontextmanager
async def client(
    home: Path, fake: FakeOllama, api: Any = API, key: str = "none", **config: Any
) -> AsyncIterator[tuple[AsyncOpenAI, LocalCouncil]]:
    async with served(home, fake, parallel=3, api=api, **config) as (http, local):
        base = f"{str(http.base_url).rstrip('/')}/v1"
        async with AsyncOpenAI(base_url=base, api_key=key, max_retries=1) as openai_client:
            yield openai_client, local


async def test_councils_and_models_are_listed_and_found(tmp_path: Path) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, local):
        names = [one.id async for one in await asking.models.list()]
        assert (await asking.models.retrieve("alpha:1b")).id == "alpha:1b"
        assert (await asking.models.retrieve("council-fast")).owned_by == "llm-council"
        with pytest.raises(openai.NotFoundError) as missing:
            await asking.models.retrieve("nobody/has:this")
        below = asking.with_options(base_url=str(asking.base_url).replace("/v1", "/ollama/v1"))
        assert [one.id async for one in await below.models.list()] == names
        with pytest.raises(openai.NotFoundError) as missing_there:
            await below.models.retrieve("nobody/has:this")
        await local.drain("pc1")
        assert [one.id async for one in await asking.models.list()] == names[:3]
    assert names == ["council", "council-fast", "council-thorough", *MODELS]
    assert missing.value.code == missing_there.value.code == "model_not_found"


async def test_a_council_answers_with_its_session_behind_it(tmp_path: Path) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, local):
        raw = await asking.chat.completions.with_raw_response.create(
            model="council", messages=ASKED, max_completion_tokens=5, stop=["STOP"], seed=-1
        )
        told = raw.parse()
        session = await local.session(raw.headers["x-council-session"])
    assert session.final_answer is not None and session.stage == "complete"
    choice = told.choices[0]
    assert (choice.message.content, choice.finish_reason) == (
        session.final_answer.content, "length" if session.final_answer.truncated else "stop",
    )  # fmt: skip
    assert session.query == "And at sunset?"
    assert [turn.answer for turn in session.earlier] == ["It scatters."]
    assert told.usage is not None
    assert told.usage.total_tokens == session.token_usage.total_tokens
    stages = told.usage.model_extra["by_stage"]  # type: ignore[index]
    assert sum(one["total_tokens"] for one in stages.values()) == told.usage.total_tokens
    assert told.model_extra["council"]["session_id"] == session.session_id  # type: ignore[index]
    synthesis = [chat for chat in fake.chats if "chairman" in chat.body.decode()][-1].json
    assert synthesis["options"]["num_predict"] == 5 and synthesis["options"]["stop"] == ["STOP"]
    assert all("Be brief." in chat.body.decode() for chat in fake.chats)


@dataclass
class Streamed:
    """What a client has heard of a stream, in order: thoughts and pieces of the answer, and what
    the last two chunks say. `whole`: the answer as its own helper has put it together."""

    heard: list[tuple[str, str]]
    council: dict[str, Any]
    total_tokens: int
    whole: str | None

    def all(self, kind: str) -> str:
        return "".join(text for one, text in self.heard if one == kind)

    def pieces(self, kind: str) -> int:
        return sum(one == kind for one, _ in self.heard)


async def streamed(asking: AsyncOpenAI, hears: Any = None, **more: Any) -> Streamed:
    """By the client's own helper. `hears` is called with each piece of the answer."""
    heard, council, last = [], {}, None
    async with asking.chat.completions.stream(
        model="council", messages=ASKED, stream_options={"include_usage": True}, **more
    ) as stream:
        async for event in stream:
            if event.type != "chunk":
                continue
            last = event.chunk
            council = (last.model_extra or {}).get("council", council)
            for choice in last.choices:
                thought = (choice.delta.model_extra or {}).get("reasoning_content")
                heard += [("thought", thought)] if thought else []
                if choice.delta.content:
                    heard.append(("answer", choice.delta.content))
                    hears and hears()
        whole = await stream.get_final_completion()
    assert last is not None and last.choices == [] and last.usage is not None
    return Streamed(heard, council, last.usage.total_tokens, whole.choices[0].message.content)


def in_pieces(read: asyncio.Event, begins: str, rest: str) -> Any:
    """Ends its answer only once the client has read of its beginning."""

    async def reply(fake: FakeOllama, exchange: Exchange) -> None:
        exchange.head(200, NDJSON)
        exchange.line({"message": {"role": "assistant", "content": begins}, "done": False})
        await read.wait()
        exchange.line({"message": {"role": "assistant", "content": rest}, "done": False})
        exchange.line({"done": True, "done_reason": "stop", "eval_count": 3})

    return reply


@pytest.mark.parametrize("guard", [True, False])
async def test_a_stream_has_the_answer_as_the_chairman_writes_it(
    tmp_path: Path, guard: bool
) -> None:
    """With the guard, too: it has not been asked yet when the first words are read, nor could it
    be, since the chairman goes on only then."""
    procedure, read, judged = ProcedureDefaults(critique=True, guard=guard), asyncio.Event(), []
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake, procedure=procedure) as (asking, local),
    ):
        fake.always(at("synthesis"), in_pieces(read, "It scatters, ", "as [A] and [B] say."))

        def hears() -> None:
            if not read.is_set():
                judged.append(len(chats(fake, "guard")))
            read.set()

        async with asyncio.timeout(30):
            told = await streamed(asking, hears)
        (session,) = await local.sessions(1, None, None)
        whole = await local.session(session.session_id)
        asked = len(chats(fake, "guard"))
    assert whole.final_answer is not None and whole.final_answer.basis == "synthesis"
    assert told.pieces("answer") > 1 and judged == [0] and bool(asked) is guard
    assert told.all("answer") == told.whole == whole.final_answer.content
    assert told.council["replaced"] is False
    for part in ("The council sits:", "has answered", "gives", "Ranking:", "Synthesis"):
        assert part in told.all("thought")
    last = max(n for n, (kind, _) in enumerate(told.heard) if kind == "answer")
    after = "".join(text for _, text in told.heard[last + 1 :])
    assert ("The guard compares" in after and "prefers the " in after) is guard
    assert f"/#/session/{session.session_id}\n" in told.all("thought")
    assert told.total_tokens == session.total_tokens


async def judge_for_the_opinion(fake: FakeOllama, exchange: Exchange) -> None:
    """Whichever place the synthesis has, by the words that it begins with here."""
    text = exchange.request.json["messages"][-1]["content"]
    better = "2" if text.index("A draft") < text.index("Answer 2:") else "1"
    vote = json.dumps({"reason": "It says why.", "better": better})
    exchange.head(200, NDJSON)
    exchange.line({"message": {"role": "assistant", "content": vote}, "done": False})
    exchange.line({"done": True, "done_reason": "stop", "eval_count": 3})


@pytest.mark.parametrize("judged", [False, True])
async def test_where_the_guard_prefers_an_opinion_it_follows(tmp_path: Path, judged: bool) -> None:
    """Nothing is taken back; `COUNCIL_STREAM_ANSWER=judged` and whole answers are without it."""
    procedure, api = ProcedureDefaults(guard=True), replace(API, stream_judged=judged)
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake, api, procedure=procedure, cache_ttl_s=0) as (asking, local),
    ):
        fake.always(at("synthesis"), replies.Answer(text="A draft:\n```\nblue"))
        fake.always(at("guard"), judge_for_the_opinion)
        told = await streamed(asking)
        (session,) = await local.sessions(1, None, None)
        final = (await local.session(session.session_id)).final_answer
        whole = await asking.chat.completions.create(model="council", messages=ASKED)
        (later, _) = await local.sessions(2, None, None)
        same = (await local.session(later.session_id)).final_answer
        agents = (await local.session(session.session_id)).agents
    assert final is not None and same is not None and final.basis == same.basis == "opinion"
    (by,) = [f"{a.name} ({a.model})" for a in agents if a.agent_id == final.sources_cited[0]]
    preferred = f"The judges prefer this answer, by {by}, to the one above:"
    draft = f"A draft:\n```\nblue\n```\n\n---\n\n{preferred}\n\n"
    assert told.all("answer") == told.whole == ("" if judged else draft) + final.content
    assert told.council["replaced"] is not judged
    assert ("A draft:" in told.all("thought")) is judged
    assert whole.choices[0].message.content == same.content


async def test_a_chairman_that_is_lost_begins_anew_behind_a_line(tmp_path: Path) -> None:
    lost = replies.broken("Once upon a time there was", "model runner has unexpectedly stopped")
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, local):
        fake.script(at("synthesis"), lost)
        told = await streamed(asking)
        (session,) = await local.sessions(1, None, None)
        final = (await local.session(session.session_id)).final_answer
    assert final is not None and final.attempts == 2 and told.council["replaced"] is True
    broken = "Once upon a time there was\n\n---\n\nThe answer above broke off; it begins anew:\n\n"
    assert told.all("answer") == broken + final.content
    assert "is asked again" in told.all("thought")


async def test_the_answer_is_held_to_a_schema(tmp_path: Path) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    lost = replies.broken('{"answer": "half of', "model runner has unexpectedly stopped")
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        told = await asking.chat.completions.create(
            model="council", messages=ASKED, response_format=form
        )
        formats = [chat.json.get("format") for chat in fake.chats]
        fake.script(lambda asked: asked.json.get("format") == SCHEMA, lost)
        live = await streamed(asking, response_format=form, seed=5)
    assert formats[-1] == SCHEMA and None in formats
    assert "answer" in json.loads(live.all("answer")) and live.council["replaced"] is False
    assert "is asked again" in live.all("thought")
    assert "answer" in json.loads(told.choices[0].message.content or "")


async def test_a_model_by_its_own_name_with_tools_and_pictures(tmp_path: Path) -> None:
    called = {"function": {"name": "weather", "arguments": {"town": "Lyon"}}}

    async def calls_a_tool(fake: FakeOllama, exchange: Exchange) -> None:
        exchange.head(200, NDJSON)
        exchange.line({"message": {"role": "assistant", "content": "", "tool_calls": [called]}})
        exchange.line({"done": True, "done_reason": "stop", "eval_count": 3})

    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    look: Any = [{"role": "user", "content": [{"type": "text", "text": "Look"}, PICTURE]}]
    caller = FakeModel("caller:1b", ("completion", "tools"))
    async with FakeOllama((*MODELS, caller)) as fake, client(tmp_path, fake) as (asking, _):
        plain = await asking.chat.completions.create(model="caller:1b", messages=look)
        fake.always(lambda asked: asked.path == "/api/chat" and "tools" in asked.json, calls_a_tool)
        asked = await asking.chat.completions.create(model="caller:1b", messages=look, tools=tools)
        (call,) = asked.choices[0].message.tool_calls or ()
        back: Any = [*look, asked.choices[0].message.model_dump(exclude_none=True),
                     {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}]  # fmt: skip
        await asking.chat.completions.create(model="caller:1b", messages=back)
        sent = fake.chats[-1].json["messages"]
    assert plain.choices[0].message.content and asked.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"town": "Lyon"}  # type: ignore[union-attr]
    assert sent[0]["images"] == ["aGk="]
    assert sent[1]["tool_calls"] == [called]
    assert sent[2] == {"role": "tool", "content": "Sunny", "tool_name": "weather"}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"n": 2}, "n has to be 1"),
        ({"tools": TOOLS, "tool_choice": "required"}, "calls no tools"),
        ({"tools": TOOLS, "tool_choice": TOOLS[0]}, "calls no tools"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "last message"),
        ({"functions": [{"name": "x"}]}, "calls no tools"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [AUDIO]}]}, "one of 'text', "),
        ({"messages": [{"role": "user", "content": ""}]}, "last message is empty"),
        ({"messages": [{"role": "user", "content": [PICTURE]}]}, "sees no pictures"),
        ({"temperature": 9}, "temperature"),
        ({"response_format": {"type": "json_schema"}}, "json_schema"),
    ],
)
async def test_what_a_council_cannot_do_is_a_bad_request(
    tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        with pytest.raises(openai.BadRequestError, match=why):
            await asking.chat.completions.create(**{"model": "council", "messages": ASKED, **more})
    assert not fake.chats


@pytest.mark.parametrize(
    "sent",
    [
        {"tools": TOOLS},  # Continue's cn offers its tools with every question
        {"tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": True, "store": False},
        {"max_tokens": -1},  # the way to say "no limit" to llama.cpp's server and LM Studio
        {"messages": [*ASKED, {"role": "assistant", "content": [REFUSED]}, ASKED[-1]]},
        {
            "messages": [
                {"role": "user", "content": [PICTURE]},
                {"role": "assistant", "content": [REFUSED]},
                ASKED[-1],
            ]
        },
    ],
)
async def test_what_clients_send_with_every_question_is_no_reason_to_refuse_it(
    tmp_path: Path, sent: dict[str, Any]
) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, local):
        told = await asking.chat.completions.create(
            **{"model": "council-fast", "messages": ASKED, **sent}
        )
        (summary,) = await local.sessions(9, None, None)
        session = await local.session(summary.session_id)
    assert session.final_answer and told.choices[0].message.content == session.final_answer.content
    assert not any("tools" in chat.json for chat in fake.chats)
    assert all(chat.json["options"].get("num_predict", 1) > 0 for chat in fake.chats)
    shows_pictures = "image_url" in str(sent)
    wanted = [LEAVES_TOOLS] * ("tools" in sent) + [LEAVES_PICTURES] * shows_pictures
    assert told.council["notices"] == wanted  # type: ignore[attr-defined]
    if "messages" in sent:
        assert session.earlier[-1].answer == REFUSED["refusal"]


async def test_errors_are_of_the_kinds_that_its_clients_know(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "api_key").write_text("right-key-4711")
    api = replace(API, require_key=True, keys_file=api_keys.path(folder))
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake, api, "wrong") as (asking, _):
        with pytest.raises(openai.AuthenticationError):
            await asking.models.list()
        base = str(asking.base_url)
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake, max_open=1) as (asking, local):
        with pytest.raises(openai.NotFoundError):
            await asking.chat.completions.create(model="nobody", messages=ASKED)
        with pytest.raises(openai.NotFoundError, match="chat/completions"):
            await asking.completions.create(model="council", prompt="Why?")
        once = asking.with_options(max_retries=0)
        fake.latency_s = 1.0
        first = await local.open(CouncilRequest(query="Why?"))
        with pytest.raises(openai.RateLimitError) as full:
            await once.chat.completions.create(model="council", messages=ASKED)
        assert int(full.value.response.headers["retry-after"]) > 0
        await local.cancel(first.session_id)
    assert base


async def test_texts_become_vectors_and_tokens_are_refused_in_words(tmp_path: Path) -> None:
    embedder = FakeModel("embedder:1b", ("embedding",))
    async with FakeOllama([embedder]) as fake, client(tmp_path, fake) as (asking, _):
        made = await asking.embeddings.create(model="embedder:1b", input=["Hello", "you"])
        assert len(made.data) == 2 and all(isinstance(n, float) for n in made.data[1].embedding)
        for tokens in ([1, 2], [[1, 2]]):
            with pytest.raises(openai.BadRequestError, match="input: send texts"):
                await asking.embeddings.create(model="embedder:1b", input=tokens)  # type: ignore[arg-type]


async def test_what_a_model_never_can_is_a_bad_request_and_asked_once(tmp_path: Path) -> None:
    """A 5xx would be asked again by the client itself."""
    embedder = FakeModel("embedder:1b", ("embedding",))
    async with FakeOllama((*MODELS, embedder)) as fake, client(tmp_path, fake) as (asking, _):
        long: Any = [{"role": "user", "content": "word " * 5_000}]
        with pytest.raises(openai.BadRequestError) as too_long:
            await asking.chat.completions.create(model="alpha:1b", messages=long)
        with pytest.raises(openai.BadRequestError, match="does not support chat"):
            await asking.chat.completions.create(model="embedder:1b", messages=ASKED)
        assert too_long.value.code == "context_length_exceeded"
        assert [chat.model for chat in fake.chats] == ["alpha:1b", "embedder:1b"]


class Losing(httpx.AsyncHTTPTransport):
    """The first answer is lost on its way; the client asks again by itself."""

    lost = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if not self.lost:
            self.lost = len(await response.aread())
            raise httpx.ReadError("lost")
        return response


@asynccontextmanager
async def losing(asking: AsyncOpenAI) -> AsyncIterator[AsyncOpenAI]:
    transport = Losing()
    async with httpx.AsyncClient(transport=transport) as lossy:
        yield asking.with_options(http_client=lossy)
    assert transport.lost


async def test_its_own_retry_finds_the_session_of_the_first_try(tmp_path: Path) -> None:
    async with (
        FakeOllama(MODELS) as fake,
        client(tmp_path, fake) as (asking, local),
        losing(asking) as lossy,
    ):
        told = await lossy.chat.completions.create(model="council", messages=ASKED)
        assert len(await local.sessions(9, None, None)) == 1
        again = await asking.chat.completions.create(model="council", messages=ASKED)
        assert len(await local.sessions(9, None, None)) == 2, "asked anew, it is another question"
        keyed = {"Idempotency-Key": "k"}
        for _ in range(2):
            await asking.chat.completions.create(
                model="council", messages=ASKED, extra_headers=keyed
            )
        assert len(await local.sessions(9, None, None)) == 3
    assert told.choices and again.choices


async def until_counted(http: httpx.AsyncClient, what: str) -> None:
    async with asyncio.timeout(10):
        while True:
            if what in (await http.get("/metrics")).text:
                return
            await asyncio.sleep(0.02)


async def test_a_client_that_counts_no_retries_finds_the_session_of_the_line_that_it_lost(
    tmp_path: Path,
) -> None:
    """As the AI SDK asks again, by the same words alone, when Node has given up the line."""
    asked = {"model": "council", "messages": [{"role": "user", "content": "Why?"}]}
    async with (
        FakeOllama(MODELS) as fake,
        served(tmp_path, fake, parallel=3) as (http, local),
        httpx.AsyncClient(base_url=http.base_url, timeout=60) as leaving,
    ):
        may_speak = asyncio.Event()

        async def waits(fake: FakeOllama, exchange: Exchange) -> None:
            await may_speak.wait()
            await replies.Answer()(fake, exchange)

        fake.always(at("opinions"), waits)
        first = asyncio.create_task(leaving.post("/v1/chat/completions", json=asked))
        await fake.until(lambda: fake.chats)
        first.cancel()
        await until_counted(http, '"499"')
        (session,) = await local.sessions(9, None, None)
        assert session.stage in ("pending", "opinions"), "it goes on without the one who left"
        again = asyncio.create_task(http.post("/v1/chat/completions", json=asked))
        may_speak.set()
        assert (await again).headers["x-council-session"] == session.session_id
        await http.post("/v1/chat/completions", json=asked)
        assert len(await local.sessions(9, None, None)) == 2, "answered, it is asked anew"


async def test_who_leaves_a_stream_cancels_its_session(tmp_path: Path) -> None:
    async with (
        FakeOllama(MODELS, latency_s=30.0) as fake,
        client(tmp_path, fake) as (asking, local),
    ):
        stream = await asking.chat.completions.create(model="council", messages=ASKED, stream=True)
        await anext(aiter(stream))
        await stream.close()
        (session,) = await local.sessions(1, None, None)
        async with asyncio.timeout(10):
            assert (await local.wait(session.session_id)).error_code == "cancelled"


async def test_who_leaves_a_model_of_the_cluster_ends_its_call(tmp_path: Path) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        fake.always("*", replies.silence("Be"))
        leaving = asyncio.create_task(
            asking.chat.completions.create(model="alpha:1b", messages=ASKED)
        )
        await fake.until(lambda: fake.chats)
        leaving.cancel()
        await fake.until(lambda: fake.cancelled)


async def test_who_leaves_a_stream_with_a_key_comes_back_to_its_session(tmp_path: Path) -> None:
    keyed: Any = {"extra_headers": {"Idempotency-Key": "k"}, "stream": True}
    slow = FakeOllama(MODELS, latency_s=0.3)
    async with slow as fake, client(tmp_path, fake) as (asking, local):
        left = await asking.chat.completions.create(model="council", messages=ASKED, **keyed)
        await anext(aiter(left))
        await left.close()
        stream = await asking.chat.completions.create(model="council", messages=ASKED, **keyed)
        said = [c.choices[0].delta.content or "" async for c in stream]
        (session,) = await local.sessions(9, None, None)
    assert session.stage == "complete" and "".join(said)


async def test_tools_that_a_front_end_offers_with_every_question_are_left_alone(
    tmp_path: Path,
) -> None:
    said: Any = [
        {"role": "user", "content": "What time is it?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_1", "type": "function", "function": TOOLS[0]["function"]}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Half past six."},
        {"role": "assistant", "content": "Half past six."},
        {"role": "user", "content": "Is the sky blue then?"},
    ]
    asked: Any = {"model": "council-fast", "messages": said, "tools": TOOLS}
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        whole = await asking.chat.completions.create(**asked)
        stream = await asking.chat.completions.create(**asked, tool_choice="auto", stream=True)
        deltas = [chunk.choices[0].delta.model_dump() async for chunk in stream]
        own = await asking.chat.completions.create(model="alpha:1b", messages=ASKED, tools=TOOLS)
        with pytest.raises(openai.NotFoundError):
            await asking.chat.completions.create(model="nobody", messages=ASKED, tools=TOOLS)
        sent = [chat.json for chat in fake.chats]
    assert own.choices[0].message.content
    assert whole.choices[0].message.content and not whole.choices[0].message.tool_calls
    assert "offered tools" in (whole.model_extra or {})["council"]["notices"][0]
    assert "offered tools" in "".join(one.get("reasoning_content") or "" for one in deltas)
    assert sent and not any(one.get("tools") for one in sent)
    assert "(A tool told: Half past six.)" in json.dumps(sent[0]["messages"])


async def test_a_title_starts_no_council(tmp_path: Path) -> None:
    asked: list[Any] = [{"role": "user", "content": TITLE}]
    api = replace(API, task_model="beta:1b", task_markers=("MY MARK",))
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake, api) as (asking, local):
        told = await asking.chat.completions.create(model="council", messages=asked)
        mine: list[Any] = [{"role": "user", "content": "Do it. my mark"}]
        await asking.chat.completions.create(model="council", messages=mine)
        assert await local.sessions(9, None, None) == ()
    assert told.model == "beta:1b" and [chat.model for chat in fake.chats] == ["beta:1b"] * 2


async def test_the_plain_client_works_as_well(tmp_path: Path) -> None:
    async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, _):
        plain = OpenAI(base_url=str(asking.base_url), api_key="none")
        told = await asyncio.to_thread(
            plain.chat.completions.create, model="council-fast", messages=ASKED
        )
        plain.close()
    assert told.choices[0].message.content


class TestTheDocument:
    """`docs/clients.md`: what is in it works as it stands there."""

    async def test_the_python_in_it_runs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with FakeOllama(MODELS) as fake, client(tmp_path, fake) as (asking, local):
            (code,) = snippets("python", str(asking.base_url), "chat.completions.")

            def run() -> None:
                names: dict[str, Any] = {}
                exec(code, names)
                names["client"].close()

            await asyncio.to_thread(run)
            assert len(await local.sessions(9, None, None)) == 2
        told = capsys.readouterr().out
        assert "The council sits: " in told and "/#/session/" in told

    async def test_what_it_types_into_a_shell_is_answered(self, tmp_path: Path) -> None:
        async with (
            FakeOllama(MODELS) as fake,
            client(tmp_path, fake) as (asking, _),
            httpx.AsyncClient(timeout=30) as http,
        ):
            (code,) = snippets("sh", str(asking.base_url))
            words = shlex.split(code)
            url, body = words[2], words[words.index("-d") + 1]
            typed = {"Content-Type": "application/json"}
            answer = await http.post(url, content=body, headers=typed)
        assert answer.json()["choices"][0]["message"]["content"]


def snippets(language: str, base: str, uses: str = "") -> list[str]:
    """The code in that language, with this place's address. `uses`: a part of it."""
    text = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    here = base.rstrip("/")
    return [code.replace("http://127.0.0.1:8000/v1", here) for code in found if uses in code]


class IdleProxy:
    """Between a client and the council, as proxies are: a line on which nothing comes from the
    server for so long is cut."""

    def __init__(self, port: int, idle_s: float) -> None:
        self._port = port
        self._idle_s = idle_s

    async def __call__(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        asking = asyncio.create_task(self._asks(down, writer))
        try:
            while data := await asyncio.wait_for(reader.read(65_536), self._idle_s):
                up.write(data)
                await up.drain()
        except TimeoutError:
            pass
        finally:
            asking.cancel()
            for side in (up, writer):
                side.close()

    async def _asks(self, down: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await down.read(65_536):
            writer.write(data)
            await writer.drain()


@pytest.mark.parametrize(("heartbeat_s", "whole"), [(0.1, True), (60.0, False)])
async def test_a_proxy_that_cuts_idle_lines_cuts_no_council(
    tmp_path: Path, heartbeat_s: float, whole: bool
) -> None:
    """A minute of silence on a real proxy is 2 s here; without signs of life it does cut."""
    api = replace(API, heartbeat_s=heartbeat_s)
    slow = FakeOllama(MODELS, latency_s=4.0)
    async with slow as fake, client(tmp_path, fake, api) as (asking, _):
        cutting = IdleProxy(asking.base_url.port or 0, 2.0)
        proxy = await asyncio.start_server(cutting, "127.0.0.1", 0)
        async with proxy:
            through = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/v1"
            heard = asking.with_options(base_url=through, max_retries=0)
            stream = await heard.chat.completions.create(
                model="council-fast", messages=ASKED, stream=True
            )
            said, broken = "", False
            try:
                async for chunk in stream:
                    said += chunk.choices[0].delta.content or ""
            except openai.APIConnectionError:
                broken = True
    assert broken is not whole and bool(said) is whole
