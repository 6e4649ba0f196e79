"""What a client hears while a council sits: server-sent events and WebSocket, without Ray."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from actors.errors import CouncilUnavailable
from actors.messages.requests import CouncilRequest
from serve_app.configuration import ApiConfig
from serve_app.streams import batches, frames
from tests.fake_council import AnyEvent, FakeCouncil, api, delta

CONFIG = ApiConfig(version="1", python_version="3", ray_version="2", heartbeat_s=0.02)
HOST = (b"host", b"localhost")


class Wire:
    """An ASGI client that is still there while the server talks: events are seen as they come."""

    def __init__(
        self,
        council: FakeCouncil,
        path: str,
        kind: str = "http",
        config: ApiConfig = CONFIG,
        extensions: tuple[str, ...] = (),
        room: int = 0,
        **headers: str,
    ) -> None:
        where, _, query = path.partition("?")
        named = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
        scope: dict[str, Any] = {
            "type": kind,
            "path": where,
            "raw_path": where.encode(),
            "query_string": query.encode(),
            "headers": [HOST, *named],
            "method": "GET",
            "asgi": {"spec_version": "2.3"},
            "extensions": dict.fromkeys(extensions, {}),
        }
        if kind == "websocket":
            del scope["method"]
        self.told: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: asyncio.Queue[Message] = asyncio.Queue(room)
        first = {"type": "http.request", "body": b"", "more_body": False}
        self.told.put_nowait(first if kind == "http" else {"type": "websocket.connect"})
        self.serving = asyncio.create_task(
            api(council, config)(scope, self.told.get, self.heard.put)
        )

    async def next(self) -> Message:
        async with asyncio.timeout(5):
            return await self.heard.get()

    async def text(self) -> str:
        return str((await self.next())["body"], "utf-8")

    def leave(self, kind: str = "http") -> None:
        self.told.put_nowait({"type": f"{kind}.disconnect", "code": 1001})


async def opened(council: FakeCouncil) -> str:
    return (await council.open(CouncilRequest(query="Why?"))).session_id


def path(session_id: str, query: str = "") -> str:
    return f"/api/council/sessions/{session_id}/events{query}"


def read(stream: str) -> list[dict[str, str]]:
    """Server-sent events as a browser reads them."""
    blocks = [block for block in stream.replace("\r\n", "\n").split("\n\n") if block]
    read = [
        dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        for block in blocks
    ]
    return [block for block in read if "data" in block]


async def everything(wire: Wire) -> str:
    assert (await wire.next())["status"] == 200
    parts = []
    while (message := await wire.next()).get("more_body"):
        parts.append(message["body"].decode())
    return "".join(parts)


async def test_a_session_that_has_ended_is_told_in_order_and_the_stream_ends() -> None:
    council = FakeCouncil()
    session_id = await opened(council)
    events = read(await everything(Wire(council, path(session_id))))
    kinds = [event["event"] for event in events]
    assert kinds == ["session_started", "stage_started", "opinion", "session_closed"]
    assert [event["id"] for event in events] == ["1", "2", "3", "4"]
    assert all(json.loads(event["data"])["session_id"] == session_id for event in events)


async def test_newlines_in_an_answer_stay_inside_one_frame() -> None:
    """The fake's opinion holds `\\r\\n\\r\\nevent: forged`."""
    council = FakeCouncil()
    text = await everything(Wire(council, path(await opened(council))))
    assert len(text.splitlines()) == text.count("\n")
    assert "Blue light scatters.\r\n\r\n" in json.loads(read(text)[2]["data"])["content"]
    assert [event["event"] for event in read(text)].count("opinion") == 1
    assert not any(line.startswith("event: forged") for line in text.splitlines())


async def test_a_delta_comes_at_once_without_an_id_and_silence_brings_a_comment() -> None:
    council = FakeCouncil(held=True)
    session_id = await opened(council)
    wire = Wire(council, path(session_id))
    start = await wire.next()
    assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
    assert await wire.text() == "retry: 1000\n\n"
    assert len(read(await wire.text())) == 2
    assert await wire.text() == ": still here\n\n"
    await council.sittings[session_id].hear(delta(session_id, "Blue"))
    while not (events := read(await wire.text())):
        pass
    assert "id" not in events[0]
    assert json.loads(events[0]["data"])["text"] == "Blue"
    wire.leave()
    await wire.serving
    assert council.listeners == 0


