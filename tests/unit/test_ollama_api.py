"""`/ollama` with Ollama's own client, over a real socket: the council as one of its models, and the
same answers for the others as from the model server itself."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from actors.errors import QueueFull
from actors.messages.procedure import ProcedureDefaults
from cluster.embedded.protocol import gathered
from cluster.pool import PoolConfig
from serve_app.clients.conversation import UNSEEN
from serve_app.clients.telling import LEAVES_PICTURES
from serve_app.configuration import ApiConfig
from tests.fake_council import MODEL, FakeCouncil, api
from tests.fakes import FakeModel, FakeOllama, replies
from tests.fakes.http import Exchange
from tests.http_council import served
from tests.local_council import LocalCouncil
from tests.sittings import at

SEATS = ("alpha:1b", "beta:1b", "gamma:1b")
THINKER, EMBEDDER = "thinker:1b", "nomic-embed-text:latest"
SKY = [{"role": "user", "content": "Why is the sky blue?"}]
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
MODELS = (
    *SEATS,
    FakeModel(THINKER, ("completion", "thinking", "tools")),
    FakeModel(EMBEDDER, ("embedding",)),
)


LOOKING = PoolConfig(report_s=0.05, watch_s=0.05)


@dataclass(frozen=True)
class Place:
    """The API at `url`, over the council, over the model server; a client of either."""

    url: str
    http: httpx.AsyncClient
    client: ollama.AsyncClient
    council: LocalCouncil
    fake: FakeOllama
    direct: ollama.AsyncClient


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    home = tmp_path_factory.mktemp("home")
    async with (
        FakeOllama(MODELS) as fake,
        served(home, fake, models=SEATS, chairman_model="gamma:1b", pool=LOOKING) as (
            http,
            council,
        ),
        ollama.AsyncClient(f"{http.base_url}/ollama", trust_env=False) as client,
        ollama.AsyncClient(fake.url, trust_env=False) as direct,
    ):
        yield Place(f"{http.base_url}/ollama", http, client, council, fake, direct)


@pytest.fixture
def place(shared: Place) -> Place:
    shared.fake.unscript()
    return shared


def shape(value: Any) -> Any:
    """Keys and types of a JSON value; a list is as its first item."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return float if type(value) in (int, float) else type(value)


def heard(told: list[Any], part: str) -> str:
    return "".join(line["message"].get(part, "") for line in told)


async def lines(http: httpx.AsyncClient, url: str, body: dict[str, Any]) -> list[Any]:
    answer = await http.post(url, json=body)
    return [json.loads(line) for line in answer.text.splitlines()]


