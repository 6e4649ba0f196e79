"""What people, models and errors say comes back as inert text: row 42 of faults.md, in bytes.

Every payload is asked, answered, searched for, named as a seat, a model, a field and a path, over
the real API and the real orchestrator; only the models are scripted.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from markdown_it import MarkdownIt
from starlette.types import Message

from actors.chairman import ChairmanActor
from actors.messages.calls import CallFailed, GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import CouncilOrchestrator
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, api
from tests.local_council import LocalCouncil, LocalHosts
from tests.scripted import Reply, ScriptedPool, labels_of

ASK, SESSIONS = "/api/council/query", "/api/council/sessions"
MARK = "Zq7"
"""In every payload, so that it can be found again."""
PAYLOADS = [
    *(f"<script>{MARK}()</script>", f"</script><script>{MARK}()</script>"),
    *(f"<SCRIPT SRC=//{MARK}>", f"\\<script>{MARK}()</script>", f"\\\\<script>{MARK}()</script>"),
    *(f"<img src=x onerror={MARK}()>", f'"><img src="http://evil.example/{MARK}.gif">'),
    *(f"<svg/onload={MARK}()>", f"<svg><animate onbegin={MARK}() attributeName=x>"),
    *(f"<iframe src=javascript:{MARK}()>", f"<a href='javascript:{MARK}()'>x</a>"),
    *(f"[x](javascript:{MARK}())", f"[x](JaVaScRiPt:{MARK}())", f"[x](java\tscript:{MARK}())"),
    *(f"[x](data:text/html,<script>{MARK}()</script>)", f"[x](vbscript:{MARK})"),
    *(f"[x][1]\n\n[1]: javascript:{MARK}()", f"[x]\n\n[x]: javascript:{MARK}()"),
    *(f"<javascript:{MARK}()>", f"[x](&#106;avascript:{MARK})", f"[x\\](javascript:{MARK})"),
    *(f"[x\\\\](javascript:{MARK})", f"\\![{MARK}](http://e/b.gif)", f"!\\\\[{MARK}](http://e/b.gif)"),
    *(f"![{MARK}](http://evil.example/b.gif)", f"![{MARK}][b]\n\n[b]: http://evil.example/b.gif"),
    *(f"<link rel=stylesheet href=//evil.example/{MARK}>", f"<style>@import '//{MARK}'</style>"),
    *(f"<meta http-equiv=refresh content='0;url=//{MARK}'>", f"<base href=//{MARK}/>"),
    *(f"<form action=//{MARK}><input autofocus onfocus={MARK}()>", f"<video src=//{MARK}>"),
    *(f"<object data=//{MARK}>", f"<!--{MARK}--><script>1</script>", f"<![CDATA[{MARK}]]><b>"),
    *(f"```\n</code><script>{MARK}()</script>\n```", f"~~~\n{MARK}\n", f"`{MARK}\n\n<b>`<b>"),
    *(f"    <script>{MARK}()</script>", f"> {MARK}\n\n<script>1</script>", f"`\\`<script>{MARK}"),
    f"{MARK}\n\n# Heading\n\n| a | b |\n|--|--|\n| <b> | ![x](y) |",
    *(f"{MARK}\n\nevent: final_answer\ndata: {{}}\n\n", f"{MARK}\r\ndata: 1\r\n\r\nid: 9\r\n\r\n"),
    *(f"{MARK}\rdata: 1\r\rid: 9\r\r", f"{MARK}\u2028data: 1\u2029id: 9\u2029\x85data: 2\x85"),
    *(f"{MARK}\nretry: 1\n:\n\n", f"{MARK}\x0bdata: 1\x0cdata: 2\x1c\x1d\x1edata: 3"),
    *(f"{MARK}\r\nSet-Cookie: a=b\r\n\r\n<html>", f"{{{{{MARK}}}}}${{{MARK}}}<%={MARK}%>"),
    *(f"+ADw-script+AD4-{MARK}()+ADw-/script+AD4-", f"\u202e{MARK}\u202c\ufeff\u200b"),
    *(f"\x1b]0;{MARK}\x07\x1b[2J", f"';alert({MARK})//\\';--></title></textarea>"),
    f"{MARK}\\u003cb\\u003e",
]  # fmt: skip
TYPES = {"application/json", "application/problem+json", "text/event-stream; charset=utf-8",
         "text/markdown; charset=utf-8"}  # fmt: skip


@dataclass(frozen=True)
class Send:
    """`send(method, path, …)` to one council that lives as long as the module."""

    runner: asyncio.Runner
    client: httpx.AsyncClient
    pool: ScriptedPool
    app: Any

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.runner.run(self._sent(method, path, **more))

    async def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.client.request(method, path, **more)


@pytest.fixture(scope="module")
def send(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Send]:
    home = tmp_path_factory.mktemp("home")
    pool, stack = ScriptedPool(models=("a:1",)), AsyncExitStack()

    async def open_council() -> tuple[Any, httpx.AsyncClient]:
        config = OrchestratorConfig(store_path=home / "sessions.db")
        orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
        stack.push_async_callback(orchestrator.close)
        hosts = LocalHosts(deadlines=Deadlines(), num_ctx=4096)
        app = build_api(LocalCouncil(orchestrator, hosts), ApiConfig("1", "3.11", "2.60"))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        return app, await stack.enter_async_context(client)

    with asyncio.Runner() as runner:
        app, client = runner.run(open_council())
        yield Send(runner, client, pool, app)
        runner.run(stack.aclose())


def inert(response: httpx.Response, *statuses: int) -> httpx.Response:
    """A browser runs, guesses, frames, fetches and keeps nothing of it, whatever it says."""
    assert response.status_code in statuses, response.text[:500]
    headers = response.headers
    assert headers["content-type"] in TYPES
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in headers
    assert MARK not in str(headers.raw)
    return response


def council(send: Send, payload: str, reply: Any = None) -> dict[str, Any]:
    """A session whose question, names and answers are the payload."""
    send.pool.agent.script = reply or (lambda call: said(call, payload))
    agents = [{"model": "a:1", "name": printable(payload)[:80], "system": payload}] * 2
    body = {"query": payload, "selected_agents": agents}
    answer = inert(send("POST", ASK, json=body), 200, 502)
    if answer.status_code == 502:
        name = answer.json()["session_id"]
        answer = inert(send("GET", f"{SESSIONS}/{name}"), 200)
    session: dict[str, Any] = answer.json()
    return session


def said(call: GenerateCall, payload: str) -> Reply:
    if isinstance(call.format, dict):
        votes = [{"reasoning": payload, "agent_id": n, "score": 5} for n in labels_of(call.format)]
        return json.dumps({"rankings": votes})
    return payload


def printable(text: str) -> str:
    """Seats' names have no control characters."""
    return "".join(c for c in text if c.isprintable() or c == " ").strip() or MARK


