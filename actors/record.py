"""The record of one running session: every event is committed first, then folded in, then told.

What is noted in one moment is committed together. When the store cannot be written the session
pauses and tries again: nothing is told that is not kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from actors.audience import Audience
from actors.council.deliberation import Session, record
from actors.errors import SessionFinished, StoreUnavailable
from actors.messages.calls import Delta
from actors.messages.events import (
    AnswerEvent,
    LiveEvent,
    OpinionDelta,
    OpinionHeard,
    ReviewDelta,
    ReviewHeard,
    Stage,
    StoredEvent,
)

Append = Callable[[str, Sequence[StoredEvent]], Awaitable[list[StoredEvent]]]

PAUSE_S = 1.0
"""How long a session waits before it asks an unwritable store again."""

log = logging.getLogger(__name__)


class Record:
    """`append` commits events of a session and returns them with their `seq`."""

    def __init__(self, session: Session, append: Append) -> None:
        self.session = session
        self.audience = Audience(session.session_id, session.last.seq)
        self._append = append
        self._waiting: list[StoredEvent] = []
        self._writer: asyncio.Task[None] | None = None

    def note(self, event: StoredEvent) -> None:
        """Keeps `event`, in order, without waiting for the commit."""
        self._waiting.append(event)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def hear(self, event: StoredEvent) -> None:
        """Keeps `event`; returns once it is committed and folded in. Cancelling undoes nothing."""
        self.note(event)
        while self._writer is not None and not self._writer.done():
            await asyncio.shield(self._writer)

    def whisper(self, stage: Stage, agent_id: str, delta: Delta, at: datetime) -> None:
        """Tells a piece of text that is not kept."""
        self.audience.whisper(stage, agent_id, delta.text, delta.thinking, at)

    async def _write(self) -> None:
        while self._waiting:
            events, self._waiting = self._waiting, []
            try:
                stored = await self._commit(events)
            except SessionFinished:
                return
            for event in stored:
                self.session = record(self.session, event)
                self._forget_text(event)
            self.audience.announce(stored)

    async def _commit(self, events: list[StoredEvent]) -> list[StoredEvent]:
        while True:
            try:
                return await self._append(self.session.session_id, events)
            except StoreUnavailable as error:
                log.error("session %s pauses: %s", self.session.session_id, error.detail)
                await asyncio.sleep(PAUSE_S)

    def _forget_text(self, event: StoredEvent) -> None:
        if isinstance(event, AnswerEvent):
            self.audience.forget(stage_of(event), event.agent_id)


def stage_of(event: StoredEvent | LiveEvent) -> Stage:
    """The stage to which an answer or a piece of its text belongs."""
    match event:
        case OpinionHeard() | OpinionDelta():
            return "opinions"
        case ReviewHeard() | ReviewDelta():
            return "review"
        case _:
            return "synthesis"
