"""AnswerCache: what models said to calls that say the same again, for a while, on disk.

Nobody waits for it and nobody fails by it: whatever is wrong with its file is a line in the log,
and the call is made anew. All of it runs on one thread of its own, in order, so that what was kept
is found by the next one who asks, and what a session left behind is gone once it was forgotten.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from actors.errors import StoreUnavailable
from actors.messages.calls import Generated
from actors.store.answer_file import AnswerFile, Bounds, OddFile, is_odd, wipe

FILE = "answers.db"
"""It may be removed at any time."""
PATIENCE_S = 1.0
"""How long a call may wait to hear whether its answer is there: a disk may hang."""
PAUSE_S = 60.0
"""How long the file is left alone after it could not be used."""
WAITING_LIMIT = 256
"""What may wait for the disk; beyond that nothing is looked for or kept."""
T = TypeVar("T")
log = logging.getLogger(__name__)


class AnswerCache:
    """`bounds.ttl_s` 0 = there is none, and what an earlier one left is removed. `now` gives
    seconds since 1970."""

    def __init__(self, path: Path, bounds: Bounds, now: Callable[[], float] = time.time) -> None:
        self.on = bounds.ttl_s > 0
        self._path = path
        self._bounds = bounds
        self._now = now
        self._file: AnswerFile | None = None
        self._resumes_at = 0.0
        self._waiting = 0
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answer-cache")

    @classmethod
    def beside(cls, sessions: Path, ttl_s: float) -> "AnswerCache":
        """In the folder of the session file."""
        return cls(sessions.with_name(FILE), Bounds(ttl_s))

    async def open(self) -> None:
        """Makes the file ready, without what is too old, or removes it where there is to be no
        cache."""
        if self.on:
            await self._sweep_now()
        else:
            await self._run(self._wiped)

    async def find(self, key: str, session_id: str) -> Generated | None:
        """What was said to that call, from then on the session's too; None where that is not known,
        or not soon enough."""
        if not self._at_hand():
            return None
        now = self._now()
        looking = self._run(lambda: self._use(lambda file: file.find(key, session_id, now)))
        try:
            body = await asyncio.wait_for(looking, PATIENCE_S)
            return Generated.model_validate_json(body) if body else None
        except TimeoutError:
            self._pause("the disk is slow")
        except ValidationError:  # of another release
            log.info("an answer that was kept has another release's shape: it is not used")
        return None

    def keep(self, key: str, session_id: str, answer: Generated) -> None:
        """Keeps it soon, without the thoughts that led to it."""
        if not self._at_hand():
            return
        now, said = self._now(), answer.model_copy(update={"thinking": ""})
        self._run(
            lambda: self._use(lambda file: file.keep(key, session_id, said.model_dump_json(), now))
        )
        self._sweep_later()

    async def forget(self, session_id: str) -> None:
        """Nothing that the session made or was given is left. Raises `StoreUnavailable`."""
        if self._closed or not await self._run(lambda: self._forgotten(session_id)):
            raise StoreUnavailable(f"{self._path.name} cannot be written: it may hold the session.")

    async def close(self) -> None:
        """Returns after all that was asked for."""
        if self._closed:
            return
        self.on, self._closed = False, True
        if self._sweep is not None:
            self._sweep.cancel()
        await self._run(self._let_go)
        await asyncio.to_thread(self._thread.shutdown)

    def _sweep_later(self) -> None:
        """What nobody looks for any more goes too, in a council that is asked nothing else."""
        if self._sweep is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._bounds.ttl_s, self._sweep_now, context=Context())

    def _sweep_now(self) -> "asyncio.Future[bool | None]":
        self._sweep, now = None, self._now()
        swept = self._run(lambda: self._use(lambda file: file.expire(now)))
        swept.add_done_callback(lambda _: self._sweep_later() if _result(swept) else None)
        return swept

    def _at_hand(self) -> bool:
        return self.on and not self._rests() and self._waiting < WAITING_LIMIT

    def _rests(self) -> bool:
        return time.monotonic() < self._resumes_at

    def _pause(self, why: str) -> None:
        """What was on its way meets the same, and says nothing of it."""
        if self._rests():
            return
        self._resumes_at = time.monotonic() + PAUSE_S
        log.warning("no answer is kept or found for %g s: %s: %s", PAUSE_S, self._path, why)

    def _run(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        self._waiting += 1
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        done.add_done_callback(self._ran)
        return done

    def _ran(self, done: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("the cache of answers failed: %s", type(error).__name__)

    # From here on: on the thread.

    def _use(self, work: Callable[[AnswerFile], T]) -> T | None:
        """None where the file cannot be used."""
        try:
            return work(self._opened())
        except (sqlite3.Error, OSError, OddFile) as error:
            self._give_up(error)
            return None

    def _opened(self) -> AnswerFile:
        if self._file is None:
            self._file = AnswerFile(self._path, self._bounds)
        return self._file

    def _give_up(self, error: Exception) -> None:
        self._let_go()
        if is_odd(error):
            log.warning("%s is damaged or not of this release: it is begun anew", self._path)
            self._wiped()
        else:
            self._pause(_kind(error))

    def _forgotten(self, session_id: str) -> bool:
        """Where the session cannot be found out, all of it goes."""
        if not self._path.is_file():
            return True
        try:
            self._opened().forget(session_id)
            return True
        except (sqlite3.Error, OSError, OddFile) as error:
            why = _kind(error)
            log.warning("%s is removed, since a session must not stay in it: %s", self._path, why)
            self._let_go()
            return self._wiped()

    def _wiped(self) -> bool:
        try:
            wipe(self._path)
        except OSError as error:
            log.warning("%s cannot be removed: %s", self._path, error.strerror)
            return False
        return True

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _result(done: "asyncio.Future[T]") -> T | None:
    """None where there is none."""
    return None if done.cancelled() or done.exception() else done.result()


def _kind(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
