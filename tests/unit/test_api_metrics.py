"""`GET /metrics`: what is counted of HTTP itself, in which format, and what is said when the
council cannot be asked."""

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from ray.exceptions import ActorUnavailableError

from actors.errors import CouncilUnavailable
from cluster import ray_council
from cluster.ray_council import RayCouncil
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil

CONFIG = ApiConfig("1", "3.11", "2.60")
OM = "application/openmetrics-text"
PROMETHEUS = f"{OM};version=1.0.0;q=0.75,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5"


def client(council: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_api(council, CONFIG), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def counted(text: str, name: str) -> dict[tuple[str, ...], float]:
    (family,) = [family for family in plain(text) if family.name == name]
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


async def test_requests_are_counted_by_the_templates_of_routes() -> None:
    async with client(FakeCouncil(held=True)) as http:
        session = (await http.post("/api/council/sessions", json={"query": "Why?"})).json()
        for path in (session["session_id"], "0" * 32, "nobody"):
            await http.get(f"/api/council/sessions/{path}")
        await http.request("BREW", "/health")
        await http.get("/nowhere")
        text = (await http.get("/metrics")).text
    one = "/api/council/sessions/{session_id}"
    assert counted(text, "council_http_requests") == {
        ("POST", "/api/council/sessions", "202"): 1,
        ("GET", one, "200"): 1,
        ("GET", one, "404"): 1,
        ("GET", one, "422"): 1,
        ("other", "/health", "405"): 1,
        ("GET", "unrouted", "404"): 1,
    }
    assert counted(text, "council_requests_refused") == {
        ("session_not_found",): 1,
        ("invalid_request",): 1,
        ("method_not_allowed",): 1,
        ("not_found",): 1,
    }
    assert counted(text, "council_open_sessions") == {(): 1}


async def test_what_is_refused_in_the_words_of_other_protocols_is_counted() -> None:
    said = [{"role": "user", "content": "Why?"}]
    async with client(FakeCouncil()) as http:
        for path, body in (
            ("/v1/chat/completions", {"model": "council", "messages": said, "n": 2}),
            ("/v1/chat/completions", {"model": "council", "messages": []}),
            ("/v1/responses", {"model": "council", "input": "Why?", "prompt": {"id": "x"}}),
            ("/v1/completions", {"model": "council", "prompt": "Why?"}),
            ("/ollama/api/chat", {"model": "council", "messages": "x"}),
            ("/ollama/api/chat", {"model": "nobody", "messages": said}),
            ("/ollama/api/pull", {"model": "x"}),
        ):
            assert (await http.post(path, json=body)).status_code >= 400
        text = (await http.get("/metrics")).text
    assert counted(text, "council_requests_refused") == {
        ("invalid_request",): 4,
        ("not_found",): 1,
        ("model_not_available",): 1,
        ("forbidden",): 1,
    }


async def test_a_council_that_failed_is_not_a_refusal_and_a_mistake_of_ours_is_one() -> None:
    council = FakeCouncil(error_code="no_opinions")
    async with client(council) as http:
        failed = await http.post("/api/council/query", json={"query": "Why?"})
        council.failure = KeyError("a bug")
        broken = await http.post("/api/council/query", json={"query": "Why?"})
        council.failure = None
        text = (await http.get("/metrics")).text
    assert (failed.status_code, broken.status_code) == (502, 500)
    assert counted(text, "council_requests_refused") == {("internal",): 1}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4"),
        (PROMETHEUS, f"{OM}; version=1.0.0"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0"),
        (f"{OM};version=canary, {OM}; version=1.0.canary", f"{OM}; version=1.0.0"),
        (f"text/plain;version={'9' * 500}", "text/plain; version=0.0.4"),
        ("a/b;" * 1_000, "text/plain; version=0.0.4"),
    ],
)
async def test_the_format_is_the_one_asked_for(accept: str, media_type: str) -> None:
    async with client(FakeCouncil()) as http:
        await http.get("/health")
        answer = await http.get("/metrics", headers={"Accept": accept})
    told = answer.headers["content-type"]
    assert answer.status_code == 200 and told.startswith(media_type)
    assert "canary" not in told and "999" not in told
    families = openmetrics(answer.text) if told.startswith(OM) else plain(answer.text)
    assert "council_http_requests" in {family.name for family in families}


class Orchestrator:
    """An actor's handle: `meters.remote()` gives what a reference to it would."""

    def __init__(self, answer: Any) -> None:
        self.meters = self
        self._answer = answer

    def remote(self) -> Any:
        return self._answer()


async def never() -> None:
    await asyncio.Event().wait()


async def restarting() -> None:
    raise ActorUnavailableError("It restarts.", None)


@pytest.mark.parametrize("answer", [never, restarting])
async def test_a_council_that_restarts_or_hangs_is_a_503_soon(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_council, "SCRAPE_S", 0.05)
    async with client(RayCouncil(lambda: Orchestrator(answer))) as http, asyncio.timeout(5):
        refused = await http.get("/metrics")
    assert (refused.status_code, refused.json()["code"]) == (503, CouncilUnavailable.code)
