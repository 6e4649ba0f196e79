"""The store under SIGKILL: what was acknowledged is there, what was not leaves no trace of a half.

The child is a real process with a real file; it dies of its own hand where it hurts most, or of
ours at any moment (faults.md, rows 2, 6 and 47).
"""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.dying_council import CHAIR, LAST, MODELS, pc
from tests.fake_hosts import until
from tests.fakes import FakeOllama, Request
from tests.fakes.http import Exchange
from tests.fakes.speech import Wish
from tests.local_council import local_council, stage_of
from tests.session_events import write_schema_1

pytestmark = pytest.mark.wire

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import asyncio, os, signal, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from actors.store import session_file, session_writer
from actors.messages.events import NoticeGiven, SessionStarted
from actors.messages.requests import CouncilRequest
from actors.store.sessions import SessionStore

when, path, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
when, _, which = when.partition(" ")
now = datetime.now(UTC)
commits = statements = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def seen(sql):
    global commits, statements
    commits += sql == "COMMIT"
    statements += 1
    if commits == 10 and when == "before" or when == "statement" and statements == int(which):
        die()

connect, tell = session_file.connect, session_writer._tell

def traced(*where):
    connection = connect(*where)
    connection.set_trace_callback(seen)
    return connection

def told(outcomes):
    if commits >= 10 and when == "after":
        die()
    tell(outcomes)

session_file.connect, session_writer._tell = traced, told

async def main():
    store = SessionStore(path, None)
    await store.open()
    if when == "moment":
        threading.Timer(float(which), die).start()
    request = CouncilRequest(query="Why?")
    known = await store.open_sessions()
    for name in set(names).difference(known):
        await store.create(SessionStarted(session_id=name, at=now, request=request, seats=(),
                                          chairman_model="m", seed=1, deadline_at=now))
    async def write(name):
        while True:
            event = NoticeGiven(session_id=name, at=now, code="n", detail="x" * 5000)
            for stored in await store.append(name, [event, event]):
                print(name, stored.seq, flush=True)
    await asyncio.gather(*map(write, names))

asyncio.run(main())
"""

PREPARING = """
import os, signal, sys
from pathlib import Path
from actors.store import session_file

path, die_at = Path(sys.argv[1]), int(sys.argv[2])
connect, statements = session_file.connect, 0

def seen(sql):
    global statements
    statements += 1
    if statements == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

def traced(*where):
    connection = connect(*where)
    connection.set_trace_callback(seen)
    return connection

session_file.connect = traced
session_file.prepare(path, 30)
"""


def run(when: str, path: Path, names: str, lines: int = 0) -> dict[str, int]:
    """The last acknowledged `seq` of each session; after `lines` acknowledgements we kill."""
    arguments = [sys.executable, "-c", CHILD, when, str(path), names]
    told = dict.fromkeys(names, 0)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            for count, line in enumerate(child.stdout, 1):
                name, _, seq = line.partition(" ")
                if line.endswith("\n"):
                    told[name] = int(seq)
                if count == lines:
                    break
        finally:
            child.kill()
    assert child.returncode == -signal.SIGKILL
    return told


def stored(path: Path) -> dict[str, int]:
    """The last `seq` of each session, after checking the file and that there is no gap."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute(
            "SELECT session_id, max(seq), count(*), min(seq) FROM events GROUP BY session_id"
        ).fetchall()
    assert all(last == count and first == 1 for _, last, count, first in rows)
    return {name: last for name, last, _, _ in rows}


@pytest.mark.parametrize(("when", "ahead"), [("before", 0), ("after", 2)])
def test_row_06_killed_around_the_commit_an_append_is_stored_whole_or_not_at_all(
    tmp_path: Path, when: str, ahead: int
) -> None:
    """One session, so that all acknowledgements but the last have been read when the child dies."""
    told = run(when, tmp_path / "sessions.db", "a")
    assert told["a"] > 10
    assert stored(tmp_path / "sessions.db") == {"a": told["a"] + ahead}


def test_row_06_killed_again_and_again_it_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """Twenty kills of one file: at a statement of a transaction, at any moment, and from outside.
    The children go on where the one before them died."""
    path, at_random = tmp_path / "sessions.db", random.Random(6)
    told: dict[str, int] = {}
    for turn in range(20):
        kinds = (f"statement {at_random.randint(9, 99)}", f"moment {at_random.uniform(0, 0.1)}", "")
        when = kinds[turn % 3]
        told |= {
            name: max(seq, told.get(name, 0))
            for name, seq in run(when, path, "abcd", at_random.randint(1, 60)).items()
        }
        kept = stored(path)
        assert all(kept.get(name, 0) >= seq for name, seq in told.items()), when
        assert all(seq % 2 == 1 for seq in kept.values()), "an append is stored whole or not at all"
        assert epoch(path) == turn + 1
    assert sum(told.values()) > 100


