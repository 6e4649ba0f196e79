"""The tools and resources of MCP, with the SDK's own client in this process, over a fake council;
and what comes in at `/mcp`."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, MCPError

from actors.errors import CouncilUnavailable
from actors.messages.events import AgentStarted
from actors.messages.requests import NOWHERE, CouncilRequest, Origin
from actors.messages.sessions import CouncilSession, QueuePlace
from cluster import api_keys
from serve_app.clients import following
from serve_app.configuration import ApiConfig
from serve_app.mcp.caller import Caller
from serve_app.mcp.server import OURS, server_over
from tests.fake_council import MODEL, FakeCouncil, api, delta

KEY = "4f" * 32
NOW = datetime.now(UTC)
NOBODY = "00000000-0000-4000-8000-000000000000"
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
BOTH = {"Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
CALL = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "ask_council", "arguments": {"question": "Why?"}},
}


@asynccontextmanager
async def client(
    council: FakeCouncil, era: str = "auto", heartbeat_s: float = 60.0
) -> AsyncIterator[Client]:
    async def caller_of(_: Any) -> Caller:
        return Caller(council, "http://pc1:8000/", heartbeat_s=heartbeat_s)

    async with Client(server_over(caller_of, "1"), mode=era) as connected:
        yield connected


class Told:
    """What was told of a call while it lasted."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.lines.put_nowait(message or "")

    async def until(self, beginning: str) -> None:
        async with asyncio.timeout(5):
            while not (await self.lines.get()).startswith(beginning):
                pass


@ERAS
async def test_an_answer_names_its_sources_its_places_and_what_there_is_to_notice(era: str) -> None:
    council = FakeCouncil()
    asked = {
        "question": "Why?", "agents": [f"{MODEL}=Ada", MODEL], "chairman": MODEL, "mode": "fast",
        "follows": NOBODY.upper(),
    }  # fmt: skip
    async with client(council, era) as mcp:
        result = await mcp.call_tool("ask_council", asked)
    (sitting,) = council.sittings.values()
    assert sitting.request.selected_agents is not None
    assert [seat.name for seat in sitting.request.selected_agents] == ["Ada", None]
    assert (sitting.request.mode, sitting.request.follows) == ("fast", NOBODY)
    assert result.structured_content == {
        "answer": "It scatters.",
        "stage": "complete",
        "session_id": sitting.id,
        "page": f"http://pc1:8000/#/session/{sitting.id}",
        "resource": f"council://sessions/{sitting.id}",
        "chairman_model": MODEL,
        "sources": [{"name": "Ada", "model": MODEL}],
        "ranking": [{"place": 1, "name": "Ada", "model": MODEL, "mean_score": 8.0, "votes": 1}],
        "degraded": False,
        "truncated": False,
        "notices": ["A notice."],
    }
    answer, below = (part.text for part in result.content)
    assert answer == "It scatters."
    assert f"1. Ada ({MODEL})" in below and "A notice." in below and sitting.id in below


@ERAS
@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("ask_council", {}, "question: Field required"),
        ("ask_council", {"question": ""}, "question: String should have at least 1 character"),
        ("ask_council", {"question": "Why?", "mood": 1}, "mood: Extra inputs are not permitted"),
        ("ask_council", {"question": "Why?", "agents": ["../x"]}, "model: String should match"),
        ("ask_council", {"question": "y" * 32_001}, "query: at most 32000 characters"),
        ("get_session", {"session_id": "last"}, "session_id: String should match pattern"),
        ("get_session", {"session_id": NOBODY}, f"There is no session {NOBODY}."),
        ("search_sessions", {"limit": 0}, "limit: Input should be greater than or equal to 1"),
    ],
)
async def test_what_is_wrong_with_a_call_is_said_to_the_model_that_made_it(
    era: str, tool: str, arguments: dict[str, Any], sentence: str
) -> None:
    async with client(FakeCouncil(), era) as mcp:
        result = await mcp.call_tool(tool, arguments)
    assert result.is_error
    assert sentence in result.content[0].text
    assert "y" * 99 not in result.content[0].text


async def test_a_council_that_came_to_no_answer_is_an_error_that_names_the_session() -> None:
    council = FakeCouncil(error_code="no_opinions")
    async with client(council) as mcp:
        result = await mcp.call_tool("ask_council", {"question": "Why?"})
    (session_id,) = council.sittings
    assert result.is_error
    assert result.content[0].text == (
        f"It went wrong. The session is kept: {session_id}, http://pc1:8000/#/session/{session_id}"
    )


async def test_a_mistake_of_ours_tells_neither_the_client_nor_the_log_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    council = FakeCouncil()
    council.failure = KeyError("a secret question")
    with caplog.at_level(logging.INFO):
        async with client(council) as mcp:
            result = await mcp.call_tool("list_models")
            with pytest.raises(MCPError, match="its log tells more"):
                await mcp.list_resources()
    assert result.is_error and result.content[0].text == OURS
    assert "KeyError at" in caplog.text and "a secret question" not in caplog.text


