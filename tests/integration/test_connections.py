"""Clients that send or read too slowly, or not at all, on real sockets (rows 35 and 36). No Ray.

Times are shortened by `Patience`; that its defaults keep what is promised is a test of its own.
"""

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import httpx
import psutil
import pytest
import websockets
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.messages.requests import CouncilRequest
from serve_app import bodies
from serve_app.api import build_api
from serve_app.bodies import StrictBodies
from serve_app.configuration import ApiConfig
from serve_app.connections import Patience
from serve_app.listener import PING_S, PONG_S, listening
from serve_app.problems import MEDIA_TYPE
from tests.fake_council import AnyEvent, FakeCouncil, delta

pytestmark = pytest.mark.wire

HOST = "127.0.0.1"
CONFIG = ApiConfig("1", "3.11", "2.60", heartbeat_s=0.1)
TICK_S = 1.0
SOON = Patience(head_s=0.5, idle_s=1.0, stall_s=1.0)
LONG_S = 20.0
"""A bound for what takes a second or two on an idle machine."""


@asynccontextmanager
async def served(app: ASGIApp, patience: Patience = SOON) -> AsyncIterator[int]:
    async with listening(app, HOST, 0, patience) as port:
        yield port


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest(reader: asyncio.StreamReader, within_s: float = LONG_S) -> bytes:
    """All that comes until the server ends the connection."""
    heard = b""
    async with asyncio.timeout(within_s):
        while True:
            try:
                piece = await reader.read(65_536)
            except ConnectionError:
                return heard
            if not piece:
                return heard
            heard += piece


