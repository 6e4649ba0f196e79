"""Row 45 of faults.md: what is secret stays where it belongs, over the whole real API.

Canaries sit in keys, in the environment, in questions, in system prompts and in answers. A
session's own routes show the question and the answers, to whoever has the key. Nothing else does.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from actors.agent import AgentConfig, OllamaAgent
from actors.chairman import ChairmanActor
from actors.council.asking.briefs import worker_call
from actors.errors import CouncilUnavailable
from actors.messages.calls import CallFailed, GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.requests import WorkerRequest
from actors.mistakes import told, told_elsewhere
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import CouncilOrchestrator
from cluster import api_keys
from cluster.api_keys import digest
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, api
from tests.local_council import LocalCouncil, LocalHosts
from tests.scripted import ScriptedPool, plausible, stage_of_call

WORD = "canary4711"
KEY, JOIN, WRONG = f"{WORD}key", f"{WORD}join", f"{WORD}wrong"
PROMPT, SYSTEM, ANSWER, ENV = f"{WORD}prompt", f"{WORD}system", f"{WORD}answer", f"{WORD}env"
QUESTION = {
    "query": f"Why? {PROMPT}",
    "selected_agents": [{"model": "a:1", "system": SYSTEM}, {"model": "b:1"}],
}
ENVIRONMENT = ("COUNCIL_JOIN_TOKEN", "RAY_AUTH_TOKEN", "COUNCIL_API_KEY", "AWS_SECRET_ACCESS_KEY")
PUBLIC = [
    *("/", "/docs", "/openapi.json", "/metrics", "/health", "/health/ready", "/health/system"),
    *("/health/ollama", "/health/models", "/api/health", "/api/health/ready", "/api/health/system"),
    *("/api/health/ollama", "/api/health/models", "/api/council/models", "/api/cluster/nodes"),
    *("/favicon.ico", "/debug", "/traces", "/api/health/metrics", "/env", "/.env"),
]
Script = Callable[[GenerateCall], Any]


def chatty(call: GenerateCall) -> str:
    """Every author repeats a canary, and what it was told."""
    if call.call_id.count(":") == 2 and stage_of_call(call) != "opinions":
        return str(plausible(call))
    return " ".join([ANSWER, *(message.content for message in call.messages)])


@asynccontextmanager
async def serving(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: Script = chatty
) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    """The real API and orchestrator, locked by `KEY`; the client shows it."""
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, ENV)
    (home / "api_key").write_text(KEY)
    api_keys.take_in_own(home, datetime.now(UTC))
    pool = ScriptedPool(models=("a:1", "b:1"), script=script)
    orchestrator = CouncilOrchestrator(
        OrchestratorConfig(store_path=home / "sessions.db"), lambda: pool, ChairmanActor()
    )
    hosts = LocalHosts(deadlines=Deadlines(), num_ctx=4096)
    config = ApiConfig(
        *("1", "3.11", "2.60"),
        require_key=True,
        keys_file=api_keys.path(home),
        join_token_sha256=digest(JOIN),
        hosts=("council",),
    )
    app = build_api(LocalCouncil(orchestrator, hosts), config)
    try:
        async with asyncio.timeout(20), client(app, KEY) as http:
            yield http, app
    finally:
        await orchestrator.close()


def client(app: FastAPI, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://council",
        headers={"Authorization": f"Bearer {key}"},
    )


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged as its reader sees it, tracebacks too; without the test's own client."""
    form = logging.Formatter("%(levelname)s %(name)s %(message)s")
    ours = (
        record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    return "\n".join(map(form.format, ours))


def whole(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.headers} {answer.text}"


async def test_row_45_of_a_council_that_sits_nothing_is_told_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, monkeypatch) as (http, _):
        key = {"Idempotency-Key": f"{WORD}-idempotency"}
        session = (await http.post("/api/council/query", json=QUESTION, headers=key)).json()
        assert session["stage"] == "complete"
        assert all(ANSWER in opinion["content"] for opinion in session["opinions"])
        where = f"/api/council/sessions/{session['session_id']}"
        for path in ("", "/events", "/export", "/export?format=json"):
            told = await http.get(where + path)
            assert PROMPT in told.text and ANSWER in told.text
            assert not any(secret in whole(told) for secret in (KEY, JOIN, ENV, "idempotency"))
        assert PROMPT in (await http.get(f"/api/council/sessions?q={PROMPT}")).text
        for path in PUBLIC:
            shown = whole(await http.get(path))
            assert WORD not in shown and session["session_id"] not in shown, path
        assert "council_tokens_total" in (await http.get("/metrics")).text
        one = {"model": "a:1", "prompt": PROMPT, "system": SYSTEM}
        assert (await http.post("/api/generate", json=one)).status_code == 200
        assert WORD not in whole(await http.post("/api/council/tickets", json={}))
        assert (await http.delete(where + "?purge=true")).status_code == 204
        assert WORD not in whole(await http.get(where))
    assert WORD not in logged(caplog)


