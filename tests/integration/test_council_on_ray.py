"""A whole council on a local Ray: orchestrator, chairman and agents as actors, HTTP over Serve."""

import base64
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve_app.clients.conversation import UNSEEN
from tests.fakes import FakeOllama
from tests.fakes.collector import FakeCollector, attributes, collecting
from tests.served_council import served_council

pytestmark = pytest.mark.integration

REQUEST = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": "alpha"}, {"model": "beta"}, {"model": "alpha"}],
    "chairman_model": "gamma",
}


@pytest.fixture(scope="module")
def sent(local_ray: None) -> Iterator[FakeCollector]:
    """Where traces go. Ray was started before these variables were there."""
    with collecting() as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", fake.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        yield fake


@pytest.fixture(scope="module")
def url(sent: FakeCollector) -> Iterator[str]:
    with served_council() as url:
        yield url


def test_a_question_over_http_ends_with_an_answer(url: str) -> None:
    answer = httpx.post(f"{url}/api/council/query", json=REQUEST, timeout=60)
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert session["stage"] == "complete"
    assert len(session["opinions"]) == 3
    assert all(len(review["rankings"]) == 2 for review in session["reviews"])
    assert session["final_answer"]["chairman_model"].startswith("gamma")
    assert session["opinions"][0]["node"] == "pc1"


def test_events_stream_deltas_and_end_with_the_close(url: str) -> None:
    accepted = httpx.post(f"{url}/api/council/sessions", json=REQUEST, timeout=30)
    assert accepted.status_code == 202
    kinds = []
    with httpx.stream("GET", f"{url}{accepted.headers['location']}/events", timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                kinds.append(json.loads(line[5:])["kind"])
    assert kinds[0] == "session_started"
    assert kinds[-1] == "session_closed"
    assert {"opinion", "review", "ranking", "final_answer"} <= set(kinds)


def test_a_trace_comes_over_ray_and_names_what_ollama_was_told(
    url: str, sent: FakeCollector, fake_ollama: FakeOllama
) -> None:
    parent = f"00-{'c' * 32}-{'d' * 16}-01"
    before = len(fake_ollama.chats)
    answer = httpx.post(
        f"{url}/api/council/query", json=REQUEST, headers={"traceparent": parent}, timeout=60
    )
    told = {chat.headers["traceparent"].split("-")[2] for chat in fake_ollama.chats[before:]}
    trace: dict[str, Any] = {}
    until = time.monotonic() + 10
    while "invoke_workflow llm-council" not in trace.values():
        assert time.monotonic() < until, "the trace did not come"
        time.sleep(0.02)
        ours = [span for span in sent.spans() if span.trace_id.hex() == "c" * 32]
        trace = {span.span_id.hex(): span.name for span in ours}
    root = next(span for span in ours if span.name.startswith("invoke_workflow"))
    assert root.parent_span_id.hex() == "d" * 16
    assert attributes(root)["council.session.id"] == answer.json()["session_id"]
    assert told and {trace[span_id].split()[0] for span_id in told} == {"chat"}


def test_lines_of_the_log_land_in_the_workers_file_once(url: str) -> None:
    import ray

    drain = f"{url}/api/cluster/nodes/pc1/drain"
    assert httpx.post(drain, json={}, timeout=30).is_success
    assert httpx.delete(drain, timeout=30).is_success
    folder = Path(ray._private.worker._global_node.get_logs_dir_path())
    lines = [line for path in folder.glob("worker-*") for line in path.read_text().splitlines()]
    [line] = [json.loads(line) for line in lines if "pc1 is serving" in line]
    assert (line["pc"], line["process"]) == ("pc1", "orchestrator")
    assert (line["level"], line["logger"]) == ("INFO", "cluster.duties")


def test_a_photograph_reaches_the_model_whole(url: str, fake_ollama: FakeOllama) -> None:
    """10 MB of it, through the API, Ray's object store and the agent, to Ollama."""
    photograph = base64.b64encode(random.Random(1).randbytes(10_000_000)).decode()
    parts = [
        {"type": "text", "text": "Who is it?"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{photograph}"}},
    ]
    asked = {"model": "alpha", "messages": [{"role": "user", "content": parts}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    assert fake_ollama.chats[-1].json["messages"][-1]["images"] == [photograph]
    chat = [*asked["messages"], {"role": "assistant", "content": "A cat."},
            {"role": "user", "content": "Its name?"}]  # fmt: skip
    asked, before = {"model": "council-fast", "messages": chat}, len(fake_ollama.chats)
    answer = httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    told = [call.body.decode() for call in fake_ollama.chats[before:]]
    assert told and all(UNSEEN in body and photograph[:50] not in body for body in told)


def test_ollamas_clients_are_served_over_ray(url: str, fake_ollama: FakeOllama) -> None:
    with httpx.Client(base_url=f"{url}/ollama/api", timeout=60) as http:
        made = http.post("/embed", json={"model": "alpha", "input": ["Hello", "you"]}).json()
        assert [len(vector) for vector in made["embeddings"]] == [8, 8]
        assert fake_ollama.requests[-1].path == "/api/embed"
        shown = http.post("/show", json={"model": "alpha"}).json()
        assert shown["capabilities"] == ["completion"]
        said = http.post("/chat", json={"model": "alpha", "messages": [
            {"role": "user", "content": "Why?"}], "stream": False}).json()  # fmt: skip
        assert said["message"]["content"] and said["done"]
        missing = http.post("/embed", json={"model": "nobody", "input": "x"})
        assert (missing.status_code, list(missing.json())) == (404, ["error"])