@pytest.mark.parametrize("resume", ["header", "query", "both"])
async def test_a_client_resumes_where_it_was(resume: str) -> None:
    council = FakeCouncil()
    session_id = await opened(council)
    query = {"header": "", "query": "?after=3", "both": "?after=1"}[resume]
    where = path(session_id, query)
    wire = Wire(council, where) if resume == "query" else Wire(council, where, last_event_id="3")
    events = read(await everything(wire))
    assert [event["id"] for event in events] == ["4"]


async def test_a_client_that_heard_everything_is_told_not_to_come_back() -> None:
    council = FakeCouncil()
    wire = Wire(council, path(await opened(council), "?after=4"))
    assert (await wire.next())["status"] == 204


async def test_resuming_a_running_session_starts_at_once() -> None:
    council = FakeCouncil(held=True)
    wire = Wire(council, path(await opened(council)), last_event_id="2")
    assert (await wire.next())["status"] == 200
    wire.leave()
    await wire.serving


@pytest.mark.parametrize("position", ["-1", "x", "9" * 30, "1.5", ""])
async def test_a_position_is_a_number(position: str) -> None:
    council = FakeCouncil()
    wire = Wire(council, path(await opened(council)), last_event_id=position)
    assert (await wire.next())["status"] == 422


async def test_a_council_that_cannot_be_reached_is_a_problem() -> None:
    council = FakeCouncil()
    session_id = await opened(council)
    council.failure = CouncilUnavailable("The orchestrator does not answer.")
    wire = Wire(council, path(session_id))
    assert (await wire.next())["status"] == 503


async def test_a_council_lost_on_the_way_ends_the_stream_without_a_closing_event() -> None:
    council = FakeCouncil(held=True)
    session_id = await opened(council)
    wire = Wire(council, path(session_id))
    while "stage_started" not in (await wire.next()).get("body", b"").decode():
        pass
    council.failure = CouncilUnavailable("Gone.")
    await council.sittings[session_id].hear(delta(session_id, "last words"))
    rest = []
    while (message := await wire.next()).get("more_body"):
        rest.append(message["body"].decode())
    assert rest[-1] == ": council_unavailable\n\n"
    assert "session_closed" not in "".join(rest)


async def test_a_reader_that_stops_reading_holds_up_its_source() -> None:
    """A bounded number of events waits for a slow reader, not all of them."""
    made = 0

    async def endless() -> AsyncIterator[AnyEvent]:
        nonlocal made
        while True:
            made += 1
            yield delta("s", "x")

    lists = batches(endless(), heartbeat_s=1)
    await anext(lists)
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert made < 300
    await lists.aclose()


async def test_a_client_that_leaves_while_we_are_still_writing_is_let_go_at_once() -> None:
    council = FakeCouncil(held=True)
    wire = Wire(council, path(await opened(council)), room=1)
    await council.listened.wait()
    wire.leave()
    async with asyncio.timeout(5):
        await wire.serving
    assert council.listeners == 0


async def test_what_is_ready_together_leaves_together() -> None:
    async def burst() -> AsyncGenerator[AnyEvent, None]:
        for n in range(50):
            yield delta("s", str(n))

    parts = [part async for part in frames(batches(burst(), heartbeat_s=1))]
    assert len(parts) == 2
    assert parts[1].count("opinion_delta") == 100


async def followed(wire: Wire) -> list[Message]:
    messages: list[Message] = [await wire.next()]
    while messages[-1]["type"] != "websocket.close":
        messages.append(await wire.next())
    return messages


def ws(session_id: str, query: str = "") -> str:
    return f"/api/council/ws/{session_id}{query}"


async def test_a_websocket_tells_the_same_and_closes_1000() -> None:
    council = FakeCouncil()
    accept, *events, close = await followed(
        Wire(council, ws(await opened(council), "?after=1"), "websocket")
    )
    assert accept["type"] == "websocket.accept"
    assert [json.loads(event["text"])["seq"] for event in events] == [2, 3, 4]
    assert close["code"] == 1000


