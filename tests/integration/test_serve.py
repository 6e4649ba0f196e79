"""The HTTP interface in a real Serve replica, over a fake council: sockets, streams, kills."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest
import websockets
from mcp import Client

from serve_app.configuration import ApiConfig
from tests.fake_council import TalkingCouncil
from tests.ports import port_for_later
from tests.ray_processes import actor_process

pytestmark = pytest.mark.integration

SESSIONS = "/api/council/sessions"


@pytest.fixture(scope="module")
def url(local_ray: None) -> Iterator[str]:
    from ray import serve

    from serve_app import app

    port = port_for_later()
    app.run(TalkingCouncil, ApiConfig("1", "3.11", "2.60"), "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def ask(url: str, query: str) -> str:
    return str(httpx.post(url + SESSIONS, json={"query": query}).json()["session_id"])


def stage(url: str, session_id: str) -> str:
    return str(httpx.get(f"{url}{SESSIONS}/{session_id}").json()["stage"])


def found(url: str, text: str) -> list[str]:
    """The sessions with that text."""
    page = httpx.get(url + SESSIONS, params={"q": text}).json()
    return [str(session["session_id"]) for session in page["sessions"]]


def until(true: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_question_is_answered(url: str) -> None:
    answer = httpx.post(url + "/api/council/query", json={"query": "Why?"})
    assert answer.status_code == 200
    assert answer.json()["stage"] == "complete"
    assert "server" not in answer.headers


def test_a_delta_is_heard_while_the_council_still_sits(url: str) -> None:
    session_id = ask(url, "hold")
    with httpx.stream("GET", f"{url}{SESSIONS}/{session_id}/events") as stream:
        lines = stream.iter_lines()
        assert "event: opinion_delta" in lines
        assert stage(url, session_id) == "opinions"
        httpx.delete(f"{url}{SESSIONS}/{session_id}")
        assert "event: session_closed" in lines


async def test_a_websocket_hears_the_same_and_is_closed_1000(url: str) -> None:
    session_id = await anyio.to_thread.run_sync(ask, url, "short")
    where = f"{url.replace('http', 'ws')}/api/council/ws/{session_id}"
    async with websockets.connect(where) as socket_:
        kinds = [json.loads(message)["kind"] async for message in socket_]
    assert kinds == ["session_started", "stage_started", "opinion", "session_closed"]
    assert socket_.close_code == 1000


async def test_a_websocket_from_elsewhere_is_refused_with_a_problem(url: str) -> None:
    where = f"{url.replace('http', 'ws')}/api/council/ws/x"
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(where, origin=websockets.Origin("http://evil.example")):
            pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["code"] == "foreign_origin"


async def test_the_replica_speaks_mcp_and_hears_a_client_of_it_leave(url: str) -> None:
    async with Client(f"{url}/mcp") as mcp:
        result = await mcp.call_tool("ask_council", {"question": "Why?"})
        assert result.content[0].text == "It scatters."
        asking = asyncio.create_task(mcp.call_tool("ask_council", {"question": "hold on, mcp"}))
        await asyncio.to_thread(until, lambda: found(url, "hold on"))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (held,) = found(url, "hold on")
        await asyncio.to_thread(until, lambda: stage(url, held) == "error")


@pytest.mark.parametrize(("cancel", "ends"), [("true", "error"), ("false", "opinions")])
def test_leaving_cancels_only_where_that_was_asked_for(url: str, cancel: str, ends: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{url}/api/council/query?cancel_on_disconnect={cancel}",
            json={"query": f"hold, {cancel}"},
            timeout=httpx.Timeout(30, read=1),
        )
    held = httpx.get(url + SESSIONS, params={"q": f"hold, {cancel}"}).json()["sessions"][0]
    if ends == "error":
        until(lambda: stage(url, held["session_id"]) == ends)
    assert stage(url, held["session_id"]) == ends


def test_a_killed_replica_is_back_on_its_port(url: str) -> None:
    """An open connection of the dead one must not keep the port from the next."""
    with httpx.Client() as client:
        client.get(f"{url}/health")
        replica = actor_process("ray::ServeReplica:council")
        replica.kill()
        replica.wait()

        def live() -> bool:
            try:
                return httpx.get(f"{url}/health").status_code == 200
            except httpx.HTTPError:
                return False

        until(live, 45)
