"""Row 30 over real sockets: a queue that is full refuses at once, keeps nothing, and loses nothing
of what it accepted. The council is the real one without Ray, its model servers are fakes."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes import FakeOllama
from tests.fakes import replies as say
from tests.http_council import SESSIONS, served, until_complete, until_it_is
from tests.local_council import kept

pytestmark = pytest.mark.wire

ALPHA, BETA, CHAIR = "alpha:1b", "beta:1b", "chair:1b"


def question(number: int = 1, *models: str) -> dict[str, Any]:
    seats = [{"model": model} for model in models or (ALPHA, BETA, ALPHA)]
    return {"query": f"Why #Q{number}?", "selected_agents": seats, "chairman_model": CHAIR}


class Gate:
    """Holds the fake's answers back until `open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, fake: FakeOllama, exchange: Any) -> None:
        await self.open.wait()
        await say.Answer()(fake, exchange)


@asynccontextmanager
async def gated() -> AsyncIterator[tuple[FakeOllama, Gate]]:
    async with FakeOllama([ALPHA, BETA, CHAIR]) as fake:
        gate = Gate()
        fake.always("*", gate)
        try:
            yield fake, gate
        finally:
            gate.open.set()


async def stored(http: httpx.AsyncClient) -> set[str]:
    """The ids of all sessions that the store has."""
    page = (await http.get(SESSIONS, params={"limit": 200})).json()
    return {session["session_id"] for session in page["sessions"]}


def assert_refused(answer: httpx.Response) -> None:
    """429 as a problem of ours, with the time to come back."""
    problem = answer.json()
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "queue_full"
    assert problem["type"] == "urn:llm-council:problem:queue_full"
    assert 1 <= problem["retry_after_s"] <= 3600
    wanted = problem["retry_after_s"]
    assert wanted <= int(answer.headers["retry-after"]) < wanted + 1
    assert "COUNCIL_MAX" in problem["detail"]
    assert "session_id" not in problem


async def test_row_30_a_full_queue_refuses_keeps_nothing_and_opens_again(tmp_path: Path) -> None:
    async with gated() as (fake, gate), served(tmp_path, fake, max_open=2) as (http, _):
        accepted = [await http.post(SESSIONS, json=question(n)) for n in (1, 2)]
        assert [answer.status_code for answer in accepted] == [202, 202]
        key = {"Idempotency-Key": "later"}
        for path in (SESSIONS, "/api/council/query"):
            assert_refused(await http.post(path, json=question(3), headers=key))
        ids = {answer.json()["session_id"] for answer in accepted}
        assert await stored(http) == ids
        gate.open.set()
        ended = [await until_complete(http, session_id) for session_id in ids]
        assert {session["stage"] for session in ended} == {"complete"}
        again = await http.post(SESSIONS, json=question(3), headers=key)
        assert again.status_code == 202
        assert await stored(http) == {*ids, again.json()["session_id"]}
        await until_complete(http, again.json()["session_id"])
    for session_id in (*ids, again.json()["session_id"]):
        assert (await kept(tmp_path, session_id)).stage == "complete"


async def test_row_30_it_is_full_by_the_time_that_a_question_would_wait(tmp_path: Path) -> None:
    """What waits for one PC refuses nobody who needs another."""
    async with (
        gated() as (fake, _),
        FakeOllama(["gamma:1b"]) as other,
        served(tmp_path, fake, other, max_queue_s=5.0) as (http, _),
    ):
        assert (await http.post(SESSIONS, json=question(1))).status_code == 202
        refused = await http.post(SESSIONS, json=question(2))
        assert_refused(refused)
        assert "COUNCIL_MAX_QUEUE_S" in refused.json()["detail"]
        elsewhere = question(3, "gamma:1b") | {"chairman_model": "gamma:1b"}
        free = await http.post(SESSIONS, json=elsewhere)
        assert free.status_code == 202
        ended = await until_complete(http, free.json()["session_id"])
        assert ended["stage"] == "complete"


