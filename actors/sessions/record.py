"""The record of one running session: every event is committed first, then folded in, then told.

What is noted in one moment is committed together. When the store cannot be written the session
pauses and tries again: nothing is told that is not kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from actors.council.session import Session, record
from actors.errors import SessionFinished, StoreUnavailable
from actors.messages.calls import Delta
from actors.messages.events import (
    AnswerEvent,
    GuardHeard,
    LiveEvent,
    OpinionDelta,
    OpinionHeard,
    ReviewDelta,
    ReviewHeard,
    RevisionDelta,
    RevisionHeard,
    Stage,
    StoredEvent,
)
from actors.mistakes import told
from actors.sessions.audience import Audience

Witness = Callable[[Session, StoredEvent], None]
"""Told of each event once it is committed, with the session after it; must not raise."""
Append = Callable[[str, Sequence[StoredEvent]], Awaitable[list[StoredEvent]]]

GATHER_S = 0.01
"""How long a note may wait for others before it is committed."""
PAUSE_S = 1.0
"""How long a session waits before it asks an unwritable store again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Noted:
    """An event on its way to the store; `kept` is done once it is committed and told."""

    event: StoredEvent
    kept: asyncio.Future[None]


@dataclass(frozen=True)
class _Whisper:
    """A piece of a seat's text on its way to the audience."""

    stage: Stage
    agent_id: str
    delta: Delta
    at: datetime


class Record:
    """`append` commits events of a session and returns them with their `seq`."""

    def __init__(self, session: Session, append: Append, *witnesses: Witness) -> None:
        self.session = session
        self.audience = Audience(session.session_id, session.last.seq)
        self._append = append
        self._witnesses = witnesses
        self._waiting: list[_Noted | _Whisper] = []
        self._writer: asyncio.Task[None] | None = None
        self._soon: asyncio.TimerHandle | None = None

    def note(self, event: StoredEvent) -> None:
        """Keeps `event`, in order, without waiting for the commit: what is noted within a moment
        shares one."""
        self._queue(event).add_done_callback(_nobody_waits)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(GATHER_S, self._start_writing)

    async def hear(self, event: StoredEvent) -> None:
        """Keeps `event`; returns once it is committed and folded in. Cancelling undoes nothing."""
        kept = self._queue(event)
        self._start_writing()
        await asyncio.shield(kept)

    async def settled(self) -> None:
        """Waits until all that was queued so far is committed and folded in."""
        if self._waiting:
            self._start_writing()
        if self._writer is not None:
            await asyncio.shield(self._writer)

    def whisper(self, stage: Stage, agent_id: str, delta: Delta, at: datetime) -> None:
        """Tells a piece of text that is not kept, in its order among the events."""
        whisper = _Whisper(stage, agent_id, delta, at)
        if self._waiting or (self._writer is not None and not self._writer.done()):
            self._waiting.append(whisper)
            self._start_writing()
        else:
            self._tell(whisper)

    def _queue(self, event: StoredEvent) -> asyncio.Future[None]:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Noted(event, kept))
        return kept

    def _start_writing(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            noted = [item for item in waiting if isinstance(item, _Noted)]
            try:
                stored = iter(await self._commit([item.event for item in noted]))
                for item in waiting:
                    self._tell(next(stored) if isinstance(item, _Noted) else item)
            except SessionFinished:
                log.info("session %s had ended: a late note is dropped", self.session.session_id)
            except Exception as error:  # whoever waits for the commit must know
                kind = type(error).__name__
                log.error("session %s: an event is not kept: %s", self.session.session_id, kind)
                for item in noted:
                    item.kept.set_exception(error)
            for item in noted:
                if not item.kept.done():
                    item.kept.set_result(None)

    def _tell(self, item: StoredEvent | _Whisper) -> None:
        if isinstance(item, _Whisper):
            delta = item.delta
            self.audience.whisper(item.stage, item.agent_id, delta.text, delta.thinking, item.at)
            return
        self.session = record(self.session, item)
        if isinstance(item, AnswerEvent):
            self.audience.forget(stage_of(item), item.agent_id)
        self.audience.announce(item)
        for witness in self._witnesses:
            try:
                witness(self.session, item)
            except Exception as error:  # whoever watches a session must not hurt it
                log.error("session %s: a witness failed: %s", self.session.session_id, told(error))

    async def _commit(self, events: list[StoredEvent]) -> list[StoredEvent]:
        while events:
            try:
                return await self._append(self.session.session_id, events)
            except StoreUnavailable as error:
                log.error("session %s pauses: %s", self.session.session_id, error.detail)
                await asyncio.sleep(PAUSE_S)
        return []


def _nobody_waits(kept: asyncio.Future[None]) -> None:
    """Takes note of an error that the log tells already."""
    if not kept.cancelled():
        kept.exception()


def stage_of(event: StoredEvent | LiveEvent) -> Stage:
    """The stage to which an answer or a piece of its text belongs."""
    match event:
        case OpinionHeard() | OpinionDelta():
            return "opinions"
        case ReviewHeard() | ReviewDelta():
            return "review"
        case RevisionHeard() | RevisionDelta():
            return "revision"
        case GuardHeard():
            return "guard"
        case _:
            return "synthesis"
