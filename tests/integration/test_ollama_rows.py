"""The rows O1–O27 of Ollama's real answers, played by a scripted fake over a real socket.

Deadlines are tiny here instead of waited for. What only words decide is in
`tests/unit/test_ollama_stream.py`.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from actors.errors import (
    BadCall,
    CallTimeout,
    ContextOverflow,
    EmptyAnswer,
    ModelCallError,
    ModelCrashed,
    ModelLoadFailed,
    ModelNotAvailable,
    ModelNotUsable,
    NodeRefused,
    NodeUnreachable,
    NotOllama,
    RunawayOutput,
    ServerBusy,
    TruncatedStream,
)
from actors.messages.calls import ChatMessage, Delta, Embedding, GenerateCall, Generated
from actors.messages.requests import ModelOptions, Origin
from actors.ollama import deadlines, wire
from actors.ollama.client import OllamaClient
from actors.ollama.deadlines import Deadlines
from actors.ollama.wire import new_http_client
from tests.fakes import FakeModel, FakeOllama
from tests.fakes import replies as say
from tests.fakes.http import Request

pytestmark = pytest.mark.wire

NUM_CTX = 4096
QUICK = Deadlines(connect_s=0.3, first_token_s=0.15, stall_s=0.15, generation_s=0.3)
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}}


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    thinker = FakeModel("thinker", ("completion", "thinking"))
    async with FakeOllama(["plain", thinker, FakeModel("embedder", ("embedding",))]) as fake:
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with new_http_client() as http:
        yield http


@pytest.fixture
def client(fake: FakeOllama, http: httpx.AsyncClient) -> OllamaClient:
    return OllamaClient(http, fake.url, Deadlines(), NUM_CTX)


@pytest.fixture
def quick(fake: FakeOllama, http: httpx.AsyncClient) -> OllamaClient:
    return OllamaClient(http, fake.url, QUICK, NUM_CTX)


def call(model: str = "plain", text: str = "Why?", **more: Any) -> GenerateCall:
    more = {"options": ModelOptions(num_predict=100), "timeout_s": 30.0} | more
    messages = (ChatMessage(role="user", content=text),)
    return GenerateCall(call_id="c1", model=model, messages=messages, **more)


async def asked(client: OllamaClient, wanted: GenerateCall) -> tuple[list[Delta], Generated]:
    """The deltas, and the one `Generated` that comes last."""
    heard = [item async for item in client.chat(wanted)]
    *deltas, last = heard
    assert isinstance(last, Generated)
    assert all(isinstance(delta, Delta) for delta in deltas)
    return [delta for delta in deltas if isinstance(delta, Delta)], last


async def refused(client: OllamaClient, kind: type[ModelCallError]) -> ModelCallError:
    """The error of a call to `plain`, of exactly this kind or finer."""
    with pytest.raises(kind) as caught:
        await asked(client, call())
    return caught.value


async def test_a_call_says_all_that_it_must(client: OllamaClient, fake: FakeOllama) -> None:
    deltas, generated = await asked(client, call(options=ModelOptions(seed=7, stop=("END",))))
    sent = fake.chats[0]
    body = sent.json
    assert body["options"] == {"num_predict": 1024, "seed": 7, "stop": ["END"], "num_ctx": NUM_CTX}
    assert (body["truncate"], body["shift"], body["keep_alive"]) == (False, False, -1)
    assert body["stream"] is True
    assert "think" not in body
    assert "format" not in body
    assert sent.headers["accept-encoding"] == "identity"
    assert "origin" not in sent.headers
    assert "".join(delta.text for delta in deltas) == generated.content
    assert generated.usage.completion_tokens == 20


async def test_times_are_told_apart(http: httpx.AsyncClient) -> None:
    async with FakeOllama(latency_s=0.05, load_s=0.03, tokens=5) as fake:
        client = OllamaClient(http, fake.url, Deadlines(), NUM_CTX)
        deltas, generated = await asked(client, call("fake"))
    timing = generated.timing
    assert len(deltas) > 1
    assert timing.load_ms >= 30
    assert timing.prompt_ms + timing.generate_ms >= 49
    assert timing.wall_ms >= timing.load_ms + timing.prompt_ms + timing.generate_ms
    assert timing.network_ms <= timing.wall_ms - 80


async def test_one_connection_serves_call_after_call(
    client: OllamaClient, fake: FakeOllama
) -> None:
    for _ in range(3):
        await asked(client, call())
    assert fake.connections == 1


async def test_o1_nobody_listens(http: httpx.AsyncClient) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = OllamaClient(http, url, Deadlines(), NUM_CTX)
        error = await refused(client, NodeUnreachable)
        assert error.retryable
        status = await client.status()
    assert (status.connected, status.error_code) == (False, "node_unreachable")


async def test_o1_a_black_hole(http: httpx.AsyncClient) -> None:
    """A full backlog swallows connection attempts, as a firewall does."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [_filler(deaf.getsockname()) for _ in range(4)]
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        try:
            client = OllamaClient(http, url, Deadlines(connect_s=0.2), NUM_CTX)
            await refused(client, NodeUnreachable)
        finally:
            for filler in fillers:
                filler.close()


