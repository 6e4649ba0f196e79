"""A copy of the session file, whole at one moment, made beside the one who writes; and put back.

`VACUUM INTO` reads in one transaction: the copy is what was committed when it began. In WAL mode
no writer waits for a reader, so an open council does not notice.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from actors.errors import StoreUnavailable
from actors.store import session_file
from actors.store.session_contents import Contents, contents

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def copy(source: Path, target: Path, lock_wait_s: float) -> Contents:
    """`target` is replaced at the very end, by a file (0600) that was checked and is on disk.
    Raises `StoreUnavailable`; then `target` is as it was."""
    with _draft(source, target, lock_wait_s) as (draft, found):
        draft.replace(target)
        _sync(target.parent)
    return found


def put_back(backup: Path, path: Path, aside: Path, lock_wait_s: float) -> Contents:
    """Makes `path` a copy of `backup`; what was there is `aside` afterwards, its log beside it.
    Only while nobody has `path` open. Raises `StoreUnavailable`; then `path` is as it was."""
    with _draft(backup, path, lock_wait_s) as (draft, found):
        log, log_aside = session_file.log_path(path), session_file.log_path(aside)
        for present, kept in ((path, aside), (log, log_aside)):
            if present.exists():
                os.link(present, kept)
        _sync(path.parent)
        # A log is of one file: it must be gone before another one has its name.
        log.unlink(missing_ok=True)
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        draft.replace(path)
        _sync(path.parent)
    return found


@contextmanager
def _draft(source: Path, target: Path, lock_wait_s: float) -> Iterator[tuple[Path, Contents]]:
    """A checked copy of `source` beside `target`, gone at the end unless it was renamed."""
    contents(source, lock_wait_s)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _clear(draft)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(session_file.connect_to_look(source, lock_wait_s)) as connection:
            connection.execute("VACUUM INTO ?", (str(draft.absolute()),))
        found = contents(draft, lock_wait_s)
        _sync(draft)
        yield draft, found
    except sqlite3.Error as error:
        is_damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
        raise session_file.unavailable(error, source if is_damaged else target) from error
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        _clear(draft)


def _clear(draft: Path) -> None:
    """The draft, and the journal that SQLite leaves beside it where the disk is full."""
    for path in (draft, draft.with_name(f"{draft.name}-journal")):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """To the disk: a file's bytes, a folder's names."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