@pytest.mark.parametrize("session_id", ["nobody", "00000000-0000-4000-8000-000000000000", "' OR 1"])
async def test_a_websocket_to_nobody_closes_4404(session_id: str) -> None:
    assert (await followed(Wire(FakeCouncil(), ws(session_id), "websocket")))[-1]["code"] == 4404


@pytest.mark.parametrize("after", ["-1", "x", "", "9" * 5_000, "²"])
async def test_a_websocket_with_a_wrong_position_closes_4422(after: str) -> None:
    council = FakeCouncil()
    wire = Wire(council, ws(await opened(council), f"?after={after}"), "websocket")
    assert (await followed(wire))[-1]["code"] == 4422


async def test_a_websocket_closes_1013_when_the_council_is_lost() -> None:
    council = FakeCouncil()
    session_id = await opened(council)
    council.failure = CouncilUnavailable("Gone.")
    assert (await followed(Wire(council, ws(session_id), "websocket")))[-1]["code"] == 1013


async def test_a_websocket_client_that_leaves_is_let_go_and_the_session_goes_on() -> None:
    council = FakeCouncil(held=True)
    session_id = await opened(council)
    wire = Wire(council, ws(session_id), "websocket")
    while "stage_started" not in (await wire.next()).get("text", ""):
        pass
    wire.told.put_nowait({"type": "websocket.receive", "text": "chatter"})
    wire.leave("websocket")
    await wire.serving
    assert council.listeners == 0
    assert (await council.session(session_id)).stage == "opinions"


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(("cancel", "stage"), [("true", "error"), ("false", "opinions")])
async def test_row_33_leaving_cancels_only_where_that_was_asked_for(
    kind: str, cancel: str, stage: str
) -> None:
    council = FakeCouncil(held=True)
    session_id = await opened(council)
    query = f"?cancel_on_disconnect={cancel}"
    wire = Wire(council, (path if kind == "http" else ws)(session_id, query), kind)
    while "stage_started" not in str(await wire.next()):
        pass
    wire.leave(kind)
    async with asyncio.timeout(5):
        await wire.serving
    assert (await council.session(session_id)).stage == stage


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_row_33_hearing_a_session_to_its_end_is_not_leaving_it(kind: str) -> None:
    council = FakeCouncil(held=True)
    session_id = await opened(council)
    where = (path if kind == "http" else ws)(session_id, "?cancel_on_disconnect=true")
    wire = Wire(council, where, kind)
    await council.listened.wait()
    await council.finish(session_id)
    wire.leave(kind)
    async with asyncio.timeout(5):
        await wire.serving
    assert (await council.session(session_id)).stage == "complete"


async def test_a_websocket_whose_stream_ends_before_the_session_is_told_to_come_back() -> None:
    """So it is when the council let a slow reader go."""

    class Short(FakeCouncil):
        async def events(self, session_id: str, after: int = 0) -> AsyncIterator[AnyEvent]:
            for event in self.sittings[session_id].heard:
                yield event

    council = Short(held=True)
    accept, *events, close = await followed(Wire(council, ws(await opened(council)), "websocket"))
    assert (len(events), close["code"]) == (2, 1013)


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_a_websocket_from_elsewhere_is_refused_before_it_is_accepted(origin: str) -> None:
    council = FakeCouncil()
    wire = Wire(council, ws(await opened(council)), "websocket", origin=origin)
    assert (await followed(wire))[0]["type"] == "websocket.close"


async def test_a_websocket_off_loopback_needs_the_key() -> None:
    council = FakeCouncil()
    locked = ApiConfig("1", "3", "2", require_key=True)
    wire = Wire(council, ws(await opened(council)), "websocket", locked)
    assert (await followed(wire))[0]["type"] == "websocket.close"
    telling = Wire(
        council, ws("nobody"), "websocket", locked, extensions=("websocket.http.response",)
    )
    start, body = await telling.next(), await telling.next()
    assert start["status"] == 401
    assert json.loads(body["body"])["code"] == "unauthorized"