@pytest.mark.parametrize("begin", ["no file", "an older file"])
def test_row_47_killed_at_any_statement_of_the_preparation_the_file_is_whole(
    tmp_path: Path, begin: str
) -> None:
    path, kills = tmp_path / "sessions.db", 0
    while True:
        for file in tmp_path.iterdir():
            file.unlink()
        if begin == "an older file":
            write_schema_1(path)
        if prepare(path, kills + 1).wait(60) == 0:
            break
        kills += 1
        if begin == "an older file":
            assert len(stored(path)) == 5
        assert prepare(path).wait(60) == 0
        assert len(stored(path)) == (5 if begin == "an older file" else 0)
        assert epoch(path) == 0
    assert kills > 5


def test_row_47_several_processes_that_upgrade_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    write_schema_1(path)
    assert [child.wait(60) for child in [prepare(path) for _ in range(4)]] == [0] * 4
    assert len(stored(path)) == 5
    assert epoch(path) == 0


def prepare(path: Path, die_at: int = 0) -> subprocess.Popen[bytes]:
    """A process that prepares the file, and dies before the given statement (from 1)."""
    return subprocess.Popen([sys.executable, "-c", PREPARING, str(path), str(die_at)], cwd=ROOT)


def epoch(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT epoch FROM keeper").fetchone()
        return int(found)


@pytest.mark.parametrize("kind", ["opinion", "review", "final_answer"])
@pytest.mark.parametrize(("moment", "asked"), [("before", 2), ("inside", 2), ("after", 1)])
async def test_row_02_killed_between_an_answer_and_its_commit_that_call_alone_is_repeated(
    tmp_path: Path, kind: str, moment: str, asked: int
) -> None:
    """The other seats' answers are on disk when the last seat's comes. One row is stored of it,
    whether the process died before its transaction, inside it, or after it."""
    stage = {"opinion": "opinions", "review": "review", "final_answer": "synthesis"}[kind]
    last, others = (CHAIR, 0) if kind == "final_answer" else (MODELS[2], 2)

    async def when_the_others_are_kept(fake: FakeOllama, exchange: Exchange) -> None:
        await until(lambda: len(kept_of(tmp_path, kind)) >= others, within_s=30)
        await fake.chat(exchange, Wish())

    def is_last(request: Request) -> bool:
        asks = request.model == last and bool(request.json.get("messages"))
        return asks and stage_of(request) == stage

    async with FakeOllama([*MODELS, CHAIR], max_loaded=4) as fake:
        fake.script(is_last, when_the_others_are_kept)
        words = ("-m", "tests.dying_council", str(tmp_path), fake.url, kind, moment)
        child = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT)
        assert await asyncio.wait_for(child.wait(), 60) == -signal.SIGKILL
        assert len(kept_of(tmp_path, kind)) == others + (moment == "after")
        async with local_council(tmp_path, pc(fake.url)) as council:
            (line,) = await council.sessions(9, None, None)
            session = await asyncio.wait_for(council.wait(line.session_id), 60)
        calls = Counter((stage_of(chat), chat.model) for chat in fake.chats)
    assert (session.stage, session.degraded, session.absences) == ("complete", False, ())
    everyone = [*((s, m) for s in ("opinions", "review") for m in MODELS), ("synthesis", CHAIR)]
    assert calls == {call: asked if call == (stage, last) else 1 for call in everyone}
    assert list(stored(tmp_path / "sessions.db")) == [session.session_id]
    seats = ["agent_1", "agent_2", "agent_3"]
    assert [kept_of(tmp_path, kind) for kind in LAST] == [seats, seats, ["chairman"]]


def kept_of(home: Path, kind: str) -> list[str]:
    """Whose events of that kind are committed."""
    if not (home / "sessions.db").exists():
        return []
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        seats = "SELECT json_extract(body, '$.agent_id') FROM events WHERE kind = ? ORDER BY 1"
        try:
            return [seat for (seat,) in connection.execute(seats, (kind,))]
        except sqlite3.OperationalError:  # there is no table yet
            return []
