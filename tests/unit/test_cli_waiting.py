"""What an open session waits for is looked up between its events, on beats that nothing stops."""

import json
from collections.abc import Iterator
from threading import Event as Flag
from typing import Any

import httpx
import pytest

from serve_app.cli.client import Client
from serve_app.cli.session.listening import BEAT, paced
from serve_app.cli.session.waiting import followed

ID = "a1b2c3d4-0000-4000-8000-000000000001"
STARTED = {
    "kind": "session_started", "seq": 1, "chairman_model": "c:3b",
    "seats": [{"agent_id": "agent_1", "name": "Alpha", "model": "a:1b"}],
}  # fmt: skip
OPINIONS = {"kind": "stage_started", "seq": 2, "stage": "opinions"}
ASKED = {"kind": "agent_started", "seq": 3, "stage": "opinions", "agent_id": "agent_1",
         "node": "pc1"}  # fmt: skip
CLOSED = {"kind": "session_closed", "seq": 4, "outcome": "complete"}
SECOND = {"place": 2, "eta_s": 9.0}


def client(*stream: dict[str, Any], queue: dict[str, Any] | None = None) -> Client:
    """A council whose stream is these events, a comment for each beat."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            frames = (": \n" if one == BEAT else f"data: {json.dumps(one)}\n\n" for one in stream)
            return httpx.Response(200, text="".join(frames))
        if request.url.path == "/api/cluster/nodes":
            nodes = [{"name": "pc1", "loading": ["b:2b", "a:1b"]}, {"name": "pc2", "loading": []}]
            return httpx.Response(200, json={"nodes": nodes})
        return httpx.Response(200, json={"session_id": ID, "queue": queue})

    return Client("http://pc1:8000", None, httpx.Client(transport=httpx.MockTransport(answer)))


def kinds(events: Iterator[dict[str, Any]]) -> list[str]:
    return [f"{one['kind']} {one.get('place', '')}".strip() for one in events]


def test_events_come_as_they_are_and_so_does_what_ends_them() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("it broke")

    come = paced(broken(), 60.0)
    assert [next(come), next(come)] == [1, 2]
    with pytest.raises(ValueError, match="it broke"):
        next(come)
    assert [*paced(iter((1, 2)), 60.0)] == [1, 2]


def test_a_beat_comes_while_nothing_else_does_and_among_many_events() -> None:
    go_on = Flag()

    def held() -> Iterator[int]:
        go_on.wait()
        yield 1

    come = paced(held(), 0.01)
    assert [next(come), next(come)] == [BEAT, BEAT]
    go_on.set()
    assert 1 in come
    assert [*paced(iter((1, 2)), 0.0)].count(BEAT) >= 2


def test_in_a_pipe_the_queue_is_looked_at_until_a_pc_has_come_and_no_pc_is_asked() -> None:
    stream = (STARTED, OPINIONS, BEAT, ASKED, BEAT, CLOSED)
    session = {"session_id": ID, "queue": SECOND}
    told = kinds(followed(client(*stream, queue=SECOND), session, closely=False))
    assert told == [
        "queued 2", "session_started", "stage_started", "queued 2", "agent_started",
        "session_closed",
    ]  # fmt: skip


def test_on_a_terminal_what_pcs_load_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.cli.session.waiting.LOOK_S", 0.0)
    stream = (STARTED, OPINIONS, BEAT, ASKED, CLOSED)
    session = {"session_id": ID, "queue": SECOND}
    events = [*followed(client(*stream), session, closely=True)]
    assert {"kind": "queued", "place": 0, "eta_s": 0.0} in events, "it waits in no queue any more"
    assert {"kind": "loading", "models": ["a:1b", "b:2b"]} in events
    asked = events.index(ASKED)
    assert "loading" not in kinds(iter(events[asked:])), "nobody waits for it"
