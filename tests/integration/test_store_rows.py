"""Rows 28, 31, 32 over HTTP: the store is full, locked, read-only or damaged; one key many times.

The council is the real one without Ray (`tests/local_council.py`), the disk a real one of 3 MB.
"""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.fake_hosts import until
from tests.fakes import FakeOllama, Request
from tests.fakes.http import Exchange
from tests.fakes.speech import Wish
from tests.local_council import LocalPc, local_council, stage_of

pytestmark = pytest.mark.wire

ASK, OPEN = "/api/council/query", "/api/council/sessions"
MODELS, CHAIR = ("one:1b", "two:1b", "three:1b"), "chair:1b"
QUESTION = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": model} for model in MODELS],
    "chairman_model": CHAIR,
}
KEY = {"Idempotency-Key": "key-1"}


@dataclass(frozen=True)
class Sat:
    """A council over HTTP; `hold` keeps the third opinion back until it is set."""

    http: httpx.AsyncClient
    fake: FakeOllama
    hold: asyncio.Event

    async def begun(self) -> str:
        """A session that has two opinions and waits for the third."""
        answer = await self.http.post(OPEN, json=QUESTION)
        assert answer.status_code == 202, answer.text
        where = f"{OPEN}/{answer.json()['session_id']}"
        await self.read(where, lambda session: len(session["opinions"]) == 2)
        return where

    async def read(self, where: str, until: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The session, once it is so."""
        async with asyncio.timeout(60):
            while True:
                session: dict[str, Any] = (await self.http.get(where)).json()
                if until(session):
                    return session
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sitting(home: Path) -> AsyncIterator[Sat]:
    hold = asyncio.Event()

    async def held(fake: FakeOllama, exchange: Exchange) -> None:
        await hold.wait()
        await fake.chat(exchange, Wish())

    def is_third_opinion(request: Request) -> bool:
        asks = request.model == MODELS[2] and bool(request.json.get("messages"))
        return asks and stage_of(request) == "opinions"

    async with FakeOllama([*MODELS, CHAIR], max_loaded=4) as fake:
        fake.always(is_third_opinion, held)
        pc = LocalPc("pc1", fake.url, max_models=4, num_parallel=100, is_head=True)
        async with local_council(home, pc) as council:
            app = build_api(council, ApiConfig("1", "3.11", "2.60"))
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=120
            ) as http:
                yield Sat(http, fake, hold)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a small disk can be mounted by root on Linux only")
    made = mount("-t", "tmpfs", "-o", "size=3m", "council-test", at=tmp_path)
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()[:200]}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def mount(*options: str, at: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["mount", *options, str(at)], capture_output=True, text=True)


def fill(disk: Path) -> None:
    """To the last byte."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        for size in (4096, 1):
            try:
                while ballast.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    assert shutil.disk_usage(disk).free == 0


def kept(home: Path) -> dict[str, int]:
    """Per session how many events there are, without a gap."""
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        query = "SELECT session_id, count(*), max(seq) FROM events GROUP BY session_id"
        rows = connection.execute(query).fetchall()
    assert all(count == last for _, count, last in rows)
    return {session_id: count for session_id, count, _ in rows}


def is_refused(answer: httpx.Response, says: str) -> bool:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "store_unavailable"), answer.text
    assert says in problem["detail"], answer.text
    assert int(answer.headers["Retry-After"]) > 0
    return "session_id" not in problem


def pauses(log: pytest.LogCaptureFixture) -> bool:
    return any("pauses" in record.getMessage() for record in log.records)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes for ever."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
            assert holder.wait(30) == 0


async def while_ill(
    sat: Sat, home: Path, where: str, says: str, log: pytest.LogCaptureFixture
) -> None:
    """Nothing is accepted and nothing stored; who runs waits; who reads is served."""
    before = kept(home)
    *refused, ready = await asyncio.gather(
        sat.http.post(ASK, json=QUESTION, headers=KEY),
        sat.http.post(OPEN, json=QUESTION),
        sat.http.get("/health/ready"),
    )
    assert all(is_refused(answer, says) for answer in refused)
    assert is_refused(ready, "cannot be written")
    sat.hold.set()
    await until(lambda: pauses(log), within_s=60)
    assert (await sat.http.get("/health")).status_code == 200
    session = (await sat.http.get(where)).json()
    assert (session["stage"], len(session["opinions"])) == ("opinions", 2)
    history = (await sat.http.get(OPEN)).json()["sessions"]
    assert [line["session_id"] for line in history] == [session["session_id"]]
    assert kept(home) == before


async def goes_on(sat: Sat, home: Path, where: str) -> None:
    """The session ends well, with each of its calls made once; what was refused is taken now."""
    session = await sat.read(where, lambda session: session["stage"] in ("complete", "error"))
    assert (session["stage"], session["degraded"], session["error"]) == ("complete", False, None)
    calls = Counter((stage_of(chat), chat.model) for chat in sat.fake.chats)
    assert set(calls.values()) == {1} and len(calls) == 7
    assert (await sat.http.get("/health/ready")).status_code == 200
    again = await sat.http.post(ASK, json=QUESTION, headers=KEY)
    assert again.status_code == 200, again.text
    assert set(kept(home)) == {session["session_id"], again.json()["session_id"]}


