"""A whole council on a local Ray: orchestrator, chairman and agents as actors, HTTP over Serve."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes import FakeOllama
from tests.fakes.replies import silence
from tests.ray_processes import actor_process

pytestmark = pytest.mark.integration

REQUEST = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": "alpha"}, {"model": "beta"}, {"model": "alpha"}],
    "chairman_model": "gamma",
}


@pytest.fixture(scope="module")
def url(local_ray: None) -> Iterator[str]:
    """Where the council is served, over the session's Ray."""
    from ray import serve

    from cluster import head
    from cluster.ray_council import RayCouncil
    from cluster.settings import Settings
    from serve_app import app
    from serve_app.deploy import api_config

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    settings = Settings.having(port=free_port)
    orchestrator = head.start_council(settings)
    app.run(
        lambda: RayCouncil(head.find_orchestrator), api_config(settings), settings.host, free_port
    )
    ready = f"{settings.api_url}/health/ready"
    until = time.monotonic() + 60
    while httpx.get(ready, timeout=30).status_code != 200:
        assert time.monotonic() < until, "the council did not get ready"
        time.sleep(0.1)
    yield settings.api_url
    serve.shutdown()
    import ray

    ray.kill(orchestrator)


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


def test_row_1_an_orchestrator_that_is_killed_goes_on_and_asks_nobody_again(
    url: str, fake_ollama: FakeOllama
) -> None:
    """SIGKILL in stage 1; the client comes back with the last id: no gap, no repeat."""
    fake_ollama.script("beta", silence("So far"))
    before = len(fake_ollama.chats)
    accepted = httpx.post(f"{url}/api/council/sessions", json=REQUEST, timeout=30)
    path = f"{url}{accepted.headers['location']}"
    seen: list[int] = []
    opinions = 0
    with httpx.stream("GET", f"{path}/events", timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("id:"):
                seen.append(int(line[3:]))
            opinions += line == "event: opinion"
            if opinions == 2:
                break
    actor_process("ray::CouncilOrchestrator").kill()
    with httpx.stream(
        "GET", f"{path}/events", headers={"Last-Event-ID": str(seen[-1])}, timeout=90
    ) as stream:
        seen += [int(line[3:]) for line in stream.iter_lines() if line.startswith("id:")]
    session = httpx.get(path, timeout=30).json()
    assert session["stage"] == "complete"
    assert not session["degraded"]
    assert seen == list(range(1, len(seen) + 1))
    models = [request.json["model"] for request in fake_ollama.chats[before:]]
    assert sorted(models) == sorted(["alpha"] * 4 + ["beta"] * 3 + ["gamma"])


def test_row_4_a_killed_chairman_only_repeats_the_synthesis(
    url: str, fake_ollama: FakeOllama
) -> None:
    fake_ollama.script("gamma", silence("So far"))
    before = len(fake_ollama.chats)
    accepted = httpx.post(f"{url}/api/council/sessions", json=REQUEST, timeout=30)
    path = f"{url}{accepted.headers['location']}"
    with httpx.stream("GET", f"{path}/events", timeout=30) as stream:
        for line in stream.iter_lines():
            if line == "event: synthesis_delta":
                break
    actor_process("ray::ChairmanActor").kill()
    killed_at = time.monotonic()
    ended = httpx.get(f"{path}/events", timeout=60)
    assert time.monotonic() - killed_at < 40, "the dead chairman's call kept the agent's slot"
    assert "event: session_closed" in ended.text
    session = httpx.get(path, timeout=30).json()
    assert session["stage"] == "complete"
    assert session["final_answer"]["fallback"] is None
    assert session["final_answer"]["attempts"] == 2
    assert len(fake_ollama.chats) - before == 8
