"""MCP with the SDK's own client, in the protocol of 2026 and in the one before, over HTTP and over
standard input: a whole council on real sockets, over the scripted fake Ollama."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.fakes import FakeOllama, Request, replies
from tests.http_council import API, SESSIONS, served, until_it_is

pytestmark = pytest.mark.wire

ROOT = Path(__file__).parents[2]
MODELS = ("a:1", "b:1")
ASKED = {"question": "Why is the sky blue?", "agents": ["a:1=Ada", "b:1"], "chairman": "a:1"}
NOBODY = "00000000-0000-4000-8000-000000000000"
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


@asynccontextmanager
async def client(
    http: httpx.AsyncClient, era: str = "auto", read_s: float = 30.0, **headers: str
) -> AsyncIterator[Client]:
    """Of the service behind `http`; it gives up after `read_s` without a byte."""
    timeout = httpx2.Timeout(5, read=read_s)
    async with httpx2.AsyncClient(trust_env=False, timeout=timeout, headers=headers) as inner:
        transport = streamable_http_client(f"{http.base_url}/mcp", http_client=inner)
        async with Client(transport, mode=era) as connected:
            yield connected


class Told:
    """What was told of a call while it lasted."""

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.lines: list[str] = []
        self.news = asyncio.Event()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.numbers.append(progress)
        self.lines.append(message or "")
        self.news.set()


async def newest_cancelled(http: httpx.AsyncClient) -> None:
    """The newest session ends, and as cancelled."""
    newest = (await http.get(SESSIONS)).json()["sessions"][0]["session_id"]
    ended = await until_it_is(http, newest, "complete", "error")
    assert ended["error_code"] == "cancelled"


@ERAS
async def test_a_question_is_answered_and_told_of_and_can_be_read_again(
    era: str, tmp_path: Path
) -> None:
    told = Told()
    async with (
        FakeOllama(MODELS) as fake,
        served(tmp_path, fake) as (http, _),
        client(http, era) as mcp,
    ):
        assert mcp.server_info and mcp.server_info.name == "llm-council"
        tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        assert set(tools) == {"ask_council", "list_models", "get_session", "search_sessions"}
        assert tools["ask_council"].input_schema["required"] == ["question"]

        result = await mcp.call_tool("ask_council", ASKED, progress_callback=told)
        answer = result.structured_content
        session = (await http.get(f"{SESSIONS}/{answer['session_id']}")).json()
        assert not result.is_error
        assert result.content[0].text == answer["answer"] == session["final_answer"]["content"]
        assert answer["session_id"] in result.content[1].text
        assert answer["page"] == f"{http.base_url}/#/session/{answer['session_id']}"
        assert {one["model"] for one in answer["ranking"]} == set(MODELS)
        assert "Ada" in {one["name"] for one in answer["ranking"]} and not answer["degraded"]

        assert told.numbers == sorted(set(told.numbers)) and told.lines[0].startswith("The council")
        assert any(line.startswith("Ada on pc1 has answered") for line in told.lines)
        assert any(line.startswith("Ranking: 1.") for line in told.lines)

        minutes = await mcp.call_tool("get_session", {"session_id": answer["session_id"]})
        (listed,) = (await mcp.list_resources()).resources
        (template,) = (await mcp.list_resource_templates()).resource_templates
        assert template.uri_template == "council://sessions/{session_id}"
        assert listed.uri == answer["resource"] and listed.name == ASKED["question"]
        (read,) = (await mcp.read_resource(listed.uri)).contents
        assert read.text == minutes.content[0].text and "## Reviews" in read.text

        found = await mcp.call_tool("search_sessions", {"text": "sky"})
        (one,) = found.structured_content["sessions"]
        assert one["session_id"] == answer["session_id"]
        none = await mcp.call_tool("search_sessions", {"text": "sea"})
        assert none.structured_content["sessions"] == []
        models = (await mcp.call_tool("list_models")).structured_content
        assert {"model": "a:1", "pcs": ["pc1"]} in models["installed"]

        goes_on = {**ASKED, "question": "And at sunset?", "follows": answer["session_id"]}
        second = (await mcp.call_tool("ask_council", goes_on)).structured_content
        session = (await http.get(f"{SESSIONS}/{second['session_id']}")).json()
        assert session["follows"] == answer["session_id"]


@ERAS
async def test_a_council_that_takes_longer_than_the_client_bears_silence_is_heard_out(
    era: str, tmp_path: Path
) -> None:
    """Each call takes twice as long as the client waits for a byte; one that streams tells
    nothing."""
    told = Told()
    quick = replace(API, heartbeat_s=0.1)
    async with (
        FakeOllama(MODELS, latency_s=0.6) as fake,
        served(tmp_path, fake, api=quick) as (http, _),
        client(http, era, read_s=0.3) as mcp,
    ):
        asked = {**ASKED, "mode": "fast"}
        result = await mcp.call_tool("ask_council", asked, progress_callback=told)
        assert not result.is_error
        assert any(line.startswith("The council is at work") for line in told.lines)


@ERAS
async def test_cancelling_the_call_cancels_the_session(era: str, tmp_path: Path) -> None:
    async with (
        FakeOllama(MODELS) as fake,
        served(tmp_path, fake) as (http, _),
        client(http, era) as mcp,
    ):
        fake.always("*", replies.silence("The sky"))
        told = Told()
        asking = asyncio.create_task(mcp.call_tool("ask_council", ASKED, progress_callback=told))
        await fake.until(lambda: len(fake.chats) == len(MODELS))
        await asyncio.wait_for(told.news.wait(), 10)  # it comes by a stream of its own
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await newest_cancelled(http)
        await fake.until(lambda: len(fake.cancelled) == len(MODELS))
        listed = await mcp.list_tools()  # the connection is as good as before
        assert listed.tools


async def test_a_client_of_the_newer_protocol_that_goes_away_cancels_the_session(
    tmp_path: Path,
) -> None:
    async with FakeOllama(MODELS) as fake, served(tmp_path, fake) as (http, _):
        fake.always("*", replies.silence("The sky"))
        with pytest.raises(asyncio.CancelledError):
            async with client(http) as mcp, asyncio.TaskGroup() as group:
                group.create_task(mcp.call_tool("ask_council", ASKED))
                await fake.until(lambda: len(fake.chats) == len(MODELS))
                raise asyncio.CancelledError
        await newest_cancelled(http)


async def test_standard_input_and_output_do_the_same_and_nothing_else_is_said_there(
    tmp_path: Path,
) -> None:
    said, told = tmp_path / "said", Told()
    async with FakeOllama(MODELS) as fake, served(tmp_path, fake) as (http, _):
        own = {"COUNCIL_HOME": str(tmp_path / "home"), "COUNCIL_PORT": str(http.base_url.port)}
        line = '"$0" -m serve_app mcp | tee "$1"'
        command = StdioServerParameters(
            command="sh", args=["-c", line, sys.executable, str(said)], cwd=ROOT, env=own
        )
        async with Client(command) as mcp:
            result = await mcp.call_tool("ask_council", ASKED, progress_callback=told)
            answer = result.structured_content
            assert any(line.startswith("Ranking: 1.") for line in told.lines)
            assert answer["page"] == f"{http.base_url}/#/session/{answer['session_id']}"
            (listed,) = (await mcp.list_resources()).resources
            (read,) = (await mcp.read_resource(listed.uri)).contents
            assert answer["session_id"] in read.text
            models = (await mcp.call_tool("list_models")).structured_content
            assert {"model": "a:1", "pcs": ["pc1"]} in models["installed"]
            missing = await mcp.call_tool("get_session", {"session_id": NOBODY})
            assert missing.is_error and "no session" in missing.content[0].text

            fake.always("*", replies.silence("The sky"))
            asking = asyncio.create_task(_ask_of_the_sea(mcp))
            await fake.until(lambda: len(_unanswered(fake)) == len(MODELS))
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await newest_cancelled(http)

            asking = asyncio.create_task(_ask_of_the_sea(mcp))
            await fake.until(lambda: len(_unanswered(fake)) == len(MODELS) * 2)
        with pytest.raises(MCPError, match="Connection closed"):
            await asking
        await newest_cancelled(http)
    lines = said.read_text().splitlines()
    assert lines and all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)


async def _ask_of_the_sea(mcp: Client) -> None:
    await mcp.call_tool("ask_council", {**ASKED, "question": "Why is the sea blue?"})


def _unanswered(fake: FakeOllama) -> list[Request]:
    return [one for one in fake.chats if "sea" in one.json["messages"][-1]["content"]]
