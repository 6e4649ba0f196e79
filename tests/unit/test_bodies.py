"""Bodies: bounded, typed, and strictly JSON before a route sees them (faults.md, row 37)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message, Receive, Scope, Send

from serve_app.bodies import Large, StrictBodies
from serve_app.edge import install

JSON = {"Content-Type": "application/json"}
LIMIT = 100


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> object:
        return {"got": await request.json()}

    @app.get("/echo")
    @app.delete("/echo")
    async def no_body() -> object:
        return {}

    install(app, LIMIT)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://council") as made:
        yield made


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_good_body_reaches_the_route_whole(client: httpx.AsyncClient) -> None:
    answer = await client.post("/echo", json={"query": "é😀"})
    assert answer.json() == {"got": {"query": "é😀"}}
    answer = await client.post("/echo", content=pieces(b'{"a"', b"", b":1}"), headers=JSON)
    assert answer.json() == {"got": {"a": 1}}


async def test_a_body_of_exactly_the_limit_is_read(client: httpx.AsyncClient) -> None:
    body = b'"' + b"a" * (LIMIT - 2) + b'"'
    assert (await client.post("/echo", content=body, headers=JSON)).status_code == 200


@pytest.mark.parametrize("chunked", [True, False])
async def test_one_byte_more_is_refused_with_or_without_a_length(
    client: httpx.AsyncClient, chunked: bool
) -> None:
    body = b'"' + b"a" * (LIMIT - 1) + b'"'
    content = pieces(body[:50], body[50:]) if chunked else body
    answer = await client.post("/echo", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("length", "status"), [("-1", 400), ("x", 400), ("²", 400), ("9" * 5_000, 413)]
)
async def test_a_length_that_lies_is_refused(
    client: httpx.AsyncClient, length: str, status: int
) -> None:
    headers = {**JSON, "Content-Length": length.encode()}
    answer = await client.post("/echo", content=b"{}", headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=latin-1"},
        {**JSON, "Content-Encoding": "gzip"},
        [("Content-Type", "application/json"), ("Content-Type", "text/plain")],
    ],
)
async def test_another_type_is_refused(client: httpx.AsyncClient, headers: object) -> None:
    answer = await client.post("/echo", content=b"{}", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON ; charset=UTF-8", 'application/json;charset="utf8"'],
)
async def test_json_is_json_however_it_is_written(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post("/echo", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xef\xbb\xbf{}", b"\xff", b"[NaN]", b'{"a":1,"a":2}', b'["\\ud800"]']
)
async def test_what_is_not_acceptable_json_never_reaches_the_route(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/echo", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_requests_without_a_body_pass(client: httpx.AsyncClient) -> None:
    assert (await client.get("/echo")).status_code == 200
    assert (await client.delete("/echo")).status_code == 200


async def call(receive: Receive, deadline_s: float = 30.0, slack_s: float = 8.0) -> list[Message]:
    """What the middleware sends when the body comes from `receive`; the app must not be called."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the route was called")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    await StrictBodies(app, LIMIT, deadline_s, slack_s)(scope, receive, send)
    return sent


async def test_a_client_that_leaves_in_mid_body_is_not_answered() -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    assert await call(receive) == []


async def test_a_body_that_never_ends_is_cut_at_the_deadline() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    start, _ = await call(receive, deadline_s=0.01)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


async def test_row_36_a_body_that_dribbles_is_cut_long_before_the_deadline() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    start, _ = await call(receive, deadline_s=60, slack_s=0.05)
    assert start["status"] == 408


async def test_a_body_without_end_is_not_held_in_memory() -> None:
    reads = 0

    async def receive() -> Message:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b" " * 30, "more_body": True}

    start, _ = await call(receive)
    assert start["status"] == 413
    assert reads == LIMIT // 30 + 1


class TestLargeBodies:
    """`/seen` may be sent larger ones, one at once."""

    LARGE = Large(ends=("/seen",), max_body=10 * LIMIT, at_once=1, patience_s=0.05)
    BODY = b'"' + b"a" * 5 * LIMIT + b'"'

    @pytest.fixture
    async def seen(self) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Event, asyncio.Event]]:
        """A client of `/seen`; what is set when it was seen, and what ends it."""
        app, came, may_go = FastAPI(), asyncio.Event(), asyncio.Event()

        @app.post("/echo")
        @app.post("/seen")
        async def look(request: Request) -> int:
            length = len(await request.json())
            came.set()
            await may_go.wait()
            return length

        install(app, LIMIT, self.LARGE)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://council") as made:
            yield made, came, may_go

    async def test_they_are_read_where_they_may_be_sent(self, seen: Any) -> None:
        client, _, may_go = seen
        may_go.set()
        told = await client.post("/seen", content=self.BODY, headers=JSON)
        assert told.json() == 5 * LIMIT
        elsewhere = await client.post("/echo", content=self.BODY, headers=JSON)
        too_large = await client.post("/seen", content=self.BODY * 3, headers=JSON)
        untold = await client.post("/seen", content=pieces(self.BODY), headers=JSON)
        for answer, bound in ((elsewhere, LIMIT), (too_large, 10 * LIMIT), (untold, LIMIT)):
            assert answer.status_code == 413 and f" {bound} bytes" in answer.json()["detail"]

    async def test_one_has_its_place_until_it_is_answered(self, seen: Any) -> None:
        client, came, may_go = seen
        first = asyncio.create_task(client.post("/seen", content=self.BODY, headers=JSON))
        await came.wait()
        away = await client.post("/seen", content=self.BODY, headers=JSON)
        assert (away.status_code, away.json()["code"]) == (429, "queue_full")
        assert away.headers["retry-after"] == "5" and "fit (1)" in away.json()["detail"]
        came.clear()
        small = asyncio.create_task(client.post("/seen", content=b'"a"', headers=JSON))
        await came.wait()
        may_go.set()
        assert [(await one).status_code for one in (first, small)] == [200, 200]
        assert (await client.post("/seen", content=self.BODY, headers=JSON)).is_success

    async def test_who_waits_for_a_place_is_let_in_by_who_leaves(self) -> None:
        inside, may_go = [0], asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            inside[0] += 1
            await may_go.wait()

        async def receive() -> Message:
            return {"type": "http.request", "body": self.BODY, "more_body": False}

        async def send(message: Message) -> None:
            raise AssertionError(f"who waits is not sent away: {message}")

        length = (b"content-length", str(len(self.BODY)).encode())
        headers = [(b"content-type", b"application/json"), length]
        scope = {"type": "http", "method": "POST", "path": "/seen", "headers": headers}
        strict = StrictBodies(app, LIMIT, large=replace(self.LARGE, patience_s=60))
        both = [asyncio.create_task(strict(scope, receive, send)) for _ in range(2)]
        await asyncio.sleep(0)  # each runs until it has to wait: one in the app, one for its place
        assert inside == [1] and not any(one.done() for one in both)
        may_go.set()
        await asyncio.gather(*both)
        assert inside == [2]