class TestTheCouncil:
    """As a model."""

    async def test_a_chat_is_a_session_and_its_end_says_which(self, place: Place) -> None:
        told = await place.client.chat("council", SKY)
        (session, *_) = await place.council.sessions(1, None, None)
        whole = await place.council.session(session.session_id)
        assert whole.final_answer and told.message.content == whole.final_answer.content
        assert told.message.thinking and "The council sits: " in told.message.thinking
        assert told.done and told.done_reason == "stop"
        assert told.prompt_eval_count == whole.token_usage.total_prompt_tokens > 0
        assert told.eval_count == whole.token_usage.total_completion_tokens > 0
        assert told.total_duration == whole.latency_stats.total_duration_ms * 1_000_000
        assert told.load_duration is not None and told.eval_duration is not None

    async def test_a_stream_tells_what_happens_then_the_answer(self, place: Place) -> None:
        place.fake.script(at("synthesis"), replies.Answer(latency_s=0.3))
        body = {"model": "council:latest", "messages": SKY}
        async with place.http.stream("POST", f"{place.url}/api/chat", json=body) as answer:
            session_id = answer.headers["X-Council-Session"]
            told = [json.loads(line) async for line in answer.aiter_lines()]
        end, thoughts, said = told[-1], heard(told, "thinking"), heard(told, "content")
        assert thoughts.startswith("The council sits: ") and " gives " in thoughts
        whole = await place.council.session(session_id)
        assert whole.final_answer and said == whole.final_answer.content
        assert len([one for one in told if one["message"]["content"]]) > 1
        assert (end["session_id"], end["message"]["content"]) == (session_id, "")
        assert end["replaced"] is False
        assert [one["done"] for one in told].count(True) == 1

    @pytest.mark.parametrize("better", ["synthesis", "opinion"])
    async def test_the_synthesis_is_told_before_its_guard_has_judged(
        self, tmp_path: Path, better: str
    ) -> None:
        """The judges answer only once the client has read of it."""
        guarded, read = ProcedureDefaults(guard=True), asyncio.Event()

        async def judge(fake: FakeOllama, exchange: Exchange) -> None:
            await read.wait()
            text = exchange.request.json["messages"][-1]["content"]
            is_first = text.index("A draft") < text.index("Answer 2:")
            vote = json.dumps({"better": "1" if is_first is (better == "synthesis") else "2"})
            await replies.Answer(text=vote)(fake, exchange)

        async with (
            FakeOllama(SEATS) as fake,
            served(tmp_path, fake, models=SEATS, procedure=guarded) as (http, council),
            ollama.AsyncClient(f"{http.base_url}/ollama", trust_env=False) as client,
        ):
            fake.always(at("synthesis"), replies.Answer(text="A draft of an answer."))
            fake.always(at("guard"), judge)
            said, thought = "", ""
            async with asyncio.timeout(30):
                async for part in await client.chat("council", SKY, stream=True):
                    said += part.message.content or ""
                    thought += part.message.thinking or ""
                    if said:
                        read.set()
                whole = await client.generate("council", "Why is the sky blue?")
            (latest, first) = await council.sessions(2, None, None)
            final = (await council.session(first.session_id)).final_answer
            generated = (await council.session(latest.session_id)).final_answer
        assert final and final.basis == better and "The guard compares" in thought
        if better == "synthesis":
            assert said == final.content == "A draft of an answer."
        else:
            draft, rule, rest = said.split("\n\n", 2)
            assert (draft, rule) == ("A draft of an answer.", "---")
            assert rest.startswith("The judges prefer this answer, by Expert_")
            assert rest.endswith(f":\n\n{final.content}")
        assert generated and whole.response == generated.content

    async def test_after_a_chairman_that_was_lost_comes_the_whole_answer(
        self, place: Place
    ) -> None:
        lost = replies.broken("Once upon a time there was", "model runner has unexpectedly stopped")
        place.fake.script(at("synthesis"), lost)
        told = await lines(
            place.http, f"{place.url}/api/chat", {"model": "council", "messages": SKY}
        )
        whole = await place.council.session(told[-1]["session_id"])
        said = heard(told, "content")
        assert whole.final_answer and whole.final_answer.attempts == 2 and told[-1]["replaced"]
        why = "The answer above broke off; it begins anew:"
        assert said == f"Once upon a time there was\n\n---\n\n{why}\n\n{whole.final_answer.content}"
        assert "is asked again" in heard(told, "thinking")

    async def test_what_front_ends_ask_beside_it_is_no_session(self, place: Place) -> None:
        before = await place.council.sessions(1, None, None)
        title = "### Task:\nMake a title.\n### Output:\nJSON\n<chat_history>\nHi\n</chat_history>"
        said = await place.client.chat("council", [{"role": "user", "content": title}])
        assert said.message.content and said.model == "council" and not said.message.thinking
        assert await place.council.sessions(1, None, None) == before
        assert place.fake.chats[-1].json["messages"] == [{"role": "user", "content": title}]

    async def test_think_false_leaves_the_progress_out(self, place: Place) -> None:
        told = [part async for part in await place.client.chat(
            "council-fast", SKY, stream=True, think=False)]  # fmt: skip
        assert not any(part.message.thinking for part in told)
        (session, *_) = await place.council.sessions(1, None, None)
        assert (await place.council.session(session.session_id)).procedure.mode == "fast"

    async def test_what_was_said_before_and_how_to_say_it_go_along(self, place: Place) -> None:
        said = [
            {"role": "system", "content": "Like a pirate."},
            {"role": "user", "content": "Who are you?"},
            {"role": "assistant", "content": "A council."},
            *SKY,
        ]
        options = {"temperature": 0.5, "seed": 7, "num_predict": 9, "num_ctx": 99, "stop": ["X"]}
        told = await place.client.chat("council", said, format=SCHEMA, options=options)
        assert told.message.content and "answer" in json.loads(told.message.content)
        (last, *_) = await place.council.sessions(1, None, None)
        session = await place.council.session(last.session_id)
        assert [(turn.query, turn.answer) for turn in session.earlier] == [
            ("Who are you?", "A council.")
        ]
        sent = place.fake.chats[-1].json
        assert sent["format"] == SCHEMA and sent["options"]["num_ctx"] != 99
        wanted = {"temperature": 0.5, "seed": 7, "num_predict": 9, "stop": ["X"]}
        assert wanted.items() <= sent["options"].items()
        assert "Like a pirate." in json.dumps(sent["messages"])

    async def test_a_picture_of_an_earlier_question_is_left_out(self, place: Place) -> None:
        said: Any = [
            {"role": "user", "content": "Who is it?", "images": ["aGk="]},
            {"role": "assistant", "content": "A cat."},
            *SKY,
        ]
        told = await place.client.chat("council-fast", said)
        assert told.message.content and LEAVES_PICTURES in (told.message.thinking or "")
        sent = json.dumps([chat.json["messages"] for chat in place.fake.chats[-3:]])
        assert UNSEEN in sent and "aGk=" not in sent

    async def test_generate_asks_it_too(self, place: Place) -> None:
        told = await place.client.generate("council", "Why?", system="Be brief.")
        assert told.response and told.thinking and told.done

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"messages": [{**SKY[0], "images": ["aGk="]}]}, "not support images"),
            ({"messages": [{"role": "assistant", "content": "x"}]}, "user"),
            ({"options": {"temperature": 9}}, "temperature"),
        ],
    )
    async def test_what_it_cannot_do_is_said(
        self, place: Place, more: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(ollama.ResponseError, match=words) as refused:
            await place.client.chat(**{"model": "council", "messages": SKY, **more})
        assert refused.value.status_code == 400

    async def test_tools_that_a_front_end_offers_are_left_alone(self, place: Place) -> None:
        tools = [{"type": "function", "function": {"name": "ask_user", "parameters": {}}}]
        asked = len(place.fake.chats)
        told = await place.client.chat("council-fast", SKY, tools=tools)
        assert told.message.content and not told.message.tool_calls
        assert told.message.thinking and "offered tools" in told.message.thinking
        assert not any(one.json.get("tools") for one in place.fake.chats[asked:])

    @pytest.mark.parametrize("stream", [True, False])
    async def test_who_leaves_cancels_the_session(self, place: Place, stream: bool) -> None:
        place.fake.always("*", replies.silence())
        asked = len(place.fake.chats)
        body = {"model": "council", "messages": SKY, "stream": stream}
        leaving = asyncio.create_task(lines(place.http, f"{place.url}/api/chat", body))
        await place.fake.until(lambda: len(place.fake.chats) > asked)
        leaving.cancel()
        (last, *_) = await place.council.sessions(1, None, None)
        assert (await place.council.wait(last.session_id)).error_code == "cancelled"

    async def test_a_session_without_an_answer_ends_with_an_error(self, place: Place) -> None:
        place.fake.always("*", replies.error(400, "invalid format: no"))
        body = {"model": "council", "messages": SKY}
        *_, told, last = await lines(place.http, f"{place.url}/api/chat", body)
        assert list(last) == ["error"] and last["error"]
        assert told["message"]["thinking"] == f"{last['error']}\n"
        with pytest.raises(ollama.ResponseError) as refused:
            await place.client.chat("council", SKY)
        assert refused.value.status_code == 502


class TestLocalModels:
    """The cluster's models, as their own server would answer."""

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("chat", {"messages": SKY}),
            ("chat", {"messages": SKY, "think": False, "format": "json"}),
            ("chat", {"messages": SKY, "options": {"num_predict": 2}}),
            ("chat", {"messages": []}),
            ("generate", {}),
            ("generate", {"keep_alive": 0}),
        ],
    )
    async def test_the_same_lines_as_from_the_server_itself(
        self, place: Place, path: str, body: dict[str, Any]
    ) -> None:
        asked = {"model": THINKER, **body}
        there = await lines(place.http, f"{place.fake.url}/api/{path}", asked)
        here = await lines(place.http, f"{place.url}/api/{path}", asked)
        assert shape(here[-1]) == shape(there[-1])
        assert here[-1]["done_reason"] == there[-1]["done_reason"]
        assert shape(here[0]) == shape(there[0])
        answer = await place.http.post(f"{place.url}/api/{path}", json={**asked, "stream": False})
        whole = gathered(there)
        assert shape(answer.json()) == shape(whole)
        assert answer.json().get("message") == whole.get("message")

    @pytest.mark.parametrize("path", ["tags", "version"])
    async def test_the_same_lists(self, place: Place, path: str) -> None:
        there = (await place.http.get(f"{place.fake.url}/api/{path}")).json()
        here = (await place.http.get(f"{place.url}/api/{path}")).json()
        assert shape(here) == shape(there)

    async def test_tags_names_the_councils_beside_the_models(self, place: Place) -> None:
        listed = {model.model: model for model in (await place.client.list()).models}
        councils = {"council:latest", "council-fast:latest", "council-thorough:latest"}
        assert listed.keys() == councils | place.fake.models.keys()
        direct = {model.model: model for model in (await place.direct.list()).models}
        assert listed[THINKER].digest == direct[THINKER].digest
        assert listed[THINKER].modified_at == direct[THINKER].modified_at

    async def test_ps_tells_what_the_pcs_told_last(self, place: Place) -> None:
        await place.client.chat(THINKER, SKY)
        there = await place.direct.ps()
        async with asyncio.timeout(5):
            while (here := await place.client.ps()) != there:  # each look is a request
                pass
        assert THINKER in {model.model for model in here.models}
        raw = [
            (await place.http.get(f"{url}/api/ps")).json() for url in (place.url, place.fake.url)
        ]
        assert shape(raw[0]) == shape(raw[1])

    async def test_show_tells_what_a_model_can(self, place: Place) -> None:
        here, there = await place.client.show(THINKER), await place.direct.show(THINKER)
        assert here.capabilities == there.capabilities == ["completion", "thinking", "tools"]
        assert here.modelinfo == there.modelinfo and here.details == there.details
        assert (await place.client.show("council-fast")).capabilities == ["completion", "thinking"]
        old = await place.http.post(f"{place.url}/api/show", json={"name": THINKER})
        assert there.capabilities == old.json()["capabilities"]

    async def test_thinking_and_words_stay_apart(self, place: Place) -> None:
        told = [part async for part in await place.client.chat(
            THINKER, SKY, stream=True, think=True)]  # fmt: skip
        whole = await place.direct.chat(THINKER, SKY, stream=True, think=True)
        there = [part async for part in whole]
        for part in ("thinking", "content"):
            assert "".join(getattr(one.message, part) or "" for one in told) == "".join(
                getattr(one.message, part) or "" for one in there
            )

    async def test_tools_and_pictures_go_in_and_calls_come_out(self, place: Place) -> None:
        called = [{"function": {"name": "weather", "arguments": {"town": "Lyon"}}}]

        called_so = {"message": {"role": "assistant", "content": "", "tool_calls": called}}
        end = {"done": True, "done_reason": "stop", "eval_count": 3}
        place.fake.always(THINKER, replies.lines(called_so, end))
        tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
        said = [
            {"role": "user", "content": "Look", "images": ["aGk="]},
            {"role": "assistant", "content": "", "tool_calls": called},
            {"role": "tool", "content": "Sunny", "tool_name": "weather"},
        ]
        body = {"model": THINKER, "messages": said, "tools": tools}
        call, last = await lines(place.http, f"{place.url}/api/chat", body)
        assert call["message"]["tool_calls"] == called and not call["done"] and last["done"]
        assert place.fake.chats[-1].json["messages"] == said
        told = await place.client.chat(THINKER, said, tools=tools)
        assert told.message.tool_calls and told.message.tool_calls[0].function.name == "weather"

    async def test_who_leaves_ends_the_call(self, place: Place) -> None:
        place.fake.always(THINKER, replies.silence("Be"))
        ended = len(place.fake.cancelled)
        body = {"model": THINKER, "messages": SKY}
        async with place.http.stream("POST", f"{place.url}/api/chat", json=body) as answer:
            assert json.loads(await anext(answer.aiter_lines()))["message"]["content"]
        await place.fake.until(lambda: len(place.fake.cancelled) > ended)

    async def test_generate_is_a_chat_of_one_message(self, place: Place) -> None:
        told = await place.client.generate(THINKER, "Why?", system="Brief.", images=["aGk="])
        assert told.response and told.eval_count
        assert place.fake.chats[-1].json["messages"] == [
            {"role": "system", "content": "Brief."},
            {"role": "user", "content": "Why?", "images": ["aGk="]},
        ]

    @pytest.mark.parametrize("model", [THINKER, "council"])
    async def test_what_is_no_question_is_none_for_a_council_either(
        self, place: Place, model: str
    ) -> None:
        asked = len(place.fake.chats)
        for more in ({"raw": True}, {"suffix": "x"}):
            with pytest.raises(ollama.ResponseError) as refused:
                await place.client.generate(model, "Why?", **more)  # type: ignore[call-overload]
            assert refused.value.status_code == 400
        assert len(place.fake.chats) == asked

    @pytest.mark.parametrize("inputs", ["Hello", ["Hello", "you"], ""])
    async def test_vectors_are_those_of_the_server(
        self, place: Place, inputs: str | list[str]
    ) -> None:
        here = await place.http.post(
            f"{place.url}/api/embed", json={"model": EMBEDDER, "input": inputs, "dimensions": 4}
        )
        there = await place.http.post(
            f"{place.fake.url}/api/embed",
            json={"model": EMBEDDER, "input": inputs, "dimensions": 4},
        )
        assert shape(here.json()) == shape(there.json())
        assert here.json()["embeddings"] == there.json()["embeddings"]

    async def test_the_old_way_to_vectors(self, place: Place) -> None:
        new = await place.client.embed(EMBEDDER, "Hello")
        assert (await place.client.embeddings(EMBEDDER, "Hello")).embedding == new.embeddings[0]
        with pytest.raises(ollama.ResponseError, match="does not support"):
            await place.client.embed("council", "Hello")

    async def test_the_client_without_asyncio(self, place: Place) -> None:
        def ask() -> tuple[str | None, list[bool | None]]:
            with ollama.Client(host=place.url, trust_env=False) as client:
                said = client.chat(SEATS[0], SKY).message.content
                return said, [part.done for part in client.generate(SEATS[0], "Why?", stream=True)]

        said, done = await asyncio.to_thread(ask)
        assert said and done[-1] is True


