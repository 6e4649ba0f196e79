"""`./council show` and `watch`: over HTTP answers as the council gives them."""

import json
from typing import Any

import httpx
import pytest
from rich.console import Console

from serve_app.cli import watch
from serve_app.cli.client import Client
from serve_app.cli.session import views
from serve_app.cli.show import show, whole_id
from serve_app.cli.status import overview
from serve_app.cli.terminal import Stop

IDS = ("a1b2c3d4-0000-4000-8000-000000000001", "a1ffffff-0000-4000-8000-000000000002")
NONE_HELD = {"total_prompt_tokens": 0, "total_completion_tokens": 0, "total_tokens": 0}
EVENTS: list[dict[str, Any]] = [
    {
        "kind": "session_started", "seq": 1, "chairman_model": "c:3b",
        "seats": [{"agent_id": "agent_1", "name": "Alpha", "model": "a:1b"}],
    },
    {"kind": "stage_started", "seq": 2, "stage": "opinions"},
    {"kind": "opinion", "seq": 3, "agent_id": "agent_1", "content": "Air."},
    {"kind": "session_closed", "seq": 4, "outcome": "complete"},
]  # fmt: skip


def session(stage: str = "complete") -> dict[str, Any]:
    answer = {
        "content": "It is the air.", "sources_cited": ["agent_1"], "basis": "synthesis",
        "chairman_model": "c:3b", "fallback": None, "truncated": False, "cached": False,
        "guard": None,
    }  # fmt: skip
    return {
        "session_id": IDS[0], "query": "Why is the sky blue?", "stage": stage, "notices": [],
        "absences": [], "error": None, "error_code": None, "token_usage": NONE_HELD,
        "agents": [{"agent_id": "agent_1", "name": "Alpha"}], "degraded": False,
        "final_answer": answer if stage == "complete" else None,
        "latency_stats": {"total_duration_ms": 1200}, "created_at": "2026-01-02T03:04:05+00:00",
        "total_tokens": 0, "duration_ms": 1200, "cloud_cost": {"sentence": "A cloud!"},
        "joules": 1800.0,
    }  # fmt: skip


def pc(name: str, energy: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "name": name, "role": "worker", "cpu_percent": 5.0, "memory": None, "energy": energy,
    }  # fmt: skip


def client(stage: str = "complete", *pcs: dict[str, Any]) -> Client:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/events"):
            stream = "".join(f"id: {e['seq']}\ndata: {json.dumps(e)}\n\n" for e in EVENTS)
            return httpx.Response(200, text=stream)
        if path == "/api/council/sessions":
            found = [session(stage), {**session(stage), "session_id": IDS[1]}]
            return httpx.Response(200, json={"sessions": found})
        if path.startswith("/health/ready"):
            return httpx.Response(200, json={})
        if path == "/health/system":
            return httpx.Response(200, json={"nodes": pcs})
        if path.startswith("/health") or path == "/api/cluster/nodes":
            return httpx.Response(200, json={"nodes": []})
        return httpx.Response(200, json=session(stage))

    return Client("http://pc1:8000", None, httpx.Client(transport=httpx.MockTransport(answer)))