@ERAS
async def test_only_our_tools_and_sessions_are_there(era: str) -> None:
    async with client(FakeCouncil(), era) as mcp:
        with pytest.raises(MCPError, match="There is no such tool; there are ask_council, "):
            await mcp.call_tool("drop_council", {})
        for uri in (
            f"council://sessions/{NOBODY}",
            "council://sessions/../x",
            "file:///etc/passwd",
        ):
            with pytest.raises(MCPError, match="no session at that URI"):
                await mcp.read_resource(uri)
        for cursor in ("x", "2026-01-01"):
            with pytest.raises(MCPError, match="none of this list's"):
                await mcp.list_resources(cursor=cursor)


async def test_many_sessions_are_listed_in_pages_newest_first() -> None:
    council = FakeCouncil()
    for number in range(53):
        await council.open(CouncilRequest(query=f"Question {number}\n\nin full"))
    async with client(council) as mcp:
        first = await mcp.list_resources()
        second = await mcp.list_resources(cursor=first.next_cursor)
    names = [one.name for one in (*first.resources, *second.resources)]
    assert names == [f"Question {number} in full" for number in reversed(range(53))]
    assert len(first.resources) == 50 and second.next_cursor is None


async def test_a_council_that_is_lost_meanwhile_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.0)
    council, told = FakeCouncil(held=True), Told()
    async with client(council, heartbeat_s=0.01) as mcp:
        arguments = {"question": "Why?"}
        asking = asyncio.create_task(
            mcp.call_tool("ask_council", arguments, progress_callback=told)
        )
        session_id = await council.opened.get()
        await council.listened.wait()
        council.failure = CouncilUnavailable("The head is gone.")
        await council.sittings[session_id].hear(delta(session_id, "Blue"))
        await told.until("The council is at work")
        council.failure = None
        await council.finish(session_id)
        result = await asking
    assert result.content[0].text == "It scatters."


async def test_a_council_that_stays_away_is_an_error_that_says_where_the_session_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.0)
    monkeypatch.setattr(following, "PATIENCE_S", 0.0)
    council = FakeCouncil(held=True)
    async with client(council) as mcp:
        asking = asyncio.create_task(mcp.call_tool("ask_council", {"question": "Why?"}))
        session_id = await council.opened.get()
        await council.listened.wait()
        council.failure = CouncilUnavailable("The head is gone.")
        await council.sittings[session_id].hear(delta(session_id, "Blue"))
        result = await asking
    assert result.is_error and result.content[0].text.startswith("The head is gone. The session ")
    assert session_id in result.content[0].text


@ERAS
async def test_a_client_that_gives_up_on_long_calls_reads_the_answer_later(era: str) -> None:
    council = FakeCouncil(held=True)
    async with client(council, era) as mcp:
        asked = {"question": "Why?", "wait_s": 0.05}
        early = await mcp.call_tool("ask_council", asked)
        (session_id,) = council.sittings
        assert not early.is_error and f"session_id {session_id}" in early.content[0].text
        found = early.structured_content
        assert (found["answer"], found["stage"]) == (None, "opinions")

        arguments = {"session_id": session_id, "wait_s": 60}
        waiting = asyncio.create_task(mcp.call_tool("get_session", arguments))
        council.listened.clear()
        await council.listened.wait()
        await council.finish(session_id)
        assert "> It scatters." in (await waiting).content[0].text


async def test_cancelling_the_wait_for_a_session_leaves_it_alone() -> None:
    council = FakeCouncil(held=True)
    opened = await council.open(CouncilRequest(query="Why?"))
    async with client(council, "legacy") as mcp:
        arguments = {"session_id": opened.session_id, "wait_s": 60}
        waiting = asyncio.create_task(mcp.call_tool("get_session", arguments))
        await council.listened.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert not council.listeners
    assert council.sittings[opened.session_id].closed is None


class BusyCouncil(FakeCouncil):
    """Has a question wait at place 3 until a PC comes to it."""

    async def session(self, session_id: str) -> CouncilSession:
        session = await super().session(session_id)
        heard = self.sittings[session_id].heard
        waits = not any(isinstance(event, AgentStarted) for event in heard)
        return session.model_copy(
            update={"queue": QueuePlace(place=3, eta_s=40) if waits else None}
        )