def _filler(address: Any) -> socket.socket:
    filler = socket.socket()
    filler.setblocking(False)
    filler.connect_ex(address)
    return filler


async def test_o1_hung_up_before_an_answer(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.hang_up())
    assert (await refused(client, NodeUnreachable)).retryable


async def test_o2_model_absent(client: OllamaClient) -> None:
    with pytest.raises(ModelNotAvailable, match="'nobody' not found") as caught:
        await asked(client, call("nobody"))
    assert not caught.value.retryable
    with pytest.raises(ModelNotAvailable):
        await client.show("nobody")
    with pytest.raises(ModelNotAvailable):
        await client.load("nobody")


async def test_o3_load_queue_full(client: OllamaClient, fake: FakeOllama) -> None:
    message = "server busy, please try again.  maximum pending requests exceeded"
    fake.script("*", say.error(503, message))
    assert (await refused(client, ServerBusy)).retryable


async def test_o4_a_busy_model_sends_no_headers(
    quick: OllamaClient, client: OllamaClient, fake: FakeOllama
) -> None:
    fake.num_parallel = 1
    fake.script("*", say.Answer(latency_s=30))
    first = asyncio.create_task(asked(client, call()))
    await fake.until(lambda: len(fake.chats) == 1)
    error = await refused(quick, CallTimeout)
    assert "no first token within 0.15 s" in error.detail
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_o5_a_cold_load_has_a_budget_of_its_own(http: httpx.AsyncClient) -> None:
    """Silence before the first token may last longer than the stall budget allows later."""
    patient = Deadlines(first_token_s=5, stall_s=0.1, generation_s=5)
    async with FakeOllama(load_s=0.3) as fake:
        client = OllamaClient(http, fake.url, patient, NUM_CTX)
        assert (await asked(client, call("fake")))[1].timing.load_ms >= 300


async def test_o5_a_load_that_never_ends(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.error(500, "timed out waiting for llama-server to start - progress 0.40"))
    assert (await refused(client, ModelLoadFailed)).retryable


@pytest.mark.parametrize(
    "message",
    [
        "llama-server process has terminated: signal: killed",
        "llama runner process has terminated: exit status 2",
        "model requires more system memory (9.1 GiB) than is available (3.2 GiB)",
    ],
)
async def test_o6_load_failure(client: OllamaClient, fake: FakeOllama, message: str) -> None:
    fake.script("*", say.error(500, message))
    assert (await refused(client, ModelLoadFailed)).retryable


async def test_o7_crash_before_the_first_token(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.error(500, "model runner has unexpectedly stopped, this may be due to …"))
    assert (await refused(client, ModelCrashed)).retryable


async def test_o8_crash_in_the_stream(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.broken("half an answer", "an error was encountered while running"))
    error = await refused(client, ModelCrashed)
    assert error.partial == "half an answer"
    assert error.retryable


async def test_o9_end_without_done(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.unfinished("half an answer"))
    error = await refused(client, TruncatedStream)
    assert error.partial == "half an answer"
    assert error.retryable


async def test_o10_output_limit(client: OllamaClient) -> None:
    _, generated = await asked(client, call(options=ModelOptions(num_predict=3)))
    assert generated.truncated
    assert generated.content
    assert generated.usage.completion_tokens == 3


