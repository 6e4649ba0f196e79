"""SessionStore: what was heard in each session, in order, on disk. Append-only.

An event is stored whole, as JSON, under its session and its `seq`. Beside the events there is only
an index row per session (age, closed or not, idempotency key), written in the same transaction; the
line that the history shows is computed from the events when it is asked for, and remembered until
the session grows. Knows nothing of what the events mean, but where their text is.
"""

import asyncio
import queue
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from actors.errors import StoreUnavailable, Superseded
from actors.messages.events import SessionStarted, StoredEvent
from actors.messages.sessions import SessionSummary
from actors.store import session_file, session_rows
from actors.store.idempotency import Idempotency
from actors.store.session_rows import Created
from actors.store.session_writer import Writer

READERS = 2
REMEMBERED_SUMMARIES = 2_000
LOCK_WAIT_S = 5.0
T = TypeVar("T")
Summarise = Callable[[list[StoredEvent]], SessionSummary]
"""A pure function: all stored events of a session to its line in the history."""


class SessionStore:
    """The one that opened the file last may write; used from one event loop, nothing blocks it.
    Raises `StoreUnavailable` whenever the file cannot be read or written, and `Superseded` once
    another store has opened it; then nothing of the call was stored."""

    def __init__(self, path: Path, summarise: Summarise, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._path = path
        self._summarise = summarise
        self._lock_wait_s = lock_wait_s
        self._writer: Writer | None = None
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._summaries: dict[str, tuple[int, SessionSummary]] = {}

    async def open(self) -> int:
        """Takes the file over and returns its new epoch. Refuses a file that is damaged, newer, or
        not ours, and leaves it as it is."""
        await asyncio.to_thread(session_file.prepare, self._path, self._lock_wait_s)
        epoch = await asyncio.to_thread(session_file.take_over, self._path, self._lock_wait_s)
        for _ in range(READERS):
            reader = session_file.connect(self._path, self._lock_wait_s)
            session_rows.read_only(reader)
            self._readers.put(reader)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="session-reader")
        self._writer = Writer(self._path, self._lock_wait_s, epoch)
        return epoch

    async def close(self) -> None:
        """Returns after everything asked for is on disk."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        await writer.close()
        await asyncio.to_thread(self._threads.shutdown)
        while not self._readers.empty():
            self._readers.get().close()

    async def create(
        self, started: SessionStarted, idempotency: Idempotency | None = None
    ) -> Created:
        """Stores `started` as event 1. Raises `IdempotencyKeyReused`."""
        return await self._write(lambda db: session_rows.create(db, started, idempotency))

    async def append(self, session_id: str, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Stores `events` and returns them with their `seq`. Raises `SessionNotFound`, and
        `SessionFinished` once `session_closed` is stored."""
        return await self._write(lambda db: session_rows.append(db, session_id, events))

    async def delete(self, session_id: str) -> None:
        """Removes a closed session. Raises `SessionNotFound`, `SessionRunning`."""
        await self._write(lambda db: session_rows.delete(db, session_id))
        self._summaries.pop(session_id, None)

    async def writable(self) -> bool:
        """Whether a transaction of this store's reaches the disk just now."""
        now = datetime.now(UTC)
        try:
            await self._write(lambda db: session_rows.touch(db, now))
        except (StoreUnavailable, Superseded):
            return False
        return True

    async def find(self, idempotency: Idempotency) -> str | None:
        """The session that the key and body began. Raises `IdempotencyKeyReused`."""
        return await self._read(lambda db: session_rows.find(db, idempotency))

    async def events(self, session_id: str, after: int = 0) -> list[StoredEvent]:
        """Those with a `seq` above `after`, in order. Raises `SessionNotFound`."""
        return await self._read(lambda db: session_rows.events(db, session_id, after))

    async def open_sessions(self) -> list[str]:
        """Ids of the sessions that have not been closed, oldest first."""
        return await self._read(session_rows.open_sessions)

    async def page(
        self, limit: int, before: datetime | None = None, q: str | None = None
    ) -> tuple[SessionSummary, ...]:
        """Lines of the history, newest first, created before `before`. `q` is looked for in the
        question, the opinions and the final answer, whatever its case."""
        return await self._read(lambda db: self._page(db, limit, before, q))

    def _page(
        self, db: sqlite3.Connection, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        found = session_rows.newest(db, limit, before, q)
        return tuple(self._summary(db, session_id, last) for session_id, last in found)

    def _summary(self, db: sqlite3.Connection, session_id: str, last: int) -> SessionSummary:
        seen, summary = self._summaries.get(session_id, (0, None))
        if summary is None or seen != last:
            events = session_rows.events(db, session_id, 0)
            summary = self._summarise(events)
            if len(self._summaries) >= REMEMBERED_SUMMARIES:
                self._summaries.clear()
            self._summaries[session_id] = (events[-1].seq, summary)
        return summary

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise StoreUnavailable("The session store is not open.")
        return await self._writer.write(work)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise StoreUnavailable("The session store is not open.")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._on_reader, work)

    def _on_reader(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As many threads as connections, so there is always one. The transaction is a snapshot."""
        db = self._readers.get()
        try:
            db.execute("BEGIN")
            return work(db)
        except sqlite3.Error as error:
            raise session_file.unavailable(error, self._path) from error
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._readers.put(db)
