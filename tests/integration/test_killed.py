"""Rows 1, 3, 4 and 5 of faults.md on a real Ray: a process is killed in mid-council.

Each time: what the clients see, what the models were asked, and what the store holds.
"""

import asyncio
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes import FakeOllama, Request
from tests.fakes.http import Exchange
from tests.fakes.speech import Wish
from tests.local_council import stage_of
from tests.ray_processes import actor_process
from tests.served_council import served_council

pytestmark = pytest.mark.integration

REQUEST = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": "alpha"}, {"model": "beta"}, {"model": "alpha"}],
    "chairman_model": "gamma",
}
CALLS = {"opinions": 3, "review": 3, "synthesis": 1, "guard": 4}
"""A review counts by its critique; the ballot follows on the same slot."""
PATIENT_S = 60
RESUMES_S = 10


@pytest.fixture(scope="module")
def url(local_ray: None) -> Iterator[str]:
    with served_council() as url:
        yield url


class Gate:
    """Holds one call up at the model server until it is opened; meanwhile nothing is said."""

    def __init__(self, fake: FakeOllama, stage: str, model: str) -> None:
        self._opened, self.reached = threading.Event(), threading.Event()

        def is_wanted(request: Request) -> bool:
            is_chat = request.path == "/api/chat" and request.json.get("messages")
            return bool(is_chat) and request.model == model and stage_of(request) == stage

        fake.script(is_wanted, self._reply)

    async def _reply(self, fake: FakeOllama, exchange: Exchange) -> None:
        self.reached.set()
        await asyncio.to_thread(self._opened.wait, PATIENT_S)
        await fake.chat(exchange, Wish())

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.set()

    def wait(self) -> None:
        assert self.reached.wait(PATIENT_S), "the call did not reach the model server"


@contextmanager
def side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Somebody else does something meanwhile."""
    with ThreadPoolExecutor(2) as others:
        yield others


def heard(url: str, session_id: str, after: int = 0) -> list[int]:
    """The ids of a stream from after that one to its end."""
    path = f"{url}/api/council/sessions/{session_id}/events"
    headers = {"Last-Event-ID": str(after)} if after else {}
    with httpx.stream("GET", path, headers=headers, timeout=PATIENT_S) as stream:
        assert stream.status_code == 200
        return [int(line[3:]) for line in stream.iter_lines() if line.startswith("id:")]


def asked(fake: FakeOllama, before: int) -> dict[str, int]:
    """How often a model was asked since then, by stage."""
    stages = [stage_of(chat) for chat in fake.chats[before:]]
    return {stage: stages.count(stage) for stage in CALLS}


def kept(session_id: str) -> list[tuple[int, str, str]]:
    """(seq, kind, agent) of the session's rows in the store."""
    rows = """SELECT seq, kind, coalesce(json_extract(body, '$.agent_id'), '') FROM events
              WHERE session_id = ? ORDER BY seq"""
    with closing(store()) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute(rows, (session_id,)).fetchall()


def with_key(key: str) -> list[str]:
    """The sessions that the store has for an Idempotency-Key."""
    with closing(store()) as db:
        rows = db.execute("SELECT session_id FROM sessions WHERE idempotency_key = ?", (key,))
        return [session_id for (session_id,) in rows]


def store() -> sqlite3.Connection:
    return sqlite3.connect(Path(os.environ["COUNCIL_HOME"]) / "sessions.db", timeout=30)


def is_whole(url: str, session_id: str) -> dict[str, Any]:
    """The session, after it ended: complete, not degraded, each answer in the store once."""
    session = httpx.get(f"{url}/api/council/sessions/{session_id}", timeout=PATIENT_S).json()
    assert session["stage"] == "complete" and not session["degraded"], session
    rows = kept(session_id)
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
    answers = [(kind, who) for _, kind, who in rows if kind in ("opinion", "review")]
    seats = ("agent_1", "agent_2", "agent_3")
    assert sorted(answers) == [(kind, who) for kind in ("opinion", "review") for who in seats]
    kinds = [kind for _, kind, _ in rows]
    assert kinds.count("final_answer") == kinds.count("session_closed") == 1
    return session  # type: ignore[no-any-return]


def opened(url: str) -> str:
    accepted = httpx.post(f"{url}/api/council/sessions", json=REQUEST, timeout=PATIENT_S)
    assert accepted.status_code == 202
    return str(accepted.json()["session_id"])


def until(true: Callable[[], object], within_s: float, what: str) -> None:
    ends_at = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends_at, what
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("stage", "model"), [("opinions", "beta"), ("review", "beta"), ("synthesis", "gamma")]
)
def test_row_01_a_killed_orchestrator_goes_on(
    url: str, fake_ollama: FakeOllama, stage: str, model: str
) -> None:
    """In each stage: only what was not answered is asked again. Who stays on the line and who comes
    back with the last id hears every event once."""
    before = len(fake_ollama.chats)
    with side_by_side() as others, Gate(fake_ollama, stage, model) as gate:
        session_id = opened(url)
        stays = others.submit(heard, url, session_id)
        gate.wait()
        so_far = list(CALLS)[: list(CALLS).index(stage) + 1]
        done = {name: CALLS[name] - (name == stage) for name in so_far}
        until(lambda: finished(fake_ollama, before, done), PATIENT_S, f"{done} are answered")
        until(lambda: answered(session_id) == sum(done.values()), PATIENT_S, "and stored")
        known = kept(session_id)[-1][0]

        actor_process("ray::CouncilOrchestrator").kill()
        calls = len(fake_ollama.chats)
        until(lambda: len(fake_ollama.chats) > calls, RESUMES_S, "it goes on")
        comes_back = others.submit(heard, url, session_id, known)
    everything = stays.result(PATIENT_S)
    assert [*range(1, known + 1), *comes_back.result(PATIENT_S)] == everything
    assert everything == [seq for seq, _, _ in kept(session_id)]
    is_whole(url, session_id)
    assert asked(fake_ollama, before) == {**CALLS, stage: CALLS[stage] + 1}