async def test_row_45_no_refusal_repeats_what_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, monkeypatch) as (http, app):
        ask, keyed = "/api/council/sessions", {"Idempotency-Key": f"{WORD}-idempotency"}
        (await http.post(ask, json=QUESTION, headers=keyed)).raise_for_status()
        refused = [
            await http.post(ask, json={"query": f"Other {PROMPT}"}, headers=keyed),
            await http.post(ask, json={"query": PROMPT * 10_000}),
            await http.post(ask, json={"query": [PROMPT]}),
            await http.post(ask, json={"query": PROMPT, "deadline_s": PROMPT}),
            await http.post(ask, json={"query": PROMPT, "chairman_model": f"../{PROMPT}"}),
            await http.post(ask, json={"query": PROMPT, "selected_agents": [PROMPT]}),
            await http.post(ask, json={**QUESTION, "chairman_model": "nobody:1"}),
            await http.post(ask, content=f'{{"query": "{PROMPT}", "query": "{PROMPT}"}}',
                            headers={"Content-Type": "application/json"}),
            await http.post(ask, content=f'{{"query": "{PROMPT}',
                            headers={"Content-Type": "application/json"}),
            await http.post(ask, content=PROMPT, headers={"Content-Type": PROMPT}),
            await http.post(ask, json=QUESTION, headers={"Origin": f"http://{PROMPT}"}),
            await http.post(ask, json=QUESTION, headers={"Idempotency-Key": f"{PROMPT} x"}),
            await http.post("/api/generate", json={"model": "a:1", "prompt": {"x": PROMPT}}),
            await http.get(f"{ask}/{PROMPT}"),
            await http.get(f"{ask}?limit={PROMPT}"),
            await http.get(f"{ask}?before={PROMPT}"),
            await http.get(f"/{PROMPT}?q={PROMPT}"),
            await http.get("/health", headers={"Host": PROMPT}),
            await http.get("/health", headers={"X-Long": PROMPT * 10_000}),
            await http.request(PROMPT.upper(), "/health"),
            await http.get(f"/health?token={KEY}"),
            await http.get(f"{ask}/x/events?ticket={WRONG}", headers={"Authorization": ""}),
        ]  # fmt: skip
        async with client(app, WRONG) as stranger:
            refused += [await stranger.get(path) for path in ("/health", "/openapi.json", ask)]
            refused += [await stranger.get("/health", headers={"Authorization": f"Basic {WRONG}"})]
    for answer in refused:
        assert answer.status_code in range(400, 432), whole(answer)
        assert answer.headers["content-type"] == "application/problem+json"
        assert WORD not in whole(answer).lower()
    assert len({answer.status_code for answer in refused}) > 6
    assert WORD not in logged(caplog).lower()