async def test_a_question_that_waits_is_told_its_place() -> None:
    council, told = BusyCouncil(held=True), Told()
    async with client(council, heartbeat_s=0.01) as mcp:
        arguments = {"question": "Why?"}
        asking = asyncio.create_task(
            mcp.call_tool("ask_council", arguments, progress_callback=told)
        )
        session_id = await council.opened.get()
        await told.until("Place 3 in the queue, for about 40 s more.")
        started = AgentStarted(
            session_id=session_id, seq=3, at=NOW, agent_id="agent_1", stage="opinions", node="pc1"
        )
        await council.sittings[session_id].hear(started)
        await told.until("The council is at work")
        await council.finish(session_id)
        await asking


class SlowToOpen(FakeCouncil):
    """Acknowledges a question only when it is let."""

    def __init__(self) -> None:
        super().__init__(held=True)
        self.may = asyncio.Event()

    async def open(
        self, request: CouncilRequest, idempotency_key: str | None = None, origin: Origin = NOWHERE
    ) -> CouncilSession:
        session = await super().open(request, idempotency_key, origin)
        await self.may.wait()
        return session


async def test_a_call_that_is_cancelled_before_its_session_is_acknowledged_leaves_none_open() -> (
    None
):
    council = SlowToOpen()
    async with client(council, "legacy") as mcp:
        asking = asyncio.create_task(mcp.call_tool("ask_council", {"question": "Why?"}))
        session_id = await council.opened.get()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        council.may.set()
        ended = await asyncio.wait_for(council.wait(session_id), 5)
    assert ended.error_code == "cancelled"


def locked(home: Path) -> ApiConfig:
    (home / "api_key").write_text(KEY)
    api_keys.take_in_own(home, NOW)
    return ApiConfig("1", "3.11", "2.60", require_key=True, keys_file=api_keys.path(home))


@asynccontextmanager
async def coming_in(
    config: ApiConfig, council: FakeCouncil | None = None, **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(api(council or FakeCouncil(), config))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost:8000", headers={**BOTH, **headers}
    ) as http:
        yield http


async def test_off_loopback_a_key_opens_and_a_refusal_is_an_error_of_json_rpc(
    tmp_path: Path,
) -> None:
    config = locked(tmp_path)
    async with coming_in(config) as http:
        for method in ("POST", "GET", "DELETE"):
            refused = await http.request(method, "/mcp", json=INITIALIZE)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert refused.headers["content-type"] == "application/json"
            body = refused.json()
            assert (body["jsonrpc"], body["id"]) == ("2.0", None)
            assert body["error"]["code"] == -32600 and "./council key" in body["error"]["message"]
    async with coming_in(config, Authorization=f"Bearer {KEY}") as http:
        answer = await http.post("/mcp", json=INITIALIZE)
        assert answer.status_code == 200 and "llm-council" in answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "headers", "content", "status", "code"),
    [
        ("POST", {"Origin": "http://evil.example"}, b"{}", 403, -32600),
        ("GET", {"Origin": "http://evil.example"}, b"", 403, -32600),
        ("POST", {"Host": "evil.example"}, b"{}", 400, -32600),
        ("POST", {"Content-Type": "text/plain"}, b"{}", 415, -32600),
        ("POST", {}, b'{"a": 1, "a": 2}', 400, -32700),
        ("POST", {}, b" " * 5_000_000, 413, -32600),
        ("PUT", {}, b"{}", 405, -32600),
    ],
)
async def test_what_no_client_of_ours_sends_is_refused_before_the_protocol_sees_it(
    method: str, headers: dict[str, str], content: bytes, status: int, code: int
) -> None:
    sent = {"Content-Type": "application/json", **headers}
    async with coming_in(ApiConfig("1", "3.11", "2.60")) as http:
        answer = await http.request(method, "/mcp", headers=sent, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_what_came_in_is_counted_by_route() -> None:
    async with coming_in(ApiConfig("1", "3.11", "2.60")) as http:
        await http.post("/mcp", json=INITIALIZE)
        counted = (await http.get("/metrics")).text
    assert 'council_http_requests_total{method="POST",route="/mcp",status="200"}' in counted


async def test_a_session_of_an_older_client_that_is_gone_is_404_so_that_it_begins_anew() -> None:
    async with coming_in(ApiConfig("1", "3.11", "2.60")) as http:
        answer = await http.post("/mcp", json=CALL, headers={"Mcp-Session-Id": "gone"})
    assert answer.status_code == 404 and "error" in answer.json()


async def test_the_request_and_its_trace_are_known_to_the_council() -> None:
    council = FakeCouncil()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    named = {"X-Request-ID": "asked-by-mcp", "traceparent": parent}
    async with coming_in(ApiConfig("1", "3.11", "2.60"), council) as http:
        opened = await http.post("/mcp", json=INITIALIZE)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        answer = await http.post("/mcp", json=CALL, headers={**session, **named})
    data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
    assert json.loads(data.removeprefix("data: "))["result"]["isError"] is False
    assert council.origins == [Origin(request_id="asked-by-mcp", traceparent=parent)]
