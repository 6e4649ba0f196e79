"""A whole council on a local Ray: orchestrator, chairman and agents as actors, HTTP over Serve."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.served_council import served_council

pytestmark = pytest.mark.integration

REQUEST = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": "alpha"}, {"model": "beta"}, {"model": "alpha"}],
    "chairman_model": "gamma",
}


@pytest.fixture(scope="module")
def url(local_ray: None) -> Iterator[str]:
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
