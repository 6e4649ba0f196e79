"""What is in a session file: counted, and every page of it checked. Changes no byte of it."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from actors.errors import StoreUnavailable
from actors.store import session_file


@dataclass(frozen=True)
class Contents:
    """`open_sessions` have not been closed; `epoch` is None in a file of the first release; sizes
    in bytes, the write-ahead log's apart."""

    schema: int
    epoch: int | None
    sessions: int
    open_sessions: int
    file_bytes: int
    log_bytes: int


def contents(path: Path, lock_wait_s: float) -> Contents:
    """Raises `StoreUnavailable` for a file that the store would refuse, one without tables, and one
    of whose pages or indices anything is wrong."""
    session_file.check(path, lock_wait_s)
    try:
        with closing(session_file.connect_to_look(path, lock_wait_s)) as connection:
            return _read(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise session_file.unavailable(error, path) from error


def _read(db: sqlite3.Connection, path: Path) -> Contents:
    def number(query: str) -> int:
        (found,) = db.execute(query).fetchone()
        return int(found)

    db.execute("BEGIN")
    schema = number("PRAGMA user_version")
    if not schema:
        raise StoreUnavailable(f"{path} is empty: no session was ever kept there.")
    if db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise session_file.damaged(path)
    return Contents(
        schema=schema,
        epoch=number("SELECT epoch FROM keeper") if schema > 1 else None,
        sessions=number("SELECT count(*) FROM sessions"),
        open_sessions=number("SELECT count(*) FROM sessions WHERE closed = 0"),
        file_bytes=path.stat().st_size,
        log_bytes=_size(session_file.log_path(path)),
    )


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