def problem(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert MEDIA_TYPE.encode() in head
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


async def dribble(writer: asyncio.StreamWriter, every_s: float = 0.05) -> None:
    """A byte at a time, for ever, until the line is cut."""
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(every_s)


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_row_36_the_defaults_cut_within_30_seconds() -> None:
    patience = Patience()
    assert max(patience.head_s, patience.idle_s) + TICK_S < 30
    assert PING_S + PONG_S + TICK_S < 30
    assert bodies.BODY_DEADLINE_S <= 30


@pytest.mark.parametrize("first", [b"GET /", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Y: "])
async def test_row_36_a_head_that_is_never_complete_is_cut(first: bytes) -> None:
    async with (
        served(build_api(FakeCouncil(), CONFIG)) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(first)
        async with asyncio.TaskGroup() as group:
            dribbling = group.create_task(dribble(writer))
            status, told = problem(await rest(reader))
            dribbling.cancel()
        assert (status, told["status"]) == (408, 408)


async def test_row_36_who_sends_nothing_is_cut() -> None:
    async with served(build_api(FakeCouncil(), CONFIG)) as port, connected(port) as (reader, _):
        assert await rest(reader) == b""


async def test_row_36_a_head_without_end_is_refused_long_before_its_time() -> None:
    app = build_api(FakeCouncil(), CONFIG)
    async with served(app, Patience()) as port, connected(port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nX-Long: " + b"x" * 80_000)
        assert problem(await rest(reader))[0] == 431


async def test_row_36_health_answers_while_a_thousand_connections_idle_and_all_are_cut() -> None:
    patience = Patience(head_s=4.0)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(build_api(FakeCouncil(), CONFIG), patience))
        idle = [await stack.enter_async_context(connected(port)) for _ in range(1_000)]
        for _, writer in idle[::2]:
            writer.write(b"GET /health HTTP/1.1\r\nHost: ")
        async with httpx.AsyncClient(trust_env=False, timeout=LONG_S) as http:
            answer = await http.get(f"http://{HOST}:{port}/health")
        assert answer.status_code == 200
        assert not any(reader.at_eof() for reader, _ in idle), "too few were open: test less"
        cut = await asyncio.gather(*(rest(reader, 3 * LONG_S) for reader, _ in idle))
        assert all(problem(one)[0] == 408 for one in cut[::2])
        assert all(one == b"" for one in cut[1::2])


async def test_row_36_when_all_places_are_taken_who_waits_longest_makes_room() -> None:
    council = FakeCouncil(held=True)
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    patience = Patience(connections=10)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(build_api(council, CONFIG), patience))
        stream, writer = await stack.enter_async_context(connected(port))
        writer.write(get(f"/api/council/sessions/{session_id}/events"))
        await stream.readuntil(b"stage_started")
        idle = [await stack.enter_async_context(connected(port)) for _ in range(30)]
        assert await rest(idle[0][0]) == b""
        async with httpx.AsyncClient(trust_env=False, timeout=LONG_S) as http:
            assert (await http.get(f"http://{HOST}:{port}/health")).status_code == 200
        await stream.readuntil(b": still here")
        assert not idle[-1][0].at_eof()


async def test_row_36_a_connection_is_kept_for_the_next_request_and_cut_when_none_comes() -> None:
    app = build_api(FakeCouncil(), CONFIG)
    async with served(app) as port, connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(get("/health"))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            assert b"200 OK" in head
            await reader.readexactly(length)
        writer.write(get("/health") * 3)
        assert (await rest(reader)).count(b"200 OK") == 3


async def test_row_36_a_body_that_goes_on_after_the_answer_is_cut() -> None:
    app = build_api(FakeCouncil(), CONFIG)
    async with served(app) as port, connected(port) as (reader, writer):
        writer.write(get("/health", "Content-Length: 1000000"))
        async with asyncio.TaskGroup() as group:
            dribbling = group.create_task(dribble(writer))
            assert (await rest(reader)).count(b"200 OK") == 1
            dribbling.cancel()


async def test_row_36_streams_outlive_every_bound_and_a_late_head_does_not_end_one() -> None:
    council = FakeCouncil(held=True)
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    app = build_api(council, CONFIG)
    ws = f"/api/council/ws/{session_id}"
    patience = Patience(head_s=0.2, idle_s=0.2, stall_s=0.2)
    async with (
        served(app, patience) as port,
        connected(port) as (reader, writer),
        websockets.connect(f"ws://{HOST}:{port}{ws}") as follower,
    ):
        writer.write(get(f"/api/council/sessions/{session_id}/events"))
        writer.write(b"GET /half-a-request HT")
        ends_at = time.monotonic() + 4 * TICK_S
        while time.monotonic() < ends_at:
            await reader.readuntil(b": still here\n\n")
        await council.sittings[session_id].hear(delta(session_id, "at last"))
        await reader.readuntil(b"at last")
        async for message in follower:
            if "at last" in str(message):
                break


async def test_row_36_a_body_that_dribbles_is_a_408() -> None:
    app = StrictBodies(build_api(FakeCouncil(), CONFIG), 1_000, slack_s=0.5)
    async with served(app, Patience()) as port, connected(port) as (reader, writer):
        head = "POST /api/council/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n"
        writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode())
        async with asyncio.TaskGroup() as group:
            dribbling = group.create_task(dribble(writer))
            status, told = problem(await rest(reader))
            dribbling.cancel()
        assert (status, told["status"]) == (408, 408)


class Flood(FakeCouncil):
    """A council that says much, as fast as it is listened to; a stored event every 50 deltas.
    `told`: bytes of text so far, per listener; `left`: what had been told to each that went."""

    def __init__(self, pause_s: float = 0.0) -> None:
        super().__init__(held=True)
        self.pause_s = pause_s
        self.told: list[int] = []
        self.ended = 0
        self.resumed: list[int] = []

    async def events(self, session_id: str, after: int = 0) -> AsyncIterator[AnyEvent]:
        me = len(self.told)
        self.told.append(0)
        self.resumed.append(after)
        opening = self.sittings[session_id].heard[0]
        text = "Blue. " * 1_000
        try:
            for number in range(10**6):
                if number % 50 == 0:
                    yield opening.model_copy(update={"seq": after + 1 + number // 50})
                yield delta(session_id, text)
                self.told[me] += len(text)
                await asyncio.sleep(self.pause_s)
        finally:
            self.ended += 1


def narrow(port: int) -> socket.socket:
    """A client with a small receive buffer, that reads when it is told to."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    client.setblocking(False)
    return client


async def until(condition: Callable[[], object], within_s: float = LONG_S) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what it looks at is not ours to signal
            await asyncio.sleep(0.05)


async def stalled(port: int, request: bytes, until_heard: bytes) -> socket.socket:
    """A client that asks, hears the beginning, and then reads no more."""
    client, loop = narrow(port), asyncio.get_running_loop()
    await loop.sock_connect(client, (HOST, port))
    await loop.sock_sendall(client, request)
    heard = b""
    async with asyncio.timeout(LONG_S):
        while until_heard not in heard:
            heard += await loop.sock_recv(client, 4_096)
    return client


def handshake(path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
    return get(path, *upgrade, "Sec-WebSocket-Version: 13")


@pytest.mark.parametrize("kind", ["sse", "websocket"])
async def test_row_35_a_reader_that_stops_is_let_go_and_others_hear_on(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded all the way, and when it never reads again it is cut."""
    monkeypatch.setattr("serve_app.streams.SLOW_S", 0.5)
    council = Flood(pause_s=0.002)
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    path = f"/api/council/sessions/{session_id}/events"
    ask = get(path) if kind == "sse" else handshake(f"/api/council/ws/{session_id}")
    served_now = Counted(build_api(council, CONFIG))
    async with served(served_now) as port:
        quick = asyncio.create_task(drink(f"http://{HOST}:{port}{path}"))
        await until(lambda: council.told and council.told[0] > 2**20)
        before = psutil.Process().memory_info().rss
        slow = [await stalled(port, ask, b"session_started") for _ in range(10)]
        await until(lambda: council.ended == len(slow))
        growth = psutil.Process().memory_info().rss - before
        assert max(council.told[1:]) < 4 * 2**20, "more than its buffers was made for a slow reader"
        assert growth < 40 * 2**20
        heard = council.told[0]
        await until(lambda: council.told[0] > heard + 2**20)
        await until(lambda: served_now.running == 1)
        quick.cancel()
        await asyncio.wait({quick})
        for client in slow:
            client.close()


class Counted:
    """How many requests an application is serving."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.running -= 1


async def drink(url: str) -> None:
    """A client that reads as fast as it is told."""
    async with (
        httpx.AsyncClient(trust_env=False, timeout=LONG_S) as http,
        http.stream("GET", url) as answer,
    ):
        async for _ in answer.aiter_raw():
            pass


async def test_row_35_a_slow_reader_that_wakes_has_an_id_to_resume_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serve_app.streams.SLOW_S", 0.3)
    council = Flood()
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    path = f"/api/council/sessions/{session_id}/events"
    loop = asyncio.get_running_loop()
    async with served(build_api(council, CONFIG), replace(SOON, stall_s=LONG_S)) as port:
        client = await stalled(port, get(path), b"session_started")
        await until(lambda: council.ended == 1)
        heard = b""
        async with asyncio.timeout(LONG_S):
            while not heard.endswith(b"0\r\n\r\n"):
                heard += await loop.sock_recv(client, 65_536)
        client.close()
        assert b": reader_too_slow" in heard
        ids = [int(line[4:]) for line in heard.splitlines() if line.startswith(b"id: ")]
        again = await stalled(port, get(path, f"Last-Event-ID: {ids[-1]}"), b"session_started")
        assert council.resumed == [0, ids[-1]]
        again.close()


async def test_row_35_a_slow_websocket_that_wakes_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serve_app.streams.SLOW_S", 0.3)
    council = Flood()
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    async with served(build_api(council, CONFIG), replace(SOON, stall_s=LONG_S)) as port:
        where = f"ws://{HOST}:{port}/api/council/ws/{session_id}"
        async with websockets.connect(where, max_queue=1) as slow:
            await until(lambda: council.ended == 1)
            seen = []
            with suppress(websockets.ConnectionClosedError):
                async for message in slow:
                    seen.append(json.loads(message)["seq"])
        assert (slow.close_code, slow.close_reason) == (1013, "reader_too_slow")
        assert seen[-1] >= 1


async def test_row_36_a_websocket_that_never_answers_a_ping_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serve_app.listener.PING_S", 0.2)
    monkeypatch.setattr("serve_app.listener.PONG_S", 0.3)
    council = FakeCouncil(held=True)
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    app = build_api(council, CONFIG)
    async with served(app, Patience()) as port, connected(port) as (reader, writer):
        writer.write(handshake(f"/api/council/ws/{session_id}"))
        await reader.readuntil(b"stage_started")
        assert council.listeners == 1
        await rest(reader)
        await until(lambda: council.listeners == 0)
    assert (await council.session(session_id)).stage == "opinions"


async def test_row_36_a_websocket_that_neither_reads_nor_answers_is_cut_by_the_ping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is written to it keeps a polite close from ever being done."""
    monkeypatch.setattr("serve_app.listener.PING_S", 0.5)
    monkeypatch.setattr("serve_app.listener.PONG_S", 0.5)
    council = Flood()
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    served_now = Counted(build_api(council, CONFIG))
    async with served(served_now, Patience(stall_s=3_600)) as port:
        ask = handshake(f"/api/council/ws/{session_id}")
        client = await stalled(port, ask, b"session_started")
        await until(lambda: served_now.running == 0)
        client.close()
    assert council.ended == 1
