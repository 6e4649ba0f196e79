"""The fake itself: Ollama's official client reads it, and it runs as a process of its own."""

import asyncio
import signal
import sys

import httpx
import ollama
import pytest

from tests.fakes import FakeModel, FakeOllama, threaded

pytestmark = pytest.mark.wire
ASKED = [{"role": "user", "content": "Why?"}]


async def test_ollamas_own_client_understands_the_fake() -> None:
    """The official client parses every shape with its own models."""
    async with FakeOllama([FakeModel("m:1b", ("completion", "thinking"))], tokens=7) as fake:
        client = ollama.AsyncClient(host=fake.url)
        await client.generate("m:1b", "", keep_alive=-1)
        (held,) = (await client.ps()).models
        assert (held.name, held.context_length) == ("m:1b", 4096)
        assert held.expires_at and held.expires_at.year == 2318
        (kept,) = (await client.list()).models
        assert kept.model == "m:1b" and kept.details and kept.details.family == "llama"
        shown = await client.show("m:1b")
        assert shown.capabilities == ["completion", "thinking"]
        assert shown.modelinfo and shown.modelinfo["llama.context_length"] == 8192
        chunks = [c async for c in await client.chat("m:1b", ASKED, think=False, stream=True)]
        assert len(chunks) == 8
        assert (chunks[-1].done_reason, chunks[-1].eval_count) == ("stop", 7)
        with pytest.raises(ollama.ResponseError, match="not found"):
            await client.chat("nobody", ASKED)
        await client._client.aclose()


async def test_the_least_recently_used_model_goes_first() -> None:
    async with FakeOllama(["a", "b", "c"], max_loaded=2) as fake, httpx.AsyncClient() as http:
        for model in ("a", "b", "a", "c"):
            await http.post(f"{fake.url}/api/chat", json={"model": model, "messages": ASKED})
        assert set(fake.memory.resident) == {"a", "c"}
        assert [model for model, _ in fake.memory.loads] == ["a", "b", "c"]


async def test_another_context_loads_the_model_again() -> None:
    async with FakeOllama(["a"]) as fake, httpx.AsyncClient() as http:
        for num_ctx in (4096, 4096, 8192):
            body = {"model": "a", "messages": ASKED, "options": {"num_ctx": num_ctx}}
            await http.post(f"{fake.url}/api/chat", json=body)
        assert fake.memory.loads == [("a", 4096), ("a", 8192)]


def test_it_serves_from_a_thread() -> None:
    with threaded(FakeOllama(["a"])) as fake:
        assert httpx.get(f"{fake.url}/api/version").json() == {"version": fake.version}


async def test_it_serves_from_a_process_that_can_be_scripted() -> None:
    module = [sys.executable, "-m", "tests.fakes", "--models", "a,b", "--tokens", "3"]
    process = await asyncio.create_subprocess_exec(*module, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    url = (await process.stdout.readline()).decode().strip()
    script = {"model": "a", "replies": [{"kind": "error", "status": 503, "message": "server busy"}]}
    async with httpx.AsyncClient(base_url=url) as http:
        await http.post("/fake/script", json=script)
        body = {"model": "a", "messages": ASKED}
        codes = [(await http.post("/api/chat", json=body)).status_code for _ in range(2)]
        told = (await http.get("/fake/requests")).json()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert codes == [503, 200]
    assert [request["json"]["model"] for request in told["requests"]] == ["a", "a"]