def broken(stage: str) -> Script:
    """A bug of ours, whose message quotes what it stumbled over."""

    def script(call: GenerateCall) -> str:
        if call.call_id.count(":") == 2 and stage_of_call(call) != stage:
            return chatty(call)
        raise ValueError(f"cannot read {call.messages} with {ENV}")

    return script


@pytest.mark.parametrize("stage", ["opinions", "review", "synthesis"])
async def test_row_45_a_mistake_of_ours_is_logged_by_its_place_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stage: str
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, monkeypatch, broken(stage)) as (http, _):
        ended = await http.post("/api/council/query", json=QUESTION)
        single = await http.post("/api/generate", json={"model": "a:1", "prompt": PROMPT})
    assert (ended.status_code, ended.json()["code"]) == (502, "council_failed")
    assert (single.status_code, single.json()["code"]) == (500, "internal")
    assert WORD not in whole(ended) + whole(single) + logged(caplog)
    assert "ValueError at " in logged(caplog) and "test_canary.py:" in logged(caplog)


async def test_row_45_nor_do_failures_quote_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gone = CallFailed(code="node_unreachable", detail="pc1 does not answer.", retryable=False)
    async with serving(tmp_path, monkeypatch, lambda call: gone) as (http, _):
        ended = await http.post("/api/council/query", json=QUESTION)
        assert ended.json()["code"] == "no_opinions"
        assert WORD not in whole(ended)
    assert WORD not in logged(caplog)


@pytest.mark.parametrize("failure", [KeyError(PROMPT), CouncilUnavailable("Restarting.", PROMPT)])
async def test_row_45_whatever_route_breaks(
    caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    caplog.set_level(logging.INFO)
    council, config = FakeCouncil(), ApiConfig("1", "3.11", "2.60", hosts=("council",))
    council.failure = failure
    app = api(council, config)
    async with client(app, KEY) as http:
        broken = [await http.get(path) for path in PUBLIC]
        broken.append(await http.post("/api/council/query", json=QUESTION))
        broken.append(await http.post("/api/cluster/nodes/pc1/drain", json={}))
    assert sum(answer.status_code >= 500 for answer in broken) > 8
    assert not [answer for answer in broken if WORD in whole(answer)]
    assert WORD not in logged(caplog)


async def test_row_45_an_agent_that_breaks_tells_no_prompt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stumbles() -> httpx.AsyncClient:
        def handle(request: httpx.Request) -> httpx.Response:
            raise ValueError(f"cannot send {request.content!r}")

        return httpx.AsyncClient(transport=httpx.MockTransport(handle))

    caplog.set_level(logging.INFO)
    agent = OllamaAgent(
        AgentConfig(
            model="a:1", url="http://127.0.0.1:1", node="pc1", num_ctx=4096, num_parallel=1,
            deadlines=Deadlines(),
        ),
        stumbles,
    )  # fmt: skip
    call = worker_call("x:y:z", WorkerRequest(model="a:1", prompt=PROMPT), "a:1", 10, 5.0)
    events = [event async for batch in agent.batches(call) for event in batch]
    assert isinstance(events[-1], CallFailed)
    assert WORD not in events[-1].model_dump_json() + logged(caplog)
    assert "ValueError at " in logged(caplog)


def test_row_45_a_mistake_is_told_by_kind_and_place() -> None:
    def fails() -> None:
        raise KeyError(PROMPT)

    try:
        fails()
    except KeyError as error:
        one = error
    assert told(one).startswith("KeyError at test_canary.py:") and " > " in told(one)
    assert told(ExceptionGroup(PROMPT, [one, ValueError(PROMPT)])) == f"{told(one)}; ValueError"
    trace = f'Traceback:\n  File "/x/actors/hearing.py", line 12, in run\n    x = "{PROMPT}"\n'
    assert told_elsewhere(KeyError(PROMPT), trace) == "KeyError at hearing.py:12"
    assert told_elsewhere(KeyError(PROMPT), PROMPT) == "KeyError"