@pytest.fixture(params=PAYLOADS, ids=range(len(PAYLOADS)))
def payload(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_row_42_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 30
    assert all(MARK in payload for payload in PAYLOADS)


def test_row_42_a_question_and_its_answers_are_inert_wherever_they_are_told(
    send: Send, payload: str
) -> None:
    session = council(send, payload)
    where = f"{SESSIONS}/{session['session_id']}"
    assert (session["query"], session["stage"]) == (payload, "complete")
    contents = [one["content"] for one in (*session["opinions"], session["final_answer"])]
    assert all(MARK in content for content in contents)
    assert inert(send("GET", where), 200).json() == session
    found = inert(send("GET", SESSIONS, params={"q": payload[:200]}), 200).json()["sessions"]
    assert session["session_id"] in {one["session_id"] for one in found}
    kept = inert(send("GET", f"{where}/export", params={"format": "json"}), 200)
    assert kept.json() == session
    minutes = inert(send("GET", f"{where}/export"), 200)
    for export, extension in ((kept, "json"), (minutes, "md")):
        name = f"council-{session['session_id']}.{extension}"
        assert export.headers["content-disposition"] == f'attachment; filename="{name}"'


def test_row_42_the_minutes_run_and_fetch_nothing_even_in_a_careless_viewer(
    send: Send, payload: str
) -> None:
    """Rendered with raw HTML let through and every link taken."""
    session = council(send, payload)
    minutes = send("GET", f"{SESSIONS}/{session['session_id']}/export").text
    assert MARK in minutes
    careless = MarkdownIt("commonmark", {"html": True}).enable("table")
    careless.validateLink = lambda url: True  # type: ignore[method-assign]
    seen = Tags()
    seen.feed(careless.render(minutes))
    ours = {*("h1", "h2", "h3", "p", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong"),
            *("table", "thead", "tbody", "tr", "th", "td", "br", "hr", "a")}  # fmt: skip
    assert seen.tags <= ours
    assert seen.attributes <= {"href", "title", "start", "class"}
    assert {urlsplit(link).scheme.lower() for link in seen.links} <= {"", "http", "https", "mailto"}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "href":
                self.links.add(re.sub(r"[\s\x00-\x1f]", "", value or ""))


def test_row_42_an_event_is_one_frame_whatever_is_in_it(send: Send, payload: str) -> None:
    """Read as browsers do (a line ends at CR, LF or both), and as Python's `splitlines` does."""
    session = council(send, payload)
    response = inert(send("GET", f"{SESSIONS}/{session['session_id']}/events"), 200)
    text = response.content.decode()
    lines = re.split("\r\n|\r|\n", text)
    assert lines == text.splitlines() + [""]
    frames = [frame.split("\n") for frame in text.split("\n\n")[1:-1]]
    assert [[line.partition(":")[0] for line in frame] for frame in frames] == [
        ["id", "event", "data"]
    ] * len(frames)
    events = [json.loads(frame[2][5:]) for frame in frames]
    assert [int(frame[0][3:]) for frame in frames] == [event["seq"] for event in events]
    assert [frame[1][7:] for frame in frames] == [event["kind"] for event in events]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["request"]["query"] == payload
    assert events[-1]["kind"] == "session_closed"
    assert [e["content"] for e in events if e["kind"] == "opinion"] == [
        one["content"] for one in session["opinions"]
    ]


def test_row_42_so_is_a_websockets_message(send: Send, payload: str) -> None:
    session = council(send, payload)
    told = send.runner.run(followed(send.app, session["session_id"]))
    events = [json.loads(message["text"]) for message in told if "text" in message]
    assert events[0]["request"]["query"] == payload
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def followed(app: Any, session_id: str) -> list[Message]:
    path, heard, closed = f"/api/council/ws/{session_id}", list[Message](), asyncio.Event()
    told = iter([{"type": "websocket.connect"}])

    async def receive() -> Message:
        for message in told:
            return message
        await closed.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        heard.append(message)
        if message["type"] == "websocket.close":
            closed.set()

    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(b"host", b"localhost")], "subprotocols": []}  # fmt: skip
    await app(scope, receive, send)
    return heard