async def test_o11_never_a_silent_cut(client: OllamaClient, fake: FakeOllama) -> None:
    """A version that does not know `truncate` gives itself away by a full context."""
    fake.script("*", say.Answer(text="Sure."), say.Answer(prompt_tokens=NUM_CTX))
    await asked(client, call())
    assert fake.chats[0].json["truncate"] is False
    await refused(client, ContextOverflow)


async def test_o12_prompt_longer_than_the_context(client: OllamaClient, fake: FakeOllama) -> None:
    with pytest.raises(ContextOverflow, match="exceeds the available context size") as caught:
        await asked(client, call(text="word " * 5000))
    assert not caught.value.retryable
    fake.script("*", say.error(400, "the prompt is longer than the context length (4096)"))
    await refused(client, ContextOverflow)


async def test_o13_thinking_only_is_asked_again_without(
    client: OllamaClient, fake: FakeOllama
) -> None:
    only_thought = say.Answer(
        text="", thinking="Hmm, well", done_reason="length", prompt_tokens=10, completion_tokens=30
    )
    fake.script("thinker", only_thought, say.Answer(text="Yes.", completion_tokens=2))
    deltas, generated = await asked(client, call("thinker"))
    assert [request.json.get("think") for request in fake.chats] == [None, False]
    assert [delta.text for delta in deltas if not delta.thinking] == ["Yes."]
    assert generated.content == "Yes."
    assert not generated.truncated
    assert generated.usage.completion_tokens == 32, "both attempts were paid for"


async def test_o13_then_it_is_an_empty_answer(client: OllamaClient, fake: FakeOllama) -> None:
    fake.always("thinker", say.Answer(text="", thinking="Hmm"))
    with pytest.raises(EmptyAnswer, match="only thought"):
        await asked(client, call("thinker"))
    assert len(fake.chats) == 2


async def test_o13_an_empty_answer_without_thought_is_not_asked_again(
    client: OllamaClient, fake: FakeOllama
) -> None:
    fake.always("*", say.Answer(text=""))
    await refused(client, EmptyAnswer)
    assert len(fake.chats) == 1


async def test_o13_both_attempts_share_the_calls_time(
    client: OllamaClient, fake: FakeOllama
) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    fake.script("thinker", say.Answer(text="", thinking="Hmm", latency_s=0.4), say.silence())
    with pytest.raises(CallTimeout, match="own time"):
        await asked(client, call("thinker", timeout_s=0.5))
    assert clock() - began < 0.85


async def test_o13_thinking_where_the_model_cannot(client: OllamaClient, fake: FakeOllama) -> None:
    """`think: true` for a model that cannot is a 400; it is asked again without, and remembered."""
    for _ in range(2):
        assert (await asked(client, call(think=True)))[1].content
    assert [request.json.get("think") for request in fake.chats] == [True, None, None]


async def test_o14_a_format_turns_thinking_off(client: OllamaClient, fake: FakeOllama) -> None:
    _, generated = await asked(client, call("thinker", format=SCHEMA))
    assert fake.chats[0].json["think"] is False
    assert fake.chats[0].json["format"] == SCHEMA
    assert generated.thinking == ""
    assert isinstance(json.loads(generated.content)["score"], int)


async def test_o14_a_server_that_refuses_to_be_told_is_not_told(
    client: OllamaClient, fake: FakeOllama
) -> None:
    fake.script("plain", say.error(400, '"plain" does not support thinking'))
    await asked(client, call(format=SCHEMA))
    await asked(client, call(format=SCHEMA))
    assert [request.json.get("think") for request in fake.chats] == [False, None, None]


async def test_o15_white_space_without_end(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.endless(b'{"message":{"content":"\\n"},"done":false}\n'))
    assert (await refused(client, RunawayOutput)).retryable
    await fake.until(lambda: fake.cancelled)


async def test_o16_bad_schema(client: OllamaClient, fake: FakeOllama) -> None:
    message = 'invalid format: "{"; expected "json" or a valid JSON Schema object'
    fake.script("*", say.error(500, message), say.error(400, message))
    assert not (await refused(client, BadCall)).retryable
    await refused(client, BadCall)