async def test_row_28_a_full_disk_refuses_and_pauses_until_there_is_room(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with sitting(disk) as sat:
        where = await sat.begun()
        fill(disk)
        await while_ill(sat, disk, where, "The disk is full", caplog)
        (disk / "ballast").unlink()
        await goes_on(sat, disk, where)


async def test_row_28_another_process_that_holds_the_lock_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with sitting(tmp_path) as sat:
        where = await sat.begun()
        with locked(tmp_path / "sessions.db"):
            await while_ill(sat, tmp_path, where, "locked by another process", caplog)
        await goes_on(sat, tmp_path, where)


async def test_row_28_a_read_only_disk_refuses_the_start_and_is_asked_again(disk: Path) -> None:
    async with sitting(disk) as sat:
        sat.hold.set()
        first = (await sat.http.post(ASK, json=QUESTION)).json()["session_id"]
    before = kept(disk)
    assert mount("-o", "remount,ro", at=disk).returncode == 0
    async with sitting(disk) as sat:
        sat.hold.set()
        asked = [
            sat.http.post(ASK, json=QUESTION, headers=KEY),
            sat.http.post(OPEN, json=QUESTION),
            sat.http.get(OPEN),
            sat.http.get("/health/ready"),
        ]
        for answer in await asyncio.gather(*asked):
            assert is_refused(answer, "Read-only file system")
        assert mount("-o", "remount,rw", at=disk).returncode == 0
        assert kept(disk) == before
        again = await sat.http.post(ASK, json=QUESTION, headers=KEY)
        assert again.status_code == 200
        assert set(kept(disk)) == {first, again.json()["session_id"]}


async def test_row_28_a_damaged_file_refuses_the_start_says_how_to_restore_and_is_kept(
    tmp_path: Path,
) -> None:
    async with sitting(tmp_path) as sat:
        sat.hold.set()
        first = (await sat.http.post(ASK, json=QUESTION)).json()["session_id"]
    file, copy = tmp_path / "sessions.db", tmp_path / "copy"
    shutil.copy(file, copy)
    damaged = spoil(file)
    async with sitting(tmp_path) as sat:
        sat.hold.set()
        for answer in await asyncio.gather(
            sat.http.post(ASK, json=QUESTION),
            sat.http.get(OPEN),
            sat.http.get(f"{OPEN}/{first}"),
            sat.http.get("/health/ready"),
        ):
            assert is_refused(answer, "./council restore")
        assert is_unchanged(file, damaged)
        shutil.copy(copy, file)
        assert (await sat.http.get(f"{OPEN}/{first}")).json()["stage"] == "complete"
        assert (await sat.http.post(ASK, json=QUESTION)).status_code == 200


def spoil(file: Path) -> bytes:
    data = file.read_bytes()
    file.write_bytes(data[: 3 * 4096] + b"\xa5" * 4096 + data[4 * 4096 :])
    return file.read_bytes()


def is_unchanged(file: Path, data: bytes) -> bool:
    return file.read_bytes() == data


async def test_row_31_a_hundred_times_the_same_key_and_body_is_one_session(tmp_path: Path) -> None:
    async with sitting(tmp_path) as sat:
        sat.hold.set()
        asked = [
            sat.http.post(ASK if n % 2 else OPEN, json=QUESTION, headers=KEY) for n in range(100)
        ]
        answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers] == [202, 200] * 50
        (session_id,) = {answer.json()["session_id"] for answer in answers}
        assert list(kept(tmp_path)) == [session_id]
        assert len(sat.fake.chats) == 7
        late = await sat.http.post(ASK, json=QUESTION, headers=KEY)
        assert late.json() == (await sat.http.get(f"{OPEN}/{session_id}")).json()
        assert len(sat.fake.chats) == 7


async def test_row_32_the_same_key_with_another_body_is_refused(tmp_path: Path) -> None:
    other = QUESTION | {"query": "Why is the grass green?"}
    async with sitting(tmp_path) as sat:
        sat.hold.set()
        mixed = [QUESTION, other] * 10
        answers = await asyncio.gather(
            *(sat.http.post(ASK, json=body, headers=KEY) for body in mixed)
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [422] * 10
        for answer in answers:
            if answer.status_code == 422:
                assert answer.json()["code"] == "idempotency_key_reused"
        (session_id,) = kept(tmp_path)
        asked = (await sat.http.get(f"{OPEN}/{session_id}")).json()["query"]
        late = QUESTION if asked == other["query"] else other
        for path in (ASK, OPEN):
            answer = await sat.http.post(path, json=late, headers=KEY)
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert list(kept(tmp_path)) == [session_id]
        assert len(sat.fake.chats) == 7
