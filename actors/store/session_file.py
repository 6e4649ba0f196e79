"""The file that sessions live in: opened, checked, and never touched when something is odd.

Knows SQLite and nothing of what a session is. WAL, so that readers do not wait for the writer;
synchronous=FULL, so that what was committed survives a power cut.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from actors.errors import StoreUnavailable, Superseded
from actors.store.session_log import HEADER_BYTES, is_damaged

APPLICATION_ID = 0x4C4C4D43  # "LLMC": tells our file from another program's
_SCHEMA = """
CREATE TABLE sessions (             -- an index over the events, written in their transaction
    session_id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,       -- UTC, always microseconds: text order is time order
    closed INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT UNIQUE,
    body_hash TEXT
);
CREATE INDEX sessions_by_age ON sessions (created_at, session_id);
CREATE INDEX sessions_open ON sessions (created_at) WHERE closed = 0;
CREATE TABLE events (
    session_id TEXT NOT NULL REFERENCES sessions,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL,             -- the event's JSON, whole
    PRIMARY KEY (session_id, seq)
);
CREATE TABLE health (checked_at TEXT);
INSERT INTO health VALUES (NULL);
"""
_KEEPER = """
CREATE TABLE keeper (epoch INTEGER NOT NULL -- one row: how often the file was taken over
);
INSERT INTO keeper VALUES (0);
"""
_STEPS = (_SCHEMA, _KEEPER)
"""`_STEPS[n]` leads from schema n to schema n + 1; a released step is never changed."""
SCHEMA_VERSION = len(_STEPS)


def connect(path: Path, lock_wait_s: float, mode: str = "rw") -> sqlite3.Connection:
    """A connection in autocommit mode, for one thread at a time. The file must be there."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=lock_wait_s,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # a purged session is gone from the file
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path, lock_wait_s: float) -> None:
    """Makes the file if there is none; checks it if there is, and brings an older one up to date.
    Raises `StoreUnavailable`; a file that is damaged, newer, or not ours stays as it was."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)  # SQLite gives its -wal and -shm files the same mode
        _check(path, lock_wait_s)
        with closing(connect(path, lock_wait_s)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _upgrade(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise unavailable(error, path) from error


def check(path: Path, lock_wait_s: float) -> None:
    """Changes nothing. Raises `StoreUnavailable` where `prepare` would refuse the file."""
    try:
        _check(path, lock_wait_s)
    except (sqlite3.Error, OSError) as error:
        raise unavailable(error, path) from error


def connect_to_look(path: Path, lock_wait_s: float) -> sqlite3.Connection:
    """A connection that leaves every byte as it is, also beside a writer. While there is a log,
    `ro` keeps it from being written back at the close."""
    return connect(path, lock_wait_s, "ro" if log_path(path).exists() else "rw")


def _check(path: Path, lock_wait_s: float) -> None:
    if is_damaged(_log_of(path)):
        raise damaged(path)
    with closing(connect_to_look(path, lock_wait_s)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and application != APPLICATION_ID:
            raise StoreUnavailable(
                f"{path} belongs to another program. Nothing was changed: set COUNCIL_HOME "
                "elsewhere."
            )
        _refuse_newer(version, path)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(path)


def _log_of(path: Path) -> bytes:
    """The write-ahead log; read again if another process has begun it anew meanwhile."""
    with suppress(FileNotFoundError), log_path(path).open("rb") as file:
        while True:
            file.seek(0)
            log = file.read()
            file.seek(0)
            if file.read(HEADER_BYTES) == log[:HEADER_BYTES]:
                return log
    return b""


def log_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _refuse_newer(version: int, path: Path) -> None:
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{path} was written by a newer release (schema {version}; this one reads up to "
            f"{SCHEMA_VERSION}). Nothing was changed: run the newer release again, or set "
            "COUNCIL_HOME to another folder."
        )


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """All steps that are missing, in one transaction: safe against a second process that starts at
    the same moment, and against a kill. What fails half-way leaves the older schema whole."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    _refuse_newer(version, path)  # it may have changed since it was checked
    for step in _STEPS[version:]:
        for statement in step.split(";\n"):
            connection.execute(statement)
    if version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def take_over(path: Path, lock_wait_s: float) -> int:
    """The next epoch: who wrote under an earlier one is refused from here on."""
    try:
        with closing(connect(path, lock_wait_s)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE keeper SET epoch = epoch + 1")
            (epoch,) = connection.execute("SELECT epoch FROM keeper").fetchone()
            connection.execute("COMMIT")
            return int(epoch)
    except sqlite3.Error as error:
        raise unavailable(error, path) from error


def hold(connection: sqlite3.Connection, epoch: int) -> None:
    """For the begin of a transaction: raises `Superseded` unless the file is still that epoch's."""
    if connection.execute("SELECT epoch FROM keeper").fetchone() != (epoch,):
        raise Superseded("Another orchestrator has taken over the sessions; this one has stopped.")


def unavailable(error: Exception, path: Path) -> StoreUnavailable:
    """What went wrong with the file, as a sentence for the one who can mend it."""
    if not isinstance(error, sqlite3.Error):
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        return StoreUnavailable(f"{path} cannot be opened: {reason}.")
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path)
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"The disk is full: {path.name} cannot grow. Make room.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return StoreUnavailable(f"{path.name} may not be written. Check its mode and disk.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(f"{path.name} is locked by another process.")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreUnavailable(f"{path.name} cannot be read or written ({name}).")


def damaged(path: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path} is damaged, or its -wal file is. Both were kept as they are. Put back a copy: "
        "./council restore FILE. Without one, move both away to start with an empty history; "
        f"`sqlite3 {path.name} .recover` saves what can still be read."
    )