class TestRefusals:
    """Status and words as Ollama has them."""

    @pytest.mark.parametrize("model", ["nobody", "no body", "a/../b"])
    async def test_nobody_has_that_model(self, place: Place, model: str) -> None:
        for call in (
            place.client.chat(model, SKY),
            place.client.chat(model, []),
            place.client.generate(model, "Why?"),
            place.client.embed(model, "x"),
            place.client.show(model),
        ):
            with pytest.raises(ollama.ResponseError) as refused:
                await call
            assert refused.value.status_code == 404
            assert refused.value.error == f'model "{model}" not found, try pulling it first'
        with pytest.raises(ollama.ResponseError, match="not found"):
            async for _ in await place.client.chat(model, SKY, stream=True):
                pass

    async def test_a_model_of_the_wrong_kind(self, place: Place) -> None:
        with pytest.raises(ollama.ResponseError) as refused:
            await place.client.chat(EMBEDDER, SKY)
        with pytest.raises(ollama.ResponseError) as direct:
            await place.direct.chat(EMBEDDER, SKY)
        assert (refused.value.error, refused.value.status_code) == (
            direct.value.error, direct.value.status_code,
        )  # fmt: skip

    async def test_a_model_that_breaks_off_says_so_last(self, place: Place) -> None:
        broken = replies.broken("Be", "model runner has unexpectedly stopped")
        place.fake.always(THINKER, broken)
        body = {"model": THINKER, "messages": SKY}
        said, error = await lines(place.http, f"{place.url}/api/chat", body)
        assert said["message"]["content"] == "Be"
        assert error == {"error": "model runner has unexpectedly stopped"}
        with pytest.raises(ollama.ResponseError, match="unexpectedly"):
            async for _ in await place.client.chat(THINKER, SKY, stream=True):
                pass
        with pytest.raises(ollama.ResponseError) as refused:
            await place.client.chat(THINKER, SKY)
        assert refused.value.status_code == 500

    async def test_who_has_to_wait_is_told_how_long(self) -> None:
        council = FakeCouncil()
        council.failure = QueueFull("The PCs are busy for 99 s.", 7.0)
        app = api(council, ApiConfig("1", "3.11", "2.60"))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            for model in ("council", MODEL):
                body = {"model": model, "messages": SKY}
                answer = await http.post("/ollama/api/chat", json=body)
                assert answer.status_code == 503 and answer.headers["retry-after"] == "7"
                assert answer.json() == {
                    "error": "server busy, please try again. The PCs are busy for 99 s."
                }

    async def test_models_are_changed_on_their_pcs(self, place: Place) -> None:
        for call in (
            place.client.pull("x"),
            place.client.push("x"),
            place.client.create("x", from_="y"),
            place.client.copy("x", "y"),
            place.client.delete("x"),
        ):
            with pytest.raises(ollama.ResponseError, match="run ollama .* on the PC") as refused:
                await call
            assert refused.value.status_code == 403
        assert (await place.http.head(f"{place.url}/api/blobs/sha256:0")).status_code == 403
        assert place.fake.models.keys() >= {THINKER}

    async def test_what_no_route_has_looks_the_same(self, place: Place) -> None:
        for method, path, status in (
            ("GET", "/api/nothing", 404),
            ("GET", "/api/chat", 405),
            ("POST", "/api/chat", 400),
        ):
            answer = await place.http.request(method, place.url + path, content=b"{")
            assert answer.status_code == status and list(answer.json()) == ["error"]
            assert answer.headers["content-type"] == "application/json"
        for body, words in (({"model": ""}, "model"), ({"messages": SKY}, "model: Field")):
            answer = await place.http.post(f"{place.url}/api/chat", json=body)
            assert answer.status_code == 400 and words in answer.json()["error"]
        answer = await place.http.get("/api/nothing")
        assert answer.headers["content-type"] == "application/problem+json"


