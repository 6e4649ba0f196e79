"""Taking PCs out over HTTP, and what `./council drain` says about it."""

from typing import Any

import httpx
import pytest

from actors.errors import CouncilUnavailable
from serve_app.cli import drain
from serve_app.cli.client import Client
from serve_app.cli.terminal import Stop
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, api

CONFIG = ApiConfig(version="1.2.3", python_version="3.11.7", ray_version="2.60.0")


def client(council: FakeCouncil) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api(council, CONFIG))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_a_pc_is_taken_out_and_let_in_again() -> None:
    async with client(FakeCouncil()) as http:
        begun = await http.post("/api/cluster/nodes/pc2/drain", json={})
        assert (begun.status_code, begun.json()["state"]) == (202, "draining")
        told = (await http.get("/api/cluster/nodes")).json()["nodes"]
        assert {node["name"]: node["state"] for node in told} == {
            "pc1": "serving",
            "pc2": "draining",
        }
        assert {"calls", "breaker_open", "agents", "owed", "role", "ip", "max_models"} <= set(
            told[0]
        )
        back = await http.delete("/api/cluster/nodes/pc2/drain")
        assert (back.status_code, back.json()["state"]) == (200, "serving")


@pytest.mark.parametrize("name", ["pc9", "..", "%2e%2e%2f", "x" * 200, "'; drop table"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_pc_that_is_not_there_is_not_found(method: str, name: str) -> None:
    council = FakeCouncil()
    async with client(council) as http:
        answer = await http.request(method, f"/api/cluster/nodes/{name}/drain", json={})
    assert answer.status_code == 404 and answer.headers["content-type"].startswith(
        "application/problem+json"
    )
    assert set(council.duties.values()) == {"serving"}


async def test_a_council_that_does_not_answer_is_said_so() -> None:
    council = FakeCouncil()
    council.failure = CouncilUnavailable("Gone.")
    async with client(council) as http:
        for answer in (
            await http.post("/api/cluster/nodes/pc2/drain", json={}),
            await http.get("/api/cluster/nodes"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "council_unavailable")


def standing(state: str, calls: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "name": "pc2",
        "role": "worker",
        "state": state,
        "calls": calls,
        "agents": [],
        "owed": [],
        **more,
    }


class Stage:
    """An API that tells these standings, one after the other."""

    def __init__(self, *told: dict[str, Any] | None) -> None:
        self.told = list(told)
        self.asked: list[tuple[str, str]] = []
        transport = httpx.MockTransport(self._answer)
        self.client = Client("http://pc1:8000", None, httpx.Client(transport=transport))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.raw_path.decode()))
        now = self.told.pop(0)
        if request.method == "GET":
            return httpx.Response(200, json={"nodes": [now] if now else []})
        return httpx.Response(202, json=now)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "POLL_S", 0)


def test_the_command_shows_what_is_left_and_returns_when_the_pc_is_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    busy = standing("draining", 2, agents=["a:1", "b:1"], owed=["b:1"])
    stage = Stage(busy, busy, standing("draining", 1, agents=["b:1"]), standing("drained"))
    drain.drain(stage.client, "pc2")
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "pc2: 2 calls run there; models that sit there: a:1, b:1; open councils may still need b:1,"
        " which no other PC has",
        "pc2: 1 call runs there; models that sit there: b:1",
    ]
    assert "pc2 is empty" in out and "Ctrl-C" in out and "./council drain pc2 --undo" in out
    assert stage.asked[0] == ("POST", "/api/cluster/nodes/pc2/drain")


def test_a_pc_that_leaves_meanwhile_ends_the_wait(capsys: pytest.CaptureFixture[str]) -> None:
    drain.drain(Stage(standing("draining", 1), None).client, "pc2")
    assert "has left" in capsys.readouterr().out


def test_a_pc_that_is_let_in_meanwhile_ends_the_wait(capsys: pytest.CaptureFixture[str]) -> None:
    drain.drain(Stage(standing("draining", 1), standing("serving")).client, "pc2")
    assert "it serves" in capsys.readouterr().out


def test_the_head_must_not_be_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    drain.drain(Stage(standing("drained", role="head")).client, "pc2")
    assert "Do not switch it off" in capsys.readouterr().out


def test_a_name_is_one_part_of_the_path() -> None:
    stage = Stage(standing("serving"))
    drain.undo(stage.client, "../pc 2?")
    assert stage.asked == [("DELETE", "/api/cluster/nodes/..%2Fpc%202%3F/drain")]


def test_a_pc_that_is_not_there_is_told_in_words() -> None:
    problem = {"detail": "No PC of that name.", "code": "node_not_found"}
    transport = httpx.MockTransport(lambda request: httpx.Response(404, json=problem))
    with pytest.raises(Stop, match="No PC of that name") as stop:
        drain.drain(Client("http://pc1:8000", None, httpx.Client(transport=transport)), "pc9")
    assert "./council status" in stop.value.lines[1]