async def test_o17_model_of_the_wrong_kind(client: OllamaClient) -> None:
    with pytest.raises(ModelNotUsable, match="does not support chat"):
        await asked(client, call("embedder"))


async def test_o18_load_and_unload(client: OllamaClient, fake: FakeOllama) -> None:
    await client.load("plain")
    (held,) = (await client.status()).loaded
    assert (held.name, held.context_length, held.expires_at) == ("plain", NUM_CTX, None)
    await asked(client, call())
    assert fake.memory.loads == [("plain", NUM_CTX)], "a call must not load again"
    await client.unload("plain")
    assert (await client.status()).loaded == ()


@pytest.mark.parametrize("reason", ["load", "unload"])
async def test_o18_a_load_is_never_an_answer(
    client: OllamaClient, fake: FakeOllama, reason: str
) -> None:
    done = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason}
    fake.script("*", say.lines(done))
    await refused(client, EmptyAnswer)


async def test_o19_malformed_body(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.error(400, "json: cannot unmarshal string into Go struct field"))
    assert not (await refused(client, BadCall)).retryable


async def test_o20_somebody_elses_departure(client: OllamaClient, fake: FakeOllama) -> None:
    """Who waits for a load that another client gave up may see a 499: worth another try."""
    fake.script("*", say.error(499, "request canceled"))
    assert (await refused(client, ModelLoadFailed)).retryable


@pytest.mark.parametrize("reply", [say.silence(), say.silence("half"), say.Answer(latency_s=30)])
async def test_o21_cancelling_closes_the_connection(
    client: OllamaClient, fake: FakeOllama, reply: Any
) -> None:
    fake.script("*", reply)
    task = asyncio.create_task(asked(client, call()))
    await fake.until(lambda: fake.chats)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.until(lambda: fake.cancelled, within_s=1)


async def test_o21_closing_the_iterator_closes_the_connection(
    client: OllamaClient, fake: FakeOllama
) -> None:
    fake.script("*", say.silence("half"))
    async with aclosing(client.chat(call())) as items:
        assert await anext(items) == Delta(text="half")
    await fake.until(lambda: fake.cancelled, within_s=1)


async def test_o22_cut_in_mid_answer(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.unfinished("half an answer", cut=True))
    error = await refused(client, ModelCrashed)
    assert error.partial == "half an answer"
    assert error.retryable


async def test_o22_the_server_stops(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.silence("half"))
    items = client.chat(call())
    await anext(items)
    await fake.stop()
    with pytest.raises(ModelCrashed):
        await anext(items)


async def test_o23_host_or_origin_refused(client: OllamaClient, fake: FakeOllama) -> None:
    fake.always(lambda request: True, say.body(403))
    error = await refused(client, NodeRefused)
    assert "OLLAMA_HOST" in error.detail
    assert (await client.status()).error_code == "node_refused"


@pytest.mark.parametrize("code", [401, 403])
async def test_o24_cloud_model_signed_out(
    client: OllamaClient, fake: FakeOllama, code: int
) -> None:
    url = "https://ollama.com/connect?name=pc&key=c2VjcmV0"
    fake.script("*", say.error(code, f"unauthorized, see {url}", signin_url=url))
    error = await refused(client, ModelNotUsable)
    assert "http" not in str(error)
    assert "c2VjcmV0" not in str(error)


async def test_o25_a_web_page(client: OllamaClient, fake: FakeOllama) -> None:
    fake.always(lambda request: True, say.body(200, "<html>Hello</html>", "text/html"))
    assert not (await refused(client, NotOllama)).retryable
    assert (await client.status()).error_code == "not_ollama"


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain; charset=utf-8"])
async def test_o25_json_under_another_name(
    client: OllamaClient, fake: FakeOllama, kind: str
) -> None:
    whole = {"message": {"content": "Yes."}, "done": True, "done_reason": "stop"}
    fake.script("*", say.body(200, json.dumps(whole), kind))
    await refused(client, NotOllama)


async def test_o25_another_api(client: OllamaClient, fake: FakeOllama) -> None:
    fake.always(lambda request: True, say.body(200, '{"hello": 1}', "application/json"))
    await refused(client, NotOllama)
    assert (await client.status()).error_code == "not_ollama"


