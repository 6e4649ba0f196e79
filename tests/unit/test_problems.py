"""Problems: what a client sees of an error, and what it never sees."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Query, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Message

from actors import errors
from serve_app.edge import MAX_HEADERS, BrokenOff, install
from serve_app.problems import MEDIA_TYPE, from_error

CANARY = "canary-4711"

RAISED: list[errors.CouncilError] = [
    errors.SessionNotFound("No session has that id."),
    errors.QueueFull("40 questions wait already."),
    errors.NoOpinions("All three agents failed.", "0b9e"),
    errors.DeadlineReached("600 s passed.", "0b9e"),
    errors.StoreUnavailable("The disk is full."),
    errors.Unauthorized("Send the key."),
    errors.NodeUnreachable("pc2 does not answer.", CANARY),
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    query: str = Field(min_length=1, max_length=20)
    seats: list[int] = []


def app() -> FastAPI:
    made = FastAPI()

    @made.get("/raise/{index}")
    async def raises(index: int) -> None:
        raise RAISED[index]

    @made.get("/bug")
    async def bug() -> None:
        raise KeyError(CANARY)

    @made.get("/stream")
    async def stream(known: bool = False) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield "one\n"
            raise errors.StoreUnavailable(CANARY) if known else KeyError(CANARY)

        return StreamingResponse(lines())

    @made.post("/ask")
    async def ask(body: Body) -> Body:
        return body

    @made.get("/find/{session_id}")
    async def find(session_id: UUID, limit: Annotated[int, Query(ge=1)] = 1) -> None:
        raise errors.InvalidRequest(
            "query: too long", [{"loc": ["query"], "msg": "too long", "type": "too_long"}]
        )

    @made.websocket("/ws/{index}")
    async def socket(socket: WebSocket, index: int) -> None:
        await socket.accept()
        raise RAISED[index]

    install(made, 1024)
    return made


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://council") as made:
        yield made


@pytest.mark.parametrize("index", range(len(RAISED)))
async def test_an_error_is_a_problem_with_its_code(client: httpx.AsyncClient, index: int) -> None:
    answer = await client.get(f"/raise/{index}")
    error, problem = RAISED[index], answer.json()
    assert answer.status_code == problem["status"] == error.status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["cache-control"] == "no-store"
    assert (problem["code"], problem["detail"]) == (error.code, error.detail)
    assert problem["title"] == error.title
    assert problem["type"].endswith(error.code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert CANARY not in answer.text


async def test_what_applies_is_said_and_nothing_else(client: httpx.AsyncClient) -> None:
    full, failed = await client.get("/raise/1"), await client.get("/raise/2")
    assert full.headers["retry-after"] == "5"
    assert full.json()["retry_after_s"] == 5
    assert "session_id" not in full.json()
    assert failed.json()["session_id"] == "0b9e"
    assert "retry-after" not in failed.headers
    assert "errors" not in failed.json()
    assert (await client.get("/raise/5")).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("sent", "place", "loc", "kind"),
    [
        ({"query": ""}, "body", ["query"], "string_too_short"),
        ({"query": CANARY * 9}, "body", ["query"], "string_too_long"),
        ({"query": "a", "seats": [1, CANARY]}, "body", ["seats", 1], "int_parsing"),
        ({}, "body", ["query"], "missing"),
        ([CANARY], "body", [], "model_attributes_type"),
    ],
)
async def test_a_wrong_field_is_named_and_its_value_is_not_repeated(
    client: httpx.AsyncClient, sent: object, place: str, loc: list[object], kind: str
) -> None:
    answer = await client.post("/ask", json=sent)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    (error,) = problem["errors"]
    assert set(error) - {"ctx"} == {"place", "loc", "msg", "type"}
    assert error.get("ctx", {}).keys() <= {"min_length", "max_length"}
    assert (error["place"], error["loc"], error["type"]) == (place, loc, kind)
    assert CANARY not in answer.text


async def test_an_unknown_key_of_any_length_and_number_stays_short(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/ask", json={"query": "a", "k" * 900: 1})
    assert len(answer.content) < 600
    many = {f"k{n}": 1 for n in range(80)}
    answer = await client.post("/ask", json={"query": "a", **many})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20


async def test_path_and_query_are_places_of_their_own(client: httpx.AsyncClient) -> None:
    answer = await client.get("/find/not-a-uuid?limit=0")
    assert [(e["place"], e["loc"]) for e in answer.json()["errors"]] == [
        ("path", ["session_id"]),
        ("query", ["limit"]),
    ]
    assert "path session_id: " in answer.json()["detail"]


async def test_a_field_that_the_facade_refuses_looks_the_same(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/find/{UUID(int=0)}")
    assert answer.json()["errors"] == [
        {"place": "body", "loc": ["query"], "msg": "too long", "type": "too_long"}
    ]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/{CANARY}", 404, "not_found"),
        ("GET", "/find/../../etc/passwd", 404, "not_found"),
        ("DELETE", "/ask", 405, "method_not_allowed"),
    ],
)
async def test_no_such_path_or_method_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert CANARY not in answer.text
    assert ("allow" in answer.headers) == (status == 405)


async def test_a_mistake_of_ours_tells_the_client_an_id_and_the_log_the_place(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await client.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert CANARY not in answer.text
    assert CANARY not in caplog.text
    assert answer.json()["request_id"] in caplog.text
    assert "KeyError at " in caplog.text
    assert "test_problems.py:" in caplog.text


@pytest.mark.parametrize("known", [True, False])
async def test_a_response_that_had_begun_is_cut_without_repeating_why(
    client: httpx.AsyncClient, known: bool
) -> None:
    with pytest.raises(BrokenOff) as caught:
        await client.get("/stream", params={"known": known})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("given", ["req-1", "a" * 64])
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/raise/0", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\tb", "<script>", "é".encode()])
async def test_any_other_request_id_is_replaced(
    client: httpx.AsyncClient, given: str | bytes
) -> None:
    answer = await client.get("/raise/0", headers={"X-Request-ID": given})
    assert len(answer.headers["x-request-id"]) == 32


async def test_two_request_ids_are_none(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/0", headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
    assert answer.headers["x-request-id"] not in ("a", "b", "a, b")


async def test_headers_without_end_are_refused(client: httpx.AsyncClient) -> None:
    for headers in ({"X-A": "a" * 40_000}, {f"X-{n}": "a" for n in range(MAX_HEADERS)}):
        answer = await client.get("/raise/0", headers=headers)
        assert answer.status_code == 431
        assert answer.json()["code"] == "request_header_fields_too_large"
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def closing(path: str, *headers: tuple[bytes, bytes]) -> Message:
    """The last word of the app to a WebSocket client that only connects."""
    sent: list[Message] = []
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": list(headers)}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app()(scope, receive, send)
    return sent[-1]


@pytest.mark.parametrize(("index", "code"), [(0, 1008), (4, 1011)])
async def test_a_socket_is_closed_with_the_errors_code(index: int, code: int) -> None:
    message = await closing(f"/ws/{index}")
    assert message == {"type": "websocket.close", "code": code, "reason": RAISED[index].code}


@pytest.mark.parametrize(("path", "size"), [("/ws/x", 1), ("/ws/0", 40_000)])
async def test_a_socket_with_a_bad_address_is_refused(path: str, size: int) -> None:
    message = await closing(path, (b"x-a", b"a" * size))
    assert (message["type"], message["code"]) == ("websocket.close", 1008)


def test_a_detail_without_end_is_cut() -> None:
    assert len(from_error(errors.NoOpinions("x" * 10_000), "id").detail) == 2_000
