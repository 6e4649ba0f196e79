"""The HTTP interface on a real socket, without Ray: what only uvicorn and TCP can show."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import websockets

from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.fake_council import FakeCouncil, TalkingCouncil

pytestmark = pytest.mark.integration

CONFIG = ApiConfig("1", "3.11", "2.60")
HOST = "127.0.0.1"


@asynccontextmanager
async def served(council: FakeCouncil) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    async with listening(build_api(council, CONFIG), HOST, 0) as port:
        url = f"http://{HOST}:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield http, port


async def test_it_ends_soon_though_a_stream_is_open_and_leaves_signals_alone() -> None:
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    council = TalkingCouncil()
    async with served(council) as (http, port):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
        opened = await http.post("/api/council/sessions", json={"query": "hold"})
        path = opened.headers["location"] + "/events"
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"opinion_delta")
        assert council.listeners == 1
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert council.listeners == 0
    writer.close()
    await writer.wait_closed()


async def test_the_port_is_free_at_once_for_the_next() -> None:
    async with served(FakeCouncil()) as (http, port):
        await http.get("/health")
    async with listening(build_api(FakeCouncil(), CONFIG), HOST, port) as again:
        assert again == port


async def test_a_port_of_somebody_else_is_an_error() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        with pytest.raises(OSError):
            async with listening(build_api(FakeCouncil(), CONFIG), HOST, other.getsockname()[1]):
                pass


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: 1\r\n" * 200 + b"\r\n", 431),
        (b"\x16\x03\x01\x00\xff nonsense\r\n\r\n", 400),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /api/council/sessions/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
    ],
)
async def test_raw_bytes_never_make_a_500(request_line: bytes, status: int) -> None:
    async with served(FakeCouncil()) as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request_line)
        answer = await reader.readline()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    assert answer.split()[1] == str(status).encode()


async def test_a_websocket_refused_is_a_problem() -> None:
    async with served(FakeCouncil()) as (_, port):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(
                f"ws://{HOST}:{port}/api/council/ws/x", origin=websockets.Origin("null")
            ):
                pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["code"] == "foreign_origin"