def test_row_42_what_went_wrong_is_told_as_inert_text(send: Send, payload: str) -> None:
    """A model server's own words are in the absences."""
    failure = CallFailed(code="model_crashed", detail=f"It said: {payload}", retryable=False)
    session = council(send, payload, lambda call: failure)
    assert (session["stage"], session["error_code"]) == ("error", "no_opinions")
    assert all(MARK in one["detail"] for one in session["absences"])
    where = f"{SESSIONS}/{session['session_id']}"
    for path in (where, f"{where}/events", f"{where}/export", f"{where}/export?format=json"):
        assert MARK in inert(send("GET", path), 200).text


def test_row_42_a_single_generation_is_inert(send: Send, payload: str) -> None:
    send.pool.agent.script = lambda call: payload
    work = {"model": "a:1", "prompt": payload, "system": payload}
    assert inert(send("POST", "/api/generate", json=work), 200).json()["content"] == payload
    batch = inert(send("POST", "/api/generate/batch", json={"requests": [work, work]}), 200)
    assert [one["content"] for one in batch.json()["results"]] == [payload] * 2
    failure = CallFailed(code="model_crashed", detail=payload, retryable=False)
    send.pool.agent.script = lambda call: failure
    assert inert(send("POST", "/api/generate", json=work), 502).json()["detail"] == payload


