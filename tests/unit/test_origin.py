"""Where a request came from reaches the council: its id, and a trace context that can be read."""

import httpx
import pytest

from actors.messages.requests import Origin
from serve_app.configuration import ApiConfig
from tests.fake_council import MODEL, FakeCouncil, api

CONFIG = ApiConfig(version="1.2.3", python_version="3.11.7", ray_version="2.60.0")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUESTION = {"query": "Why?"}
CALL = {"model": MODEL, "prompt": "Why?"}


def _bytes(headers: list[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    return [(n.encode(), t.encode() if isinstance(t, str) else t) for n, t in headers]


async def origins(path: str, body: object, headers: list[tuple[str, str | bytes]]) -> list[Origin]:
    council = FakeCouncil()
    transport = httpx.ASGITransport(api(council, CONFIG))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        response = await http.post(path, json=body, headers=_bytes(headers))
    assert response.is_success, response.text
    assert {origin.request_id for origin in council.origins} == {response.headers["x-request-id"]}
    return council.origins


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/council/query", QUESTION),
        ("/api/council/sessions", QUESTION),
        ("/api/generate", CALL),
        ("/api/generate/batch", {"requests": [CALL, CALL]}),
    ],
)
async def test_the_request_id_and_the_trace_context_come_with_the_question(
    path: str, body: object
) -> None:
    headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]
    for origin in await origins(path, body, headers):
        assert (origin.traceparent, origin.tracestate) == (PARENT, "a=1,b=2")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("traceparent", PARENT.upper())],
        [("traceparent", PARENT + "-00")],
    ],
)
async def test_a_trace_context_that_cannot_be_read_counts_as_none(
    headers: list[tuple[str, str | bytes]],
) -> None:
    for origin in await origins("/api/council/sessions", QUESTION, headers):
        assert origin.traceparent is None


@pytest.mark.parametrize("state", ["x" * 513, b"a=\xe9"])
async def test_a_trace_state_that_cannot_be_read_does_not_cost_the_parent(
    state: str | bytes,
) -> None:
    headers = [("traceparent", PARENT), ("tracestate", state)]
    for origin in await origins("/api/council/sessions", QUESTION, headers):
        assert (origin.traceparent, origin.tracestate) == (PARENT, None)