class TestTheDocument:
    """`docs/clients-ollama.md`: what is in it works as it stands there."""

    async def test_the_python_in_it_runs(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (code,) = snippets("python", place)
        monkeypatch.setenv("NO_PROXY", "*")

        def run() -> None:
            names: dict[str, Any] = {}
            exec(code, names)
            names["client"].close()

        await asyncio.to_thread(run)
        told = capsys.readouterr().out
        assert "The council sits: " in told and "'council-thorough:latest'" in told

    async def test_what_it_types_into_a_shell_is_answered(self, place: Place) -> None:
        curl, container = (shlex.split(code) for code in snippets("sh", place))
        url, body = curl[2], curl[curl.index("-d") + 1]
        as_curl = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await place.http.post(url, content=body, headers=as_curl)
        assert answer.status_code == 200 and answer.json()["message"]["content"]
        (base,) = [word.partition("=")[2] for word in container if "OLLAMA_BASE_URL" in word]
        for path in ("version", "tags"):  # what Open WebUI asks to see whether a connection works
            assert (await place.http.get(f"{base}/api/{path}")).status_code == 200


def snippets(language: str, place: Place) -> list[str]:
    """The code in that language, with this place's address."""
    text = (Path(__file__).parents[2] / "docs" / "clients-ollama.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [code.replace("http://127.0.0.1:8000/ollama", place.url) for code in found]


class TestTheDoor:
    async def test_it_says_that_it_runs(self, place: Place) -> None:
        for url in (place.url, f"{place.url}/"):
            assert (await place.http.get(url)).text == "Ollama is running"
            head = await place.http.head(url)
            assert (head.status_code, head.content) == (200, b"")

    async def test_its_version_is_numbers_as_clients_compare_them(self, place: Place) -> None:
        told = (await place.http.get(f"{place.url}/api/version")).json()["version"]
        assert [int(part) for part in told.split(".")] >= [0, 33, 0]

    @pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
    async def test_json_is_read_under_any_type_but_not_for_a_page_elsewhere(
        self, place: Place, kind: str | None
    ) -> None:
        body = json.dumps({"model": SEATS[0], "prompt": "Why?", "stream": False}).encode()
        typed = {"Content-Type": kind} if kind else {}
        url = f"{place.url}/api/generate"
        assert (await place.http.post(url, content=body, headers=typed)).status_code == 200
        asked = len(place.fake.chats)
        for foreign, status in (
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 415),
        ):
            answer = await place.http.post(url, content=body, headers={**typed, **foreign})
            assert answer.status_code == status and list(answer.json()) == ["error"]
        assert len(place.fake.chats) == asked
        other = await place.http.post("/api/generate", content=body, headers=typed)
        assert other.status_code == 415 and other.json()["code"] == "unsupported_media_type"

    async def test_without_a_key_it_is_shut(self, tmp_path: Path) -> None:
        config = ApiConfig("1", "3.11", "2.60", require_key=True, keys_file=tmp_path / "none")
        transport = httpx.ASGITransport(api(FakeCouncil(), config))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.get("/ollama/api/tags")
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "./council key new" in answer.json()["error"]
