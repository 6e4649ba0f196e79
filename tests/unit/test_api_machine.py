"""Whatever clients do in any order, and restarts between: nothing accepted is lost, a key means one
session, stages only go forward, events have no gaps. Counter-examples are made short by hypothesis.

The API, the orchestrator and its SQLite store are the real ones; the models are scripted, and held
until a rule lets them speak.
"""

import asyncio
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from starlette.types import Message

from actors.chairman import ChairmanActor
from actors.messages.calls import GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import CouncilOrchestrator
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.local_council import LocalCouncil, LocalHosts
from tests.scripted import ScriptedPool, stage_of_call

T = TypeVar("T")
SESSIONS = "/api/council/sessions"
STAGES = ("pending", "opinions", "review", "synthesis", "complete")
ENDED = ("complete", "error")
BODIES = tuple(
    {"query": query, "selected_agents": [{"model": "a:1"}] * seats}
    for query, seats in (("Why?", 1), ("How?", 2), ("Why?", 2))
)
KEYS = (None, "k1", "k2")
bodies, keys = st.sampled_from(BODIES), st.sampled_from(KEYS)


class Clients(RuleBasedStateMachine):
    """`known`: every session that was accepted and not removed, as it was last seen."""

    sessions = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="council-"))
        self.runner = asyncio.Runner()
        self.gates: dict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)
        self.known: dict[str, dict[str, Any]] = {}
        self.heard: dict[str, list[str]] = {}
        self.order: list[str] = []
        self.keys: dict[str, tuple[dict[str, Any], str]] = {}
        self.run(self._open())

    def teardown(self) -> None:
        self.run(self._close())
        self.runner.close()
        shutil.rmtree(self.home)

    # Asking

    @rule(target=sessions, body=bodies, key=keys)
    def ask(self, body: dict[str, Any], key: str | None) -> str:
        return self._accepted(self.post(body, key), body, key)

    @rule(target=sessions, body=bodies, key=st.sampled_from(KEYS[1:]), steps=st.integers(0, 12))
    def ask_and_leave_and_ask_again(self, body: dict[str, Any], key: str, steps: int) -> str:
        """The client leaves at any moment of the first; it may or may not have been accepted."""

        async def leave() -> None:
            asking = asyncio.create_task(self._post(body, key))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

        self.run(leave())
        return self._accepted(self.post(body, key), body, key)

    @rule(target=sessions, body=bodies, key=st.sampled_from(KEYS[1:]))
    def ask_three_times_at_once(self, body: dict[str, Any], key: str) -> str:
        async def thrice() -> list[httpx.Response]:
            return await asyncio.gather(*(self._post(body, key) for _ in range(3)))

        first, *others = self.run(thrice())
        session_id = self._accepted(first, body, key)
        assert [self._accepted(other, body, key) for other in others] == [session_id] * 2
        return session_id

    def _accepted(self, answer: httpx.Response, body: dict[str, Any], key: str | None) -> str:
        """The session's id; of a key that belongs to another body the session of that."""
        before = self.keys.get(key or "")
        if before is not None and before[0] != body:
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
            return before[1]
        assert answer.status_code == 202, answer.text
        session = answer.json()
        session_id = str(session["session_id"])
        assert answer.headers["location"] == f"{SESSIONS}/{session_id}"
        assert session["query"] == body["query"]
        if before is not None:
            assert session_id == before[1]
        else:
            assert session_id not in self.known
            self.order.insert(0, session_id)
            self.heard[session_id] = []
            if key:
                self.keys[key] = body, session_id
        self._see(session_id, session)
        return session_id

    # Looking

    @rule(session_id=sessions)
    def read(self, session_id: str) -> None:
        answer = self.get(f"{SESSIONS}/{session_id}")
        if session_id in self.known:
            assert answer.status_code == 200
            self._see(session_id, answer.json())
        else:
            self._gone(answer)

    @rule(session_id=sessions, after=st.integers(0, 30))
    def listen(self, session_id: str, after: int) -> None:
        """An ended session to its end from wherever; a running one what is there now."""
        if session_id not in self.known:
            return self._gone(self.get(f"{SESSIONS}/{session_id}/events"))
        ended = self._look(session_id)["stage"] in ENDED
        events = self.run(self._frames(session_id, after if ended else 0))
        if ended:
            whole = self.run(self._frames(session_id, 0))
            assert whole[-1:] and json.loads(whole[-1])["kind"] == "session_closed"
            assert events == whole[after:]
            events = whole
        assert [json.loads(event)["seq"] for event in events] == list(range(1, len(events) + 1))
        known = self.heard[session_id]
        assert events[: len(known)] == known, "what was heard once is not taken back"
        self.heard[session_id] = events

    @invariant()
    def all_that_was_accepted_is_listed_and_nothing_else(self) -> None:
        page = self.get(f"{SESSIONS}?limit=200").json()["sessions"]
        assert [line["session_id"] for line in page] == self.order
        assert set(self.order) == set(self.known)

    # Changing

    @rule(session_id=sessions)
    def let_speak(self, session_id: str) -> None:
        """Whoever is held in the stage that the session is in may speak to the end."""
        if session_id not in self.known:
            return
        stage = self._look(session_id)["stage"]
        if stage in ENDED:
            return
        self.gates[session_id, "opinions" if stage == "pending" else stage].set()
        self.run(self._until_past(session_id, STAGES.index(stage)))
        after = self._look(session_id)["stage"]
        assert after == "complete" or STAGES.index(after) > STAGES.index(stage)

    @rule(session_id=sessions)
    def cancel(self, session_id: str) -> None:
        before = self._look(session_id) if session_id in self.known else None
        answer = self.run(self.client.delete(f"{SESSIONS}/{session_id}"))
        if before is None:
            return self._gone(answer)
        if before["stage"] == "complete":
            assert (answer.status_code, answer.json()["code"]) == (409, "session_finished")
            return
        assert (answer.status_code, answer.json()["error_code"]) == (200, "cancelled")
        assert before["stage"] != "error" or answer.json() == before
        self._see(session_id, answer.json())

    @rule(session_id=st.one_of(sessions, consumes(sessions)))
    def purge(self, session_id: str) -> None:
        stage = self._look(session_id)["stage"] if session_id in self.known else None
        answer = self.run(self.client.delete(f"{SESSIONS}/{session_id}?purge=true"))
        if stage is None:
            return self._gone(answer)
        if stage not in ENDED:
            assert (answer.status_code, answer.json()["code"]) == (409, "session_running")
            return
        assert (answer.status_code, answer.content) == (204, b"")
        del self.known[session_id], self.heard[session_id]
        self.order.remove(session_id)
        self.keys = {key: kept for key, kept in self.keys.items() if kept[1] != session_id}
        for path in ("", "/events", "/export"):
            self._gone(self.get(f"{SESSIONS}/{session_id}{path}"))

    @rule()
    def restart(self) -> None:
        """The orchestrator ends and starts again over the same store: nobody sees a difference."""
        before = {session_id: self._look(session_id) for session_id in self.known}
        events = {one: self.run(self._frames(one, 0)) for one in self.known}
        self.run(self._close())
        self.run(self._open())
        for session_id, seen in before.items():
            now, heard = self._look(session_id), self.run(self._frames(session_id, 0))
            assert heard[: len(events[session_id])] == events[session_id]
            if seen["stage"] in ENDED:
                assert now == seen and heard == events[session_id]
            else:
                assert now["opinions"] == seen["opinions"] and now["reviews"] == seen["reviews"]

    # What is behind

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(10):
                return await coroutine

        return self.runner.run(bounded())

    def get(self, path: str) -> httpx.Response:
        return self.run(self.client.get(path))

    def post(self, body: dict[str, Any], key: str | None) -> httpx.Response:
        return self.run(self._post(body, key))

    async def _post(self, body: dict[str, Any], key: str | None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(SESSIONS, json=body, headers=headers)

    async def _open(self) -> None:
        pool = ScriptedPool(gate=self._gate)
        config = OrchestratorConfig(store_path=self.home / "sessions.db")
        self.orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
        hosts = LocalHosts(deadlines=Deadlines(), num_ctx=4096)
        council = LocalCouncil(self.orchestrator, hosts)
        self.app: FastAPI = build_api(council, ApiConfig("1", "3.11", "2.60"))
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def _close(self) -> None:
        await self.client.aclose()
        await self.orchestrator.close()

    def _gate(self, call: GenerateCall) -> asyncio.Event:
        return self.gates[call.call_id.split(":")[0], stage_of_call(call)]

    async def _until_past(self, session_id: str, stage: int) -> None:
        """Until the session has left that stage, told by its events."""
        async for _ in self.orchestrator.events(session_id):
            now = (await self.orchestrator.session(session_id)).stage
            if now in ENDED or STAGES.index(now) > max(stage, 1):
                return

    async def _frames(self, session_id: str, after: int) -> list[str]:
        """The stored events that the stream has at once, as JSON; then the client leaves. Deltas,
        which are not stored and carry no id, are left out."""
        text, left = "", asyncio.Event()
        running = self.known[session_id]["stage"] not in ENDED

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal text
            text += message.get("body", b"").decode()
            if running and "data:" in text:
                left.set()

        path = f"{SESSIONS}/{session_id}/events"
        headers = [(b"host", b"localhost"), (b"last-event-id", str(after).encode())]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
                 "query_string": b"", "headers": headers, "http_version": "1.1",
                 "scheme": "http", "client": ("127.0.0.1", 1), "server": ("localhost", 80),
                 "root_path": "", "extensions": {}, "asgi": {"spec_version": "2.3"}}  # fmt: skip
        await self.app(scope, receive, send)
        blocks = (block.split("\n") for block in text.split("\n\n"))
        stored = (lines for lines in blocks if lines[0].startswith("id:"))
        return [line[6:] for lines in stored for line in lines if line.startswith("data: ")]

    def _look(self, session_id: str) -> dict[str, Any]:
        self._see(session_id, self.get(f"{SESSIONS}/{session_id}").json())
        return self.known[session_id]

    def _see(self, session_id: str, session: dict[str, Any]) -> None:
        """Stages go forward only, and what was said stays said."""
        before = self.known.get(session_id)
        self.known[session_id] = session
        if before is None:
            return
        assert _rank(session) >= _rank(before)
        for told in ("session_id", "query", "agents", "created_at"):
            assert session[told] == before[told]
        for told in ("opinions", "reviews"):
            assert all(one in session[told] for one in before[told])
        if before["stage"] in ENDED:
            assert session == before

    def _gone(self, answer: httpx.Response) -> None:
        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


def _rank(session: dict[str, Any]) -> int:
    stage = session["stage"]
    return len(STAGES) if stage == "error" else STAGES.index(stage)


def test_whatever_clients_do_nothing_accepted_is_lost() -> None:
    examples = settings().max_examples // 2  # each has twenty steps
    bounded = settings(max_examples=examples, stateful_step_count=20)
    run_state_machine_as_test(Clients, settings=bounded)
