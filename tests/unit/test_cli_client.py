"""What the commands make of HTTP answers: a stream read to its end, failures in plain words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.settings import Settings
from serve_app.cli.ask import ask, question_of, seats_of
from serve_app.cli.client import Client, client_of
from serve_app.cli.session import listening
from serve_app.cli.terminal import Stop

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer, key: str | None = None) -> Client:
    return Client("http://pc1:8000", key, httpx.Client(transport=httpx.MockTransport(answer)))


def sse(*events: dict[str, Any]) -> str:
    return "retry: 1000\n\n" + "".join(
        f": a comment\n\nid: {e.get('seq')}\nevent: x\ndata: {json.dumps(e)}\n\n" for e in events
    )


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.cli.session.listening.time.sleep", lambda _: None)


def test_a_broken_stream_is_taken_up_after_the_last_stored_event() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        if len(asked) == 1:
            stored = {"kind": "opinion", "seq": 4}
            live = {"kind": "opinion_delta", "seq": 9, "text": "x"}
            return httpx.Response(200, text=sse(stored, live))
        if len(asked) == 2:
            raise httpx.ConnectError("gone")
        if len(asked) == 3:
            return httpx.Response(503)
        return httpx.Response(200, text=sse({"kind": "session_closed", "seq": 5}))

    kinds = [event["kind"] for event in listening.listen(client(answer), "s")]
    assert kinds == ["beat", "opinion", "beat", "opinion_delta", "beat", "session_closed"]
    assert asked == [None, "4", "4", "4"]


def test_a_council_that_stays_away_is_an_error_that_says_so() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone")

    with pytest.raises(Stop, match="No council answers"):
        list(listening.listen(client(answer), "s", patience_s=-1))


def test_a_session_that_is_not_there_is_not_waited_for() -> None:
    problem = {"detail": "There is no such session.", "code": "session_not_found"}
    with pytest.raises(Stop, match="no such session"):
        list(listening.listen(client(lambda _: httpx.Response(404, json=problem)), "s"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            httpx.Response(422, json={
                "detail": "A field is wrong.", "code": "invalid_request",
                "errors": [{"loc": ["query"], "msg": "too long"}],
            }),
            ["A field is wrong.", "query: too long"],
        ),
        (
            httpx.Response(422, json={"detail": "No PC has x.", "code": "model_not_available"}),
            ["No PC has x.", "What there is: ./council models", "On a PC: ollama pull <model>"],
        ),
    ],
)  # fmt: skip
def test_a_problem_becomes_a_sentence_and_what_to_do(
    answer: httpx.Response, said: list[str]
) -> None:
    with pytest.raises(Stop) as stop:
        client(lambda _: answer).get("/x")
    assert list(stop.value.lines) == said


def test_another_program_on_the_port_is_recognised() -> None:
    with pytest.raises(Stop, match="Something else than a council") as stop:
        client(lambda _: httpx.Response(502, html="<h1>nginx</h1>")).get("/health")
    assert "COUNCIL_PORT" in stop.value.lines[1]


def test_where_nothing_listens_the_next_step_is_up() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Stop) as stop:
        client(answer).get("/health")
    assert stop.value.lines[1] == "Start it with: ./council up"


def test_the_key_is_sent_when_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("abc\n")
    ours = client_of(Settings.having(home=tmp_path))
    assert ours.http.headers["Authorization"] == "Bearer abc"
    assert "Authorization" not in client_of(Settings.having(home=tmp_path / "other")).http.headers


def test_where_a_question_waits_is_told_until_a_pc_has_come_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every comment of the stream is an occasion to ask; a council that is away is not one."""
    kinds = ("session_started", "stage_started", "unheard_of", "agent_started", "session_closed")
    more = {
        "seats": [], "chairman_model": "c", "stage": "opinions", "node": "pc1",
        "agent_id": "agent_1", "outcome": "complete",
    }  # fmt: skip
    events = [{"kind": kind, "seq": seq} | more for seq, kind in enumerate(kinds, 1)]
    totals = dict.fromkeys(
        ("total_prompt_tokens", "total_completion_tokens", "total_tokens", "total_duration_ms"), 0
    )
    answer = {
        "content": "Light.", "basis": "synthesis", "chairman_model": "c:3b", "sources_cited": [],
        "fallback": None, "truncated": False, "cached": False, "guard": None,
    }  # fmt: skip
    session = {
        "session_id": "s", "stage": "complete", "token_usage": totals, "latency_stats": totals,
        "final_answer": answer, "queue": None,
    }  # fmt: skip
    away = httpx.Response(503, json={"detail": "Away.", "code": "council_unavailable"})
    second = httpx.Response(200, json=session | {"queue": {"place": 2, "eta_s": 12.4}})
    first = httpx.Response(200, json=session | {"queue": {"place": 1, "eta_s": 0.0}})
    looks = iter((second, away, first))
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2])
        if request.method == "POST":
            return httpx.Response(202, json=session | {"queue": {"place": 3, "eta_s": 40.2}})
        if request.url.path.endswith("/events"):
            return httpx.Response(200, text=sse(*events))
        return next(looks, httpx.Response(200, json=session))

    assert ask(client(answer), {"query": "Why?"}, as_json=False) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Queued: 3rd, about 40 s",
        "Queued: 2nd, about 12 s",
    ]
    assert asked == ["sessions", "events", *["s"] * 4, "s"]


def test_seats_are_models_with_a_name_if_wanted() -> None:
    assert seats_of(["qwen2.5:0.5b=Ada", "gemma2:2b"]) == [
        {"model": "qwen2.5:0.5b", "name": "Ada"},
        {"model": "gemma2:2b"},
    ]
    assert seats_of([]) is None


def test_a_question_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("Why?\n"))
    assert question_of(["-"]) == "Why?"
    assert question_of(["Why", "is", "it?"]) == "Why is it?"
    with pytest.raises(Stop, match="no question"):
        question_of([])
