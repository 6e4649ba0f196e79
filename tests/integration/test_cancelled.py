"""Row 34 over real sockets: a session is cancelled while it waits, in each stage, twice, and after
its end. The council is the real one without Ray, its model server is a fake."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes import FakeOllama, Request
from tests.fakes import replies as say
from tests.http_council import SESSIONS, served, until_complete
from tests.local_council import kept, kept_events, stage_of

pytestmark = pytest.mark.wire

ALPHA, BETA, CHAIR = "alpha:1b", "beta:1b", "chair:1b"
QUESTION = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": ALPHA}, {"model": BETA}],
    "chairman_model": CHAIR,
}
SPEAKS = {"opinions": 2, "review": 2, "synthesis": 1}
"""Calls that are under way at once in each stage: each has an own model and an own slot."""
HEARD = {"opinions": 0, "review": 2, "synthesis": 2}
"""Opinions that are kept when the session is cancelled in that stage."""


def falls_silent_in(stage: str, text: str) -> FakeOllama:
    """A model server that says `text` in that stage and then nothing for ever; without text, not
    even headers."""
    fake = FakeOllama([ALPHA, BETA, CHAIR])

    def is_of_stage(request: Request) -> bool:
        asks = request.path == "/api/chat" and bool(request.json.get("messages"))
        return asks and stage_of(request) == stage

    fake.always(is_of_stage, say.silence(text))
    return fake


@asynccontextmanager
async def stuck(
    home: Path, stage: str, text: str
) -> AsyncIterator[tuple[FakeOllama, httpx.AsyncClient, str]]:
    """A session that is in that stage, each of its calls under way, and stays there."""
    async with falls_silent_in(stage, text) as fake, served(home, fake) as (http, _):
        opened = await http.post(SESSIONS, json=QUESTION)
        assert opened.status_code == 202
        await fake.until(lambda: len(waiting(fake, stage)) == SPEAKS[stage], within_s=30)
        yield fake, http, opened.json()["session_id"]


def waiting(fake: FakeOllama, stage: str) -> list[Request]:
    return [r for r in fake.chats if stage_of(r) == stage and not (r.cancelled or r.finished)]


def assert_cancelled(answer: httpx.Response, stage: str) -> dict[str, Any]:
    session: dict[str, Any] = answer.json()
    assert answer.status_code == 200, answer.text
    assert (session["stage"], session["error_code"]) == ("error", "cancelled")
    assert session["error"]
    assert len(session["opinions"]) == HEARD[stage]
    assert len(session["reviews"]) == (2 if stage == "synthesis" else 0)
    assert session["final_answer"] is None
    return session


@pytest.mark.parametrize("text", ["", "Because"], ids=["before the first byte", "in mid-answer"])
@pytest.mark.parametrize("stage", SPEAKS)
async def test_row_34_cancelled_in_each_stage(tmp_path: Path, stage: str, text: str) -> None:
    """Within 2 s by the client's clock, Ollama's connections within 1 s; what was heard is kept."""
    async with stuck(tmp_path, stage, text) as (fake, http, session_id):
        began = time.monotonic()
        deleting = asyncio.create_task(http.delete(f"{SESSIONS}/{session_id}"))
        await fake.until(lambda: not waiting(fake, stage), within_s=1.0)
        session = assert_cancelled(await deleting, stage)
        assert time.monotonic() - began < 2.0
        asked = len(fake.chats)
        again = await http.delete(f"{SESSIONS}/{session_id}")
        assert again.json() == session == (await http.get(f"{SESSIONS}/{session_id}")).json()
        assert len(fake.chats) == asked  # nothing is asked after it
        # The slots are free: the next council is heard to its end.
        fake.unscript()
        other = await http.post(SESSIONS, json=QUESTION)
        ended = await until_complete(http, other.json()["session_id"])
        assert (ended["stage"], ended["degraded"]) == ("complete", False)
    stored = await kept_events(tmp_path, session_id)
    assert [event.kind for event in stored].count("session_closed") == 1
    assert stored[-1].kind == "session_closed"
    assert (await kept(tmp_path, session_id)).error_code == "cancelled"


async def test_row_34_cancelled_while_it_waits_for_a_slot(tmp_path: Path) -> None:
    """A council behind another one: no model was asked for it, and none is."""
    async with stuck(tmp_path, "opinions", "") as (fake, http, first):
        second = (await http.post(SESSIONS, json=QUESTION)).json()["session_id"]
        answer = await http.delete(f"{SESSIONS}/{second}")
        assert_cancelled(answer, "opinions")
        assert len(waiting(fake, "opinions")) == 2  # those of the first go on
        assert (await http.get(f"{SESSIONS}/{first}")).json()["stage"] == "opinions"
        asked = len(fake.chats)
        await http.delete(f"{SESSIONS}/{first}")
        assert len(fake.chats) == asked
    for session_id in (first, second):
        assert (await kept(tmp_path, session_id)).error_code == "cancelled"


async def test_row_34_many_cancels_at_once_get_the_same_answer(tmp_path: Path) -> None:
    async with stuck(tmp_path, "review", "{") as (fake, http, session_id):
        where = f"{SESSIONS}/{session_id}"
        answers = await asyncio.gather(*(http.delete(where) for _ in range(20)))
        sessions = [assert_cancelled(answer, "review") for answer in answers]
        assert all(session == sessions[0] for session in sessions)
        assert not waiting(fake, "review")
    assert [e.kind for e in await kept_events(tmp_path, session_id)].count("session_closed") == 1


async def test_row_34_after_the_end_it_is_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    async with FakeOllama([ALPHA, BETA, CHAIR]) as fake, served(tmp_path, fake) as (http, _):
        opened = await http.post(SESSIONS, json=QUESTION)
        where = f"{SESSIONS}/{opened.json()['session_id']}"
        ended = await until_complete(http, opened.json()["session_id"])
        for _ in range(2):
            answer = await http.delete(where)
            assert answer.status_code == 409
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "session_finished"
        assert (await http.get(where)).json() == ended
    assert (await kept(tmp_path, ended["session_id"])).stage == "complete"


async def test_row_34_who_listens_hears_that_it_was_cancelled(tmp_path: Path) -> None:
    """The stream ends with the closing event, and so does the waiting query."""
    async with stuck(tmp_path, "opinions", "Because") as (_, http, session_id):
        where = f"{SESSIONS}/{session_id}"
        kinds: list[str] = []
        heard = asyncio.Event()

        async def listen() -> None:
            async with http.stream("GET", f"{where}/events") as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        kinds.append(line[7:])
                        heard.set()

        listening = asyncio.create_task(listen())
        await heard.wait()
        assert_cancelled(await http.delete(where), "opinions")
        async with asyncio.timeout(2):
            await listening
        assert (kinds[0], kinds[-1]) == ("session_started", "session_closed")


async def test_row_34_a_query_that_is_cancelled_says_so(tmp_path: Path) -> None:
    async with falls_silent_in("opinions", "") as fake, served(tmp_path, fake) as (http, _):
        asking = asyncio.create_task(http.post("/api/council/query", json=QUESTION))
        await fake.until(lambda: len(waiting(fake, "opinions")) == 2, within_s=30)
        (session,) = (await http.get(SESSIONS)).json()["sessions"]
        assert_cancelled(await http.delete(f"{SESSIONS}/{session['session_id']}"), "opinions")
        answer = await asking
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["code"]) == (409, "cancelled")
        assert problem["session_id"] == session["session_id"]