def finished(fake: FakeOllama, before: int, wanted: dict[str, int]) -> bool:
    chats = [stage_of(chat) for chat in fake.chats[before:] if chat.finished]
    return all(chats.count(stage) == count for stage, count in wanted.items())


def answered(session_id: str) -> int:
    return sum(kind in ("opinion", "review") for _, kind, _ in kept(session_id))


def test_row_03_a_killed_agent_is_asked_again(url: str, fake_ollama: FakeOllama) -> None:
    """SIGKILL in mid-generation: attempt 2 on the agent that Ray restarted, one row stored, and the
    record says why there was a second attempt."""
    import ray

    before = len(fake_ollama.chats)
    with Gate(fake_ollama, "opinions", "beta") as gate:
        session_id = opened(url)
        gate.wait()
        agent = ray.get_actor("agent:pc1:beta", "council")
        os.kill(ray.get(agent.__ray_call__.remote(lambda _: os.getpid()), timeout=PATIENT_S), 9)
        heard(url, session_id)

    session = is_whole(url, session_id)
    assert [o["attempts"] for o in session["opinions"]] == [1, 2, 1]
    assert asked(fake_ollama, before) == {**CALLS, "opinions": 4}
    with closing(store()) as db:
        query = "SELECT json_extract(body, '$.former.code') FROM events WHERE session_id = ?"
        reasons = [code for (code,) in db.execute(query, (session_id,)) if code]
    assert reasons == ["agent_lost"]


def test_row_04_a_killed_chairman_repeats_the_synthesis_alone(
    url: str, fake_ollama: FakeOllama
) -> None:
    """Opinions and reviews stay as they are; the chairman's model itself wrote the answer."""
    before = len(fake_ollama.chats)
    with Gate(fake_ollama, "synthesis", "gamma") as gate:
        session_id = opened(url)
        gate.wait()
        until(lambda: answered(session_id) == 6, PATIENT_S, "the reviews are stored")
        known = kept(session_id)
        actor_process("ray::ChairmanActor").kill()
        heard(url, session_id)

    session = is_whole(url, session_id)
    assert kept(session_id)[: len(known)] == known
    assert session["final_answer"]["fallback"] is None
    assert session["final_answer"]["attempts"] == 2
    assert asked(fake_ollama, before) == {**CALLS, "synthesis": 2}


def test_row_05_a_replica_killed_under_a_query(url: str, fake_ollama: FakeOllama) -> None:
    """The client asks again with its key and gets the session that began; nobody is asked twice."""
    before, key = len(fake_ollama.chats), str(uuid.uuid4())
    with side_by_side() as others, Gate(fake_ollama, "opinions", "beta") as gate:
        first = others.submit(post, url, "query", key)
        gate.wait()
        actor_process("ray::ServeReplica").kill()
        with pytest.raises(httpx.TransportError):
            first.result(PATIENT_S)
        (session_id,) = with_key(key)
        again = others.submit(insisting, url, "query", key)
        until(lambda: answers(url), PATIENT_S, "another replica")

    answer = again.result(PATIENT_S)
    assert answer.status_code == 200
    assert answer.json()["session_id"] == session_id
    assert with_key(key) == [session_id]
    is_whole(url, session_id)
    assert asked(fake_ollama, before) == CALLS


def test_row_05_a_replica_killed_before_the_acknowledgement(
    url: str, fake_ollama: FakeOllama
) -> None:
    """POST /sessions waits for the store, which somebody holds; the replica dies there. Whether the
    session was stored is unknown to the client: its key gives it the one that there is."""
    before, key = len(fake_ollama.chats), str(uuid.uuid4())
    with side_by_side() as others:
        with closing(store()) as db:
            db.execute("BEGIN IMMEDIATE")
            first = others.submit(post, url, "sessions", key)
            until(first.running, PATIENT_S, "the question is on its way")
            with pytest.raises(TimeoutError):
                first.result(0.5)
            actor_process("ray::ServeReplica").kill()
            with pytest.raises(httpx.TransportError):
                first.result(PATIENT_S)
        answer = insisting(url, "sessions", key)

    assert answer.status_code == 202
    assert with_key(key) == [answer.json()["session_id"]]
    heard(url, answer.json()["session_id"])
    is_whole(url, answer.json()["session_id"])
    assert asked(fake_ollama, before) == CALLS


def post(url: str, path: str, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return httpx.post(f"{url}/api/council/{path}", json=REQUEST, headers=headers, timeout=PATIENT_S)


def insisting(url: str, path: str, key: str) -> httpx.Response:
    """Asks until somebody answers."""
    ends_at = time.monotonic() + PATIENT_S
    while True:
        try:
            return post(url, path, key)
        except httpx.TransportError:
            assert time.monotonic() < ends_at, "no replica came back"
            time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=PATIENT_S).is_success
    except httpx.TransportError:
        return False