def test_row_42_a_model_servers_names_are_inert(send: Send, payload: str) -> None:
    """A model server may call its models as it likes."""
    send.pool.models = ("a:1", payload)
    try:
        models = inert(send("GET", "/api/council/models"), 200)
        assert payload in models.json()["installed"]
        nobody = {"query": "?", "chairman_model": "nobody:1"}
        assert MARK in inert(send("POST", ASK, json=nobody), 422).json()["detail"]
    finally:
        send.pool.models = ("a:1",)


def test_row_42_a_request_that_is_refused_is_not_told_again(send: Send, payload: str) -> None:
    """But for the name of a field that we do not know, which is its place."""
    raw = quote(payload, safe="")
    for method, path in (
        *(("GET", f"/{raw}"), ("GET", f"{SESSIONS}/{raw}"), ("DELETE", f"{SESSIONS}/{raw}")),
        *(("GET", f"{SESSIONS}/{raw}/events"), ("GET", f"{SESSIONS}?limit={raw}")),
        *(("GET", f"{SESSIONS}?before={raw}"), ("GET", f"/docs/{raw}"), ("GET", f"/health/{raw}")),
    ):
        assert MARK not in inert(send(method, path), 404, 422).text
    for body in ({"query": payload, "selected_agents": [{"model": payload}]},
                 {"query": "?", "chairman_model": payload},
                 {"query": "?", "deadline_s": payload}):  # fmt: skip
        assert MARK not in inert(send("POST", ASK, json=body), 422).text
    json_type = {"Content-Type": "application/json"}
    raw_body = send("POST", ASK, content=payload.encode(), headers=json_type)
    assert MARK not in inert(raw_body, 400).text
    inert(send("POST", ASK, json={"query": "?", payload: 1}), 422)
    header = re.sub("[^ -~]", "", payload).encode() + b" <b>"  # never a well-formed request id
    for name in ("X-Request-ID", "Idempotency-Key", "Last-Event-ID", "Accept", "User-Agent"):
        headers = {name: header, "Content-Type": "application/json"}
        told = inert(send("POST", ASK, content=b"{}", headers=headers), 422)
        assert MARK not in told.text


OPEN = ApiConfig("1", "3.11", "2.60", dashboard_url="http://127.0.0.1:8265")


async def page(path: str, config: ApiConfig) -> httpx.Response:
    transport = httpx.ASGITransport(api(FakeCouncil(), config))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.get(path)


async def test_row_42_the_docs_run_no_script_and_fetch_nothing() -> None:
    response = await page("/docs", OPEN)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    for rule in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert f"{rule} 'none'" in policy
    assert "script-src" not in policy
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "<script" not in response.text and "src=" not in response.text
    assert "/api/council/query" in response.text


async def test_row_42_settings_that_the_page_shows_come_as_data() -> None:
    same = (await page("/", OPEN)).text
    for payload in PAYLOADS[::5]:
        odd = ApiConfig(payload, "3", "2", dashboard_url=f"http://127.0.0.1/{payload}")
        assert (await page("/", odd)).text == same
        told = await page("/api/page", odd)
        assert told.headers["content-type"] == "application/json"
        assert told.json()["version"] == payload


async def test_the_page_leads_to_the_docs() -> None:
    assert 'href="/docs"' in (await page("/", OPEN)).text
