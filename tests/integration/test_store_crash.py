"""The store under SIGKILL: what was acknowledged is there, what was not leaves no trace of a half.

The child is a real process with a real file; it dies of its own hand where it hurts most, or of
ours at any moment (faults.md, rows 2 and 6).
"""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from actors import session_file, session_writer
from actors.messages.events import NoticeGiven, SessionStarted
from actors.messages.requests import CouncilRequest
from actors.sessions import SessionStore

when, path, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
now = datetime.now(UTC)
commits = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def seen(sql):
    global commits
    commits += sql == "COMMIT"
    if commits == 10 and when == "before":
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
    request = CouncilRequest(query="Why?")
    for name in names:
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


def run(when: str, path: Path, names: str, lines: int = 0) -> dict[str, int]:
    """The last acknowledged `seq` of each session; after `lines` acknowledgements we kill."""
    arguments = [sys.executable, "-c", CHILD, when, str(path), names]
    told = dict.fromkeys(names, 1)
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


@pytest.mark.wire
@pytest.mark.parametrize(("when", "ahead"), [("before", 0), ("after", 2)])
def test_killed_around_the_commit_an_append_is_stored_whole_or_not_at_all(
    tmp_path: Path, when: str, ahead: int
) -> None:
    """One session, so that all acknowledgements but the last have been read when the child dies."""
    told = run(when, tmp_path / "sessions.db", "a")
    assert told["a"] > 10
    assert stored(tmp_path / "sessions.db") == {"a": told["a"] + ahead}


@pytest.mark.wire
@pytest.mark.parametrize("lines", [1, 40, 150])
def test_killed_at_any_moment_loses_nothing_that_was_acknowledged(
    tmp_path: Path, lines: int
) -> None:
    told = run("never", tmp_path / "sessions.db", "abcd", lines)
    kept = stored(tmp_path / "sessions.db")
    assert all(kept[name] >= told[name] for name in told)
    assert all(seq % 2 == 1 for seq in kept.values()), "an append is stored whole or not at all"