def test_a_session_is_shown_as_it_was_heard(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(client(), IDS[0], as_json=False) == 0
    told = capsys.readouterr().out
    for part in (
        "# Why is the sky blue?",
        "1 Opinions",
        "Air.",
        "It is the air.",
        "A cloud!",
        "about 1,800 J (0.50 Wh), an estimate",
    ):
        assert part in told


@pytest.mark.parametrize("rich", [True, False])
def test_what_the_cache_has_saved_is_told_at_the_end(
    capsys: pytest.CaptureFixture[str], rich: bool
) -> None:
    views.print_end(session(), rich)
    assert "cache" not in capsys.readouterr().out
    saved = {"token_usage": {**NONE_HELD, "saved_tokens": 1234}}
    views.print_end({**session(), **saved}, rich)
    assert "\nSaved by the cache: 1,234 tokens\n" in capsys.readouterr().out


def test_a_synthesis_that_the_guard_put_aside_is_told_where_reasons_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guard = {"verdict": "lost", "opinion": "agent_1", "for_synthesis": 0, "for_opinion": 2,
             "ties": 0, "synthesis": "It is the sea."}  # fmt: skip
    lost = session()
    lost["final_answer"] |= {"basis": "opinion", "guard": guard}
    views.print_end(lost, rich=False)
    assert "It is the sea." not in capsys.readouterr().out
    views.print_end(lost, rich=False, reasons=True)
    assert "# The synthesis that lost\n\nIt is the sea.\n" in capsys.readouterr().out


def test_in_a_pipe_reasons_stand_below_the_scores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vote = {"agent_id": "agent_1", "score": 8, "reasoning": "It is\nclear."}
    place = {"agent_id": "agent_1", "place": 1, "mean_score": 8.0, "votes": 1}
    review = {"kind": "review", "seq": 4, "agent_id": "agent_2", "rankings": [vote]}
    ranking = {"kind": "ranking", "seq": 5, "ranking": [place]}
    started = {**EVENTS[0], "seats": [
        *EVENTS[0]["seats"], {"agent_id": "agent_2", "name": "Beta", "model": "b:1b"},
    ]}  # fmt: skip
    sat = [started, *EVENTS[1:3], review, ranking, {**EVENTS[3], "seq": 6}]
    monkeypatch.setattr("tests.unit.test_cli_show.EVENTS", sat)
    assert show(client(), IDS[0], as_json=False) == 0
    assert "Reasons" not in capsys.readouterr().out
    assert show(client(), IDS[0], as_json=False, reasons=True) == 0
    assert "\n# Reasons\nBeta gave Alpha 8 of 10: It is clear.\n" in capsys.readouterr().out


def test_as_json_it_is_the_session_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(client(), "a1b2", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["session_id"] == IDS[0]


def test_a_session_without_an_answer_says_why() -> None:
    with pytest.raises(Stop, match="No answer came of it"):
        show(client("error"), IDS[0], as_json=True)


def test_an_id_may_be_given_by_its_beginning_or_as_the_last() -> None:
    assert whole_id(client(), "a1b") == IDS[0] == whole_id(client(), "last")
    assert whole_id(client(), IDS[1]) == IDS[1], "a whole id is not looked for"
    with pytest.raises(Stop, match="2 sessions begin with 'a1'"):
        whole_id(client(), "a1")
    with pytest.raises(Stop, match="No session begins with 'zz'"):
        whole_id(client(), "zz")


def test_what_went_wrong_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The notices tell of the absences; a chairman that was asked twice may fail alike twice."""
    why = "Alpha is missing from opinions: it took too long."
    notices = [{"code": "timeout", "detail": why, "agent_id": "agent_1"}] * 2
    gone = {"agent_id": "agent_1", "stage": "opinions", "detail": "it took too long."}
    views.print_end({**session(), "notices": notices, "absences": [gone]}, rich=False)
    told = capsys.readouterr().out
    assert told.count("it took too long") == 1
    assert "(By c:3b. Sources: Alpha.)" in told


def test_in_a_pipe_watch_looks_once(capsys: pytest.CaptureFixture[str]) -> None:
    watch.watch(client("review"), 2.0)
    told = capsys.readouterr().out
    assert "ready" in told and "2 open:" in told and IDS[1] in told


def test_a_council_that_is_away_is_said_and_looked_for_again() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    away = Client("http://pc1:8000", None, httpx.Client(transport=httpx.MockTransport(gone)))
    console = Console(record=True, width=100)
    console.print(watch.now(away))
    assert "No council answers" in console.export_text()


def test_power_is_a_column_only_where_a_pc_tells_it() -> None:
    def shown(*pcs: dict[str, Any]) -> str:
        console = Console(record=True, width=160)
        console.print(overview(client("complete", *pcs)))
        return console.export_text()

    silent = pc("pc2", None)
    told = shown(pc("pc1", {"joules": 5400.0, "watts": 41.7, "cards": 1}), silent)
    assert "Power" in told and "42 W, 1.5 Wh so far" in told
    assert " 0.0 Wh so far" in shown(pc("pc1", {"joules": 0.0, "watts": None, "cards": 0}))
    assert "Power" not in shown(silent)