async def test_row_30_a_retry_of_what_was_accepted_is_never_refused(tmp_path: Path) -> None:
    """Also where the first is on its way still, and takes the last place with it."""
    async with gated() as (fake, _), served(tmp_path, fake, max_open=1) as (http, _):
        key = {"Idempotency-Key": "mine"}
        posts = (http.post(SESSIONS, json=question(1), headers=key) for _ in range(20))
        answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["session_id"] for answer in answers}) == 1
        assert_refused(await http.post(SESSIONS, json=question(2)))
        other = await http.post(SESSIONS, json=question(2), headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert len(await stored(http)) == 1


async def test_row_30_single_generations_are_counted_and_refused_too(tmp_path: Path) -> None:
    single = {"model": ALPHA, "prompt": "Hello"}
    async with gated() as (fake, gate), served(tmp_path, fake, max_open=2) as (http, _):
        opened = await http.post(SESSIONS, json=question(1))
        running = asyncio.create_task(http.post("/api/generate", json=single))
        await fake.until(lambda: len(fake.chats) >= 2)
        assert_refused(await http.post("/api/generate", json=single))
        assert_refused(await http.post(SESSIONS, json=question(2)))
        batch = (await http.post("/api/generate/batch", json={"requests": [single] * 2})).json()
        assert {result["error_code"] for result in batch["results"]} == {"queue_full"}
        assert (batch["success_count"], batch["error_count"]) == (0, 2)
        gate.open.set()
        assert (await running).status_code == 200
        await until_complete(http, opened.json()["session_id"])
        assert (await http.post("/api/generate", json=single)).status_code == 200


async def test_who_waits_is_told_the_place_and_a_time_until_a_pc_comes(tmp_path: Path) -> None:
    async with gated() as (fake, gate), served(tmp_path, fake) as (http, _):
        opened = [(await http.post(SESSIONS, json=question(n, ALPHA))).json() for n in (1, 2, 3)]
        assert [session["queue"]["place"] for session in opened] == [1, 2, 3]
        ids = [session["session_id"] for session in opened]
        await until_it_is(http, ids[0], "opinions")
        views = [(await http.get(f"{SESSIONS}/{session_id}")).json() for session_id in ids]
        assert [view["stage"] for view in views] == ["opinions", "pending", "pending"]
        assert [view["queue"] and view["queue"]["place"] for view in views] == [None, 2, 3]
        assert 0 < views[1]["queue"]["eta_s"] < views[2]["queue"]["eta_s"]
        page = (await http.get(SESSIONS)).json()["sessions"]
        assert [line["queue"] and line["queue"]["place"] for line in page] == [3, 2, None]
        gate.open.set()
        ended = [await until_complete(http, session_id) for session_id in ids]
        assert [(end["stage"], end["queue"]) for end in ended] == [("complete", None)] * 3


async def test_row_30_what_was_open_before_a_restart_takes_its_place_again(tmp_path: Path) -> None:
    async with gated() as (fake, gate):
        async with served(tmp_path, fake, max_open=2) as (http, _):
            ids = [
                (await http.post(SESSIONS, json=question(n))).json()["session_id"] for n in (1, 2)
            ]
        async with served(tmp_path, fake, max_open=2) as (http, _):
            assert_refused(await http.post(SESSIONS, json=question(3)))
            gate.open.set()
            for session_id in ids:
                assert (await until_complete(http, session_id))["stage"] == "complete"
            assert (await http.post(SESSIONS, json=question(3))).status_code == 202


def sat_ms(session: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(session[at]) for at in ("created_at", "updated_at"))
    return (ended - began) / timedelta(milliseconds=1)


def marks(session: dict[str, Any]) -> set[str]:
    """The marks in everything that was said in the session."""
    said = [
        *(opinion["content"] for opinion in session["opinions"]),
        *(vote["reasoning"] for review in session["reviews"] for vote in review["rankings"]),
        session["final_answer"]["content"],
    ]
    return {word for text in said for word in text.split() if word.startswith("#Q")}


async def test_row_30_at_five_times_its_capacity_what_is_accepted_completes(
    tmp_path: Path,
) -> None:
    """Five questions come for each that the PCs can answer. Each that is accepted is answered by
    itself, the others are told at once (`benchmarks.load` measures it) and leave nothing behind."""
    fakes = [FakeOllama([ALPHA, BETA, CHAIR], latency_s=0.1, num_parallel=1) for _ in range(2)]
    async with fakes[0], fakes[1], served(tmp_path, *fakes, max_queue_s=2.0) as (http, _):
        for number in range(3):  # what a call takes here is learnt
            opened = await http.post(SESSIONS, json=question(number))
            await until_complete(http, opened.json()["session_id"])
        began, refused_ms, accepted = time.monotonic(), list[float](), dict[str, int]()

        async def ask(number: int) -> None:
            await asyncio.sleep(max(0.0, began + number / 40 - time.monotonic()))
            sent = time.perf_counter()
            answer = await http.post(SESSIONS, json=question(number))
            if answer.status_code == 202:
                accepted[answer.json()["session_id"]] = number
            else:
                assert_refused(answer)
                refused_ms.append((time.perf_counter() - sent) * 1000)

        await asyncio.gather(*(ask(number) for number in range(100, 300)))
        ended = [await until_complete(http, session_id) for session_id in accepted]
        kept_ids = await stored(http)
    assert len(accepted) >= 5
    assert len(refused_ms) >= 50
    assert all(session["stage"] == "complete" and not session["degraded"] for session in ended)
    for session in ended:
        assert marks(session) == {f"#Q{accepted[session['session_id']]}"}
        assert len(session["opinions"]) == len(session["reviews"]) == 3
    assert len(kept_ids) == 3 + len(accepted)
    assert statistics.median(refused_ms) < statistics.median(map(sat_ms, ended)) / 4
