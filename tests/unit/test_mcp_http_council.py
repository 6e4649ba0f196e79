"""The council of `./council mcp`: over HTTP answers as the API gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.errors import CouncilError, CouncilUnavailable, SessionNotFound
from actors.messages.events import OpinionDelta, SessionStarted
from actors.messages.requests import CouncilRequest
from cluster import run_record
from cluster.run_record import RunRecord
from cluster.settings import Settings
from serve_app.mcp.http_council import HttpCouncil
from serve_app.streams import frame
from tests.fake_council import FakeCouncil, Sitting, delta, opening

Answer = Callable[[httpx.Request], httpx.Response]


def council(home: Path, answer: Answer) -> HttpCouncil:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return HttpCouncil(Settings.having(home=home), http)


def problem(status: int, **more: Any) -> Answer:
    body = {"detail": "It cannot be.", "code": "c", **more}
    return lambda _: httpx.Response(status, json=body)


async def test_it_asks_where_up_wrote_down_that_the_council_is_and_shows_its_key(
    tmp_path: Path,
) -> None:
    sent: list[httpx.Request] = []
    session = await FakeCouncil().open(CouncilRequest(query="Why?"))

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(202, content=session.model_dump_json())

    asked = council(tmp_path, answer)
    record = RunRecord(
        api_url="http://127.0.0.1:8123", dashboard_url="", ray_address="", node_name="pc1",
        lan=False, engine="ollama", started_at="",
    )  # fmt: skip
    run_record.write(tmp_path, record)  # it is started after the client was
    (tmp_path / "api_key").write_text("4f4f\n")
    assert await asked.open(CouncilRequest(query="Why?", mode="fast")) == session
    (request,) = sent
    assert str(request.url) == "http://127.0.0.1:8123/api/council/sessions"
    assert request.headers["authorization"] == "Bearer 4f4f"
    assert request.content == b'{"query":"Why?","mode":"fast"}'


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (problem(404), SessionNotFound, "It cannot be."),
        (problem(503, code="council_unavailable"), CouncilUnavailable, "./council status"),
        (problem(422, code="model_not_available"), CouncilError, "ollama pull <model>"),
        (problem(401, code="unauthorized"), CouncilError, "api_key in its COUNCIL_HOME"),
        (lambda _: httpx.Response(200, text="<html>"), CouncilError, "a council of this release"),
    ],
)
async def test_what_fails_is_an_error_in_the_words_of_the_commands(
    tmp_path: Path, answer: Answer, kind: type[CouncilError], sentence: str
) -> None:
    with pytest.raises(CouncilError, match=sentence) as raised:
        await council(tmp_path, answer).session("x")
    assert type(raised.value) is kind


async def test_a_council_that_is_not_up_says_how_to_start_it(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    asked = council(tmp_path, refuse)
    with pytest.raises(CouncilUnavailable, match=r"No council answers .* \./council up"):
        await asked.catalogue()
    with pytest.raises(CouncilUnavailable):
        _ = [event async for event in asked.events("x")]


async def test_events_come_as_they_were_sent_from_where_they_were_left(tmp_path: Path) -> None:
    sitting = Sitting("a1b2c3d4-0000-4000-8000-000000000001", 1, CouncilRequest(query="Why?"))
    events = [*opening(sitting), delta(sitting.id, "Bl\u2028ue\n\ndata: x")]
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, text=": still here\n\n" + "".join(map(frame, events)))

    asked = council(tmp_path, answer)
    heard = [event async for event in asked.events(sitting.id, after=7)]
    assert heard == events
    assert isinstance(heard[0], SessionStarted) and isinstance(heard[-1], OpinionDelta)
    assert sent[0].headers["last-event-id"] == "7"
