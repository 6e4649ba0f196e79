"""The file that the cache of answers lives in: made, checked, begun anew when anything is odd.

What is lost here is asked again, so nothing is worth keeping: a file that is damaged, newer or not
ours is removed (beside it a purge would not reach it), and a commit is not waited for on the disk.
For one thread at a time; raises what SQLite and the system raise, and `OddFile`. Knows nothing of
models and sessions.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from actors.store import session_file

APPLICATION_ID = 0x4C4C4D61  # "LLMa"
SCHEMA_VERSION = 1
LOCK_WAIT_S = 1.0
USE_BYTES = 128
"""What it takes to note down that a session was given an answer."""
_SCHEMA = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    bytes INTEGER NOT NULL,         -- the body, and who was given it
    made_at REAL NOT NULL,          -- seconds since 1970
    used INTEGER NOT NULL           -- the greatest was used last
);
CREATE INDEX answers_by_use ON answers (used, bytes);
CREATE INDEX answers_by_age ON answers (made_at);
CREATE TABLE uses (                 -- the sessions that made an answer, or were given it
    session_id TEXT NOT NULL,
    key TEXT NOT NULL REFERENCES answers ON DELETE CASCADE,
    PRIMARY KEY (session_id, key)
) WITHOUT ROWID;
CREATE INDEX uses_by_key ON uses (key);
"""
_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM answers)"


class OddFile(Exception):
    """The file is damaged, of a newer release, or another program's."""


@dataclass(frozen=True)
class Bounds:
    """What is kept at most: seconds, answers, and bytes of text."""

    ttl_s: float
    answers: int = 5_000
    bytes: int = 32 * 2**20


class AnswerFile:
    """Opened with its making; `now` (seconds since 1970) comes in."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._bounds = bounds
        self._db = _opened(path)

    def find(self, key: str, session_id: str, now: float) -> str | None:
        """The body that was kept under `key`; from then on it is the session's too."""
        with self._transaction(now):
            found = self._db.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
            if found is not None:
                self._db.execute(f"UPDATE answers SET used = {_NEXT} WHERE key = ?", (key,))
                self._used(key, session_id)
        return found[0] if found else None

    def keep(self, key: str, session_id: str, body: str, now: float) -> None:
        """In the place of what was kept under `key`; the ones used longest ago make room."""
        with self._transaction(now):
            self._db.execute("DELETE FROM answers WHERE key = ?", (key,))
            self._db.execute(
                f"INSERT INTO answers VALUES (?, ?, ?, ?, {_NEXT})",
                (key, body, len(body.encode()), now),
            )
            self._used(key, session_id)

    def expire(self, now: float) -> bool:
        """Removes what is too old, from the log beside the file too; whether there is more."""
        with self._transaction(now):
            (left,) = self._db.execute("SELECT count(*) FROM answers").fetchone()
        self._empty_log()
        return bool(left)

    def forget(self, session_id: str) -> None:
        """Removes what the session made or was given, from the log beside the file too."""
        of_it = "SELECT key FROM uses WHERE session_id = ?"
        self._db.execute(f"DELETE FROM answers WHERE key IN ({of_it})", (session_id,))
        if not self._empty_log():
            raise sqlite3.OperationalError("another process keeps the log from being emptied")

    def close(self) -> None:
        self._db.close()

    def _empty_log(self) -> bool:
        (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    @contextmanager
    def _transaction(self, now: float) -> Iterator[None]:
        """Before it what is too old goes, after it what is too much."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            # Those of the future, too: after a clock jumped back they would stay for long.
            stale = "DELETE FROM answers WHERE made_at <= ? OR made_at > ?"
            self._db.execute(stale, (now - self._bounds.ttl_s, now))
            yield
            self._make_room()
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _make_room(self) -> None:
        count = "SELECT count(*), total(bytes) FROM answers"
        oldest = "SELECT key FROM answers ORDER BY used LIMIT 1"
        while True:
            answers, taken = self._db.execute(count).fetchone()
            if answers <= self._bounds.answers and taken <= self._bounds.bytes:
                return
            self._db.execute(f"DELETE FROM answers WHERE key = ({oldest})")

    def _used(self, key: str, session_id: str) -> None:
        noted = self._db.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", (session_id, key))
        grown = (noted.rowcount * USE_BYTES, key)
        self._db.execute("UPDATE answers SET bytes = bytes + ? WHERE key = ?", grown)


def wipe(path: Path) -> None:
    """Removes the file and what SQLite keeps beside it. Raises `OSError`."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def is_odd(error: Exception) -> bool:
    """Whether the file is to blame, and not its disk or another process."""
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, OddFile) or getattr(error, "sqlite_errorcode", 0) & 0xFF in damage


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)  # SQLite gives its -wal and -shm files the same mode
    db = session_file.connect(path, LOCK_WAIT_S)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    known = (version, application) == (SCHEMA_VERSION, APPLICATION_ID)
    if tables and not (known and db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)):
        raise OddFile()
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # whole after any crash; the last answers may be lost
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("BEGIN IMMEDIATE")
    if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
