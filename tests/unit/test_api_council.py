"""Questions and sessions over HTTP, without Ray: the contract. What strangers send is in
`test_api_strangers.py`."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from serve_app.configuration import ApiConfig
from tests.fake_council import MODEL, FakeCouncil, api

CONFIG = ApiConfig(version="1.2.3", python_version="3.11.7", ray_version="2.60.0")
ASK = "/api/council/query"
SESSIONS = "/api/council/sessions"


def client(council: FakeCouncil, config: ApiConfig = CONFIG) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api(council, config))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def answer(method: str, path: str, council: FakeCouncil | None = None, **more: Any) -> Any:
    async with client(council or FakeCouncil()) as http:
        return await http.request(method, path, **more)


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response.headers["x-request-id"]
    return body


async def test_a_question_is_answered_with_the_whole_session() -> None:
    response = await answer("POST", ASK, json={"query": "Why is the sky blue?"})
    assert response.status_code == 200
    session = response.json()
    assert session["stage"] == "complete"
    assert session["final_answer"]["content"] == "It scatters."
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("code", "status"),
    [("no_opinions", 502), ("no_quorum", 503), ("deadline", 504), ("cancelled", 409)],
)
async def test_a_session_without_an_answer_is_a_problem_that_names_it(
    code: str, status: int
) -> None:
    council = FakeCouncil(error_code=code)
    problem = assert_problem(await answer("POST", ASK, council, json={"query": "?"}), status, code)
    assert problem["session_id"] in council.sittings
    assert problem["detail"] == "It went wrong."


async def test_an_end_of_unknown_kind_is_still_no_500() -> None:
    council = FakeCouncil(error_code="moon_phase")
    assert_problem(await answer("POST", ASK, council, json={"query": "?"}), 502, "council_failed")


async def test_a_session_opens_with_202_and_where_to_look() -> None:
    council = FakeCouncil(held=True)
    async with client(council) as http:
        opened = await http.post(SESSIONS, json={"query": "?"})
        assert opened.status_code == 202
        assert opened.headers["location"] == f"{SESSIONS}/{opened.json()['session_id']}"
        there = await http.get(opened.headers["location"])
        assert there.json() == opened.json()
        alias = await http.get(f"/api/council/session/{opened.json()['session_id']}")
        assert alias.json() == opened.json()


@pytest.mark.parametrize("path", [ASK, SESSIONS])
async def test_the_same_key_gives_the_same_session(path: str) -> None:
    council = FakeCouncil()
    async with client(council) as http:
        ids = {
            (await http.post(path, json={"query": "?"}, headers={"Idempotency-Key": "k"})).json()[
                "session_id"
            ]
            for _ in range(3)
        }
        other = await http.post(path, json={"query": "!"}, headers={"Idempotency-Key": "k"})
    assert len(ids) == len(council.sittings) == 1
    assert_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "k" * 256, "two words"])
async def test_a_key_has_a_sane_form(key: str) -> None:
    council = FakeCouncil()
    response = await answer(
        "POST", ASK, council, json={"query": "?"}, headers={"Idempotency-Key": key}
    )
    assert_problem(response, 422, "invalid_request")
    assert not council.sittings


async def test_the_history_is_newest_first_and_pages() -> None:
    async with client(FakeCouncil()) as http:
        for query in ("red", "green", "blue"):
            await http.post(SESSIONS, json={"query": query})
        page = (await http.get(SESSIONS, params={"limit": 2})).json()["sessions"]
        assert [line["query"] for line in page] == ["blue", "green"]
        older = await http.get(f"{SESSIONS}?before={page[-1]['created_at'].replace('Z', '+00:00')}")
        assert [line["query"] for line in older.json()["sessions"]] == ["red"]
        found = await http.get(SESSIONS, params={"q": "ree"})
        assert [line["query"] for line in found.json()["sessions"]] == ["green"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=1e999", "before=now", "before=2026-01-01T00:00:00"]
    + ["q=" + "x" * 201, "limit=" + "9" * 5_000, "before=" + "9" * 400, "before=inf"]
    + ["before=0001-01-01T00:00:00%2B23:00", "before=9999-12-31T23:59:59-23:00"],
)
async def test_paging_is_validated(query: str) -> None:
    problem = assert_problem(await answer("GET", f"{SESSIONS}?{query}"), 422, "invalid_request")
    assert problem["errors"][0]["place"] == "query"
    assert problem["errors"][0]["loc"] == [query.partition("=")[0]]


async def test_cancel_then_again_then_purge() -> None:
    council = FakeCouncil(held=True)
    async with client(council) as http:
        path = (await http.post(SESSIONS, json={"query": "?"})).headers["location"]
        assert_problem(await http.delete(f"{path}?purge=true"), 409, "session_running")
        first, second = await http.delete(path), await http.delete(path)
        assert first.json()["error_code"] == "cancelled"
        assert second.json() == first.json()
        assert (await http.delete(f"{path}?purge=true")).status_code == 204
        assert_problem(await http.get(path), 404, "session_not_found")


async def test_what_has_ended_cannot_be_cancelled() -> None:
    async with client(FakeCouncil()) as http:
        path = (await http.post(SESSIONS, json={"query": "?"})).headers["location"]
        assert_problem(await http.delete(path), 409, "session_finished")


async def test_the_minutes_are_a_file() -> None:
    async with client(FakeCouncil()) as http:
        path = (await http.post(SESSIONS, json={"query": "Why?"})).headers["location"]
        minutes = await http.get(f"{path}/export")
        assert minutes.headers["content-type"] == "text/markdown; charset=utf-8"
        assert minutes.headers["content-disposition"].endswith('.md"')
        assert "> Why?" in minutes.text
        whole = await http.get(f"{path}/export?format=json")
        assert whole.headers["content-disposition"].endswith('.json"')
        assert whole.json() == (await http.get(path)).json()
        assert_problem(await http.get(f"{path}/export?format=exe"), 422, "invalid_request")


async def test_the_models_are_listed() -> None:
    assert (await answer("GET", "/api/council/models")).json()["nodes"] == {MODEL: ["pc1"]}


async def drive(council: FakeCouncil, path: str, left: asyncio.Event) -> list[dict[str, Any]]:
    """One POST whose client leaves when `left` is set; what the server sent."""
    app, sent = api(council, CONFIG), []
    body = [{"type": "http.request", "body": b'{"query": "?"}', "more_body": False}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    where, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": "POST",
        "path": where,
        "raw_path": where.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    return sent


async def test_a_client_that_leaves_does_not_end_the_session() -> None:
    council, left = FakeCouncil(held=True), asyncio.Event()
    request = asyncio.create_task(drive(council, ASK, left))
    session_id = await council.opened.get()
    left.set()
    await council.finish(session_id)
    await request
    assert (await council.session(session_id)).stage == "complete"


async def test_a_client_may_ask_that_leaving_cancels() -> None:
    council, left = FakeCouncil(held=True), asyncio.Event()
    request = asyncio.create_task(drive(council, f"{ASK}?cancel_on_disconnect=true", left))
    session_id = await council.opened.get()
    left.set()
    await request
    assert (await council.session(session_id)).error_code == "cancelled"


async def test_a_server_that_cancels_us_cancels_the_session_too() -> None:
    """Ray Serve says that a client left by cancelling the handler."""
    council = FakeCouncil(held=True)
    path = f"{ASK}?cancel_on_disconnect=true"
    request = asyncio.create_task(drive(council, path, asyncio.Event()))
    session_id = await council.opened.get()
    for _ in range(20):
        await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await council.session(session_id)).error_code == "cancelled"


async def test_a_client_that_stays_gets_its_answer_all_the_same() -> None:
    council = FakeCouncil(held=True)
    path = f"{ASK}?cancel_on_disconnect=true"
    request = asyncio.create_task(drive(council, path, asyncio.Event()))
    await council.finish(await council.opened.get())
    assert (await request)[0]["status"] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", ASK, 405), ("GET", "/api/council/../../etc/passwd", 404)],
)
async def test_wrong_paths_and_methods_are_problems(method: str, path: str, status: int) -> None:
    response = await answer(method, path, json={})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_the_document_describes_bodies_errors_and_parameters() -> None:
    document = (await answer("GET", "/openapi.json")).json()
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    operation = document["paths"][ASK]["post"]
    assert {"400", "401", "409", "413", "415", "422", "429", "502", "503", "504"} <= set(
        operation["responses"]
    )
    assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]
    assert {one["name"] for one in operation["parameters"]} == {
        "Idempotency-Key",
        "cancel_on_disconnect",
    }
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in document["components"]["schemas"]
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