async def test_o25_a_redirect_is_not_followed(client: OllamaClient, fake: FakeOllama) -> None:
    async with FakeOllama(["plain"]) as elsewhere:
        fake.always(lambda request: True, say.redirect(elsewhere.url + "/api/chat"))
        assert "redirects" in (await refused(client, NotOllama)).detail
        assert (await client.status()).error_code == "not_ollama"
        assert elsewhere.requests == []


async def test_o25_a_gzip_bomb_is_not_opened(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.bomb())
    await refused(client, NotOllama)


async def test_o25_not_even_http(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.raw(b"220 ftp ready\r\n\r\n", head=False))
    await refused(client, NotOllama)


@pytest.mark.parametrize(
    "reply",
    [
        say.endless(b"x" * 65536),
        say.endless(b"x" * 65536, content_type="text/html"),
        say.endless(b"x" * 65536, status=500),
    ],
)
async def test_o25_ten_gigabytes_are_not_read(
    client: OllamaClient, fake: FakeOllama, reply: Any
) -> None:
    fake.script("*", reply)
    await refused(client, NotOllama)
    await fake.until(lambda: fake.cancelled)


async def test_o25_a_whole_body_is_capped(
    client: OllamaClient, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_BODY", 100_000)
    fake.script(_to("/api/tags"), say.endless(b"[" * 65536, content_type="application/json"))
    assert (await client.status()).error_code == "not_ollama"
    await fake.until(lambda: fake.cancelled)


@pytest.mark.parametrize("code", [200, 500])
async def test_o25_a_byte_at_a_time_is_silence(
    quick: OllamaClient, fake: FakeOllama, code: int
) -> None:
    """Bytes that never make a line are no progress."""
    fake.script("*", say.dribble(0.02, code))
    error = await refused(quick, CallTimeout if code == 200 else NotOllama)
    assert code != 200 or "no first token" in error.detail
    await fake.until(lambda: fake.cancelled)


async def test_o26_a_stream_event_too_large(client: OllamaClient, fake: FakeOllama) -> None:
    message = "llama-server response stream event exceeded 8 MB limit"
    fake.script("*", say.broken("half", message))
    assert (await refused(client, ModelCrashed)).partial == "half"


async def test_o27_odd_but_legal(client: OllamaClient, fake: FakeOllama) -> None:
    """Split characters, CRLF, blank lines, missing fields, a late chunk, no last line break."""
    text = '{"message":{"content":"né"},"done":false}\r\n'.encode()
    split = text.index(b"\xc3") + 1
    end = b'{"done":true}\n{"message":{"content":" late"}}'
    fake.script("*", say.raw(text[:split], text[split:], b"\n\r\n", end, pause_s=0.01))
    _, generated = await asked(client, call())
    assert generated.content == "né late"


async def test_o27_after_the_last_line_nothing_can_go_wrong(
    client: OllamaClient, fake: FakeOllama
) -> None:
    whole = {"message": {"content": "All of it."}, "done": True, "done_reason": "stop"}
    fake.script("*", say.lines(whole, cut=True), say.lines(whole, {"error": "late"}))
    for _ in range(2):
        assert (await asked(client, call()))[1].content == "All of it."


async def test_o27_an_answer_is_complete_although_the_stream_never_ends(
    client: OllamaClient, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "DRAIN_S", 0.05)
    whole = b'{"message":{"content":"All of it."},"done":true}\n'
    fake.script("*", say.raw(whole, pause_s=30))
    async with asyncio.timeout(10):
        assert (await asked(client, call()))[1].content == "All of it."
    await fake.until(lambda: fake.cancelled, within_s=1)


async def test_a_stall_in_mid_answer(quick: OllamaClient, fake: FakeOllama) -> None:
    fake.script("*", say.silence("half"))
    error = await refused(quick, CallTimeout)
    assert error.partial == "half"
    assert "silent for 0.15 s" in error.detail
    await fake.until(lambda: fake.cancelled, within_s=1)


async def test_an_answer_without_end(http: httpx.AsyncClient, fake: FakeOllama) -> None:
    """Progress all the time, but longer than GENERATION_TIMEOUT from the first token."""
    fake.script("*", say.endless(b'{"message":{"content":"on and "},"done":false}\n'))
    patient = OllamaClient(http, fake.url, Deadlines(generation_s=0.3), NUM_CTX)
    error = await refused(patient, CallTimeout)
    assert "0.3 s after the first token" in error.detail
    assert error.partial.startswith("on and on")


async def test_a_slow_reader_is_not_the_servers_silence(
    quick: OllamaClient, fake: FakeOllama
) -> None:
    """The stall budget counts the server's silence, not the time that the caller takes."""
    fake.script("*", say.Answer(text="one two", latency_s=0.05))
    heard = []
    async for item in quick.chat(call()):
        heard.append(item)
        await asyncio.sleep(0.2)  # longer than the stall budget
    assert isinstance(heard[-1], Generated)


async def test_status_tells_what_a_server_has(client: OllamaClient, fake: FakeOllama) -> None:
    await client.load("thinker")
    status = await client.status()
    assert status.connected
    assert status.version == fake.version
    assert {model.name for model in status.installed} == {"plain", "thinker", "embedder"}
    assert [model.name for model in status.loaded] == ["thinker"]
    assert status.warnings == ()
    assert (await client.show("thinker")).capabilities == ("completion", "thinking")
    assert (await client.show("plain")).context_length == 8192


async def test_status_warns_of_a_dangerous_version(client: OllamaClient, fake: FakeOllama) -> None:
    fake.version = "0.16.3"
    assert "0.17.1" in (await client.status()).warnings[0]


async def test_status_of_a_version_without_ps(client: OllamaClient, fake: FakeOllama) -> None:
    fake.script(_to("/api/ps"), say.body(404, "404 page not found", "text/plain"))
    status = await client.status()
    assert status.connected
    assert status.loaded == ()


@pytest.mark.parametrize("path", ["/api/version", "/api/tags", "/api/ps"])
async def test_status_never_waits_for_ever(
    quick: OllamaClient, fake: FakeOllama, path: str
) -> None:
    fake.script(_to(path), say.silence())
    status = await quick.status()
    assert (status.connected, status.error_code) == (False, "timeout")


async def test_proxies_do_not_carry_loopback_traffic(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with new_http_client() as http:
        client = OllamaClient(http, fake.url, Deadlines(), NUM_CTX)
        assert (await client.status()).connected


def _to(path: str) -> Any:
    def matches(request: Request) -> bool:
        return request.path == path

    return matches


async def test_a_model_that_only_embeds_is_loaded_by_that(http: httpx.AsyncClient) -> None:
    wanted = Embedding(inputs=("Hello", "you"), dimensions=4)
    async with FakeOllama([FakeModel("e:1", ("embedding",))]) as fake:
        client = OllamaClient(http, fake.url, Deadlines(), NUM_CTX)
        await client.load("e:1")
        assert fake.memory.loads == [("e:1", NUM_CTX)]
        parent = f"00-{'c' * 32}-{'d' * 16}-01"
        made = await client.embed(call("e:1", embed=wanted, origin=Origin(traceparent=parent)))
        assert fake.requests[-1].headers["traceparent"] == parent
        assert [len(vector) for vector in made.vectors] == [4, 4]
        assert made.usage.prompt_tokens == 2 and made.timing.total_ns > 0
        sent = fake.requests[-1].json
        assert (sent["truncate"], sent["options"]) == (True, {"num_ctx": NUM_CTX})
        await client.unload("e:1")
        assert not fake.memory.resident
        with pytest.raises(ModelNotUsable):
            await asked(client, call("e:1"))


@pytest.mark.parametrize(
    "told", [None, [], [[0.5]], [[0.5], ["x"]], [[0.5], 1], [[0.5], [float("inf")]]]
)
async def test_what_are_no_vectors_is_no_answer(
    client: OllamaClient, fake: FakeOllama, told: object
) -> None:
    body = json.dumps({"model": "plain", "embeddings": told})
    fake.script(
        lambda request: request.path == "/api/embed", say.body(200, body, "application/json")
    )
    with pytest.raises(NotOllama):
        await client.embed(call(embed=Embedding(inputs=("Hello", "you"))))
