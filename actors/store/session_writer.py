"""The one thread that writes: what waits goes into one transaction, and is told after its COMMIT.

Group commit: while one transaction reaches the disk, the next one gathers. So thirty-two sessions
pay for one fsync together and not for one each. Writes under its epoch of the file, and nothing
once another has taken the file over. Knows nothing of what a session is.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from actors.errors import StoreUnavailable, Superseded, Unavailable
from actors.store import session_file

MAX_GROUP = 512
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """`work` runs inside the transaction. It may raise only before its first write: what it raises
    then is its caller's alone, while an error of SQLite's fails the whole group."""

    work: Callable[[sqlite3.Connection], Any]
    done: "asyncio.Future[Any]"


@dataclass(frozen=True)
class Outcome:
    job: Job
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.job.done.done():  # its caller was cancelled and waits no longer
            return
        if self.error is None:
            self.job.done.set_result(self.result)
        else:
            self.job.done.set_exception(self.error)


class Writer:
    """Started with its thread. `write` is for one event loop; `close` waits for what was asked."""

    def __init__(self, path: Path, lock_wait_s: float, epoch: int) -> None:
        self._path = path
        self._epoch = epoch
        self._connection = session_file.connect(path, lock_wait_s)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="session-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in a transaction of the writer's; returns after it is on disk. A caller that
        is cancelled meanwhile does not know whether it was written."""
        if self._closing:
            raise StoreUnavailable("The session store is closed.")
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Job(work, done))
        return await done

    async def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            outcomes = self._commit(job)
            self._loop.call_soon_threadsafe(_tell, outcomes)
        self._connection.close()

    def _commit(self, first: Job) -> list[Outcome]:
        jobs = [first]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            session_file.hold(self._connection, self._epoch)
            jobs += self._waiting()
            outcomes = [self._perform(job) for job in jobs]
            self._connection.execute("COMMIT")
            return outcomes
        except (sqlite3.Error, Superseded) as error:
            log.warning("nothing was stored: %s", getattr(error, "sqlite_errorname", error))
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")  # some errors have rolled back already
            jobs += self._waiting()  # they would meet the same, each after its own wait
            return [Outcome(job, error=self._refusal(error)) for job in jobs]

    def _refusal(self, error: sqlite3.Error | Superseded) -> Unavailable:
        """For each caller one of its own."""
        if isinstance(error, Superseded):
            return Superseded(*error.args)
        return session_file.unavailable(error, self._path)

    def _perform(self, job: Job) -> Outcome:
        try:
            return Outcome(job, job.work(self._connection))
        except sqlite3.Error:
            raise
        except Exception as error:  # the caller's own: a refusal, or a value that cannot be stored
            return Outcome(job, error=error)

    def _waiting(self) -> list[Job]:
        jobs: list[Job] = []
        while len(jobs) < MAX_GROUP and not self._queue.empty():
            job = self._queue.get()
            if job is None:
                self._queue.put(None)  # nothing comes after it: `write` refuses by then
                break
            jobs.append(job)
        return jobs


def _tell(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()
