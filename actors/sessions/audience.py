"""Who is listening to one session: bounded queues of events, and the text so far of every seat.

Stored events come in after their commit, with their `seq`; deltas are only passed on. A reader
that is too slow is let go (its stream ends without a closing event) and can come back with its last
`seq`. Knows nothing of how events are made or kept.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from actors.messages.events import (
    AgentStarted,
    DeltaEvent,
    LiveEvent,
    OpinionDelta,
    ReviewDelta,
    RevisionDelta,
    SessionClosed,
    Stage,
    StoredEvent,
    SynthesisDelta,
)

DELTA_OF: dict[Stage, type[DeltaEvent]] = {
    "opinions": OpinionDelta,
    "review": ReviewDelta,
    "revision": RevisionDelta,
    "synthesis": SynthesisDelta,
}
READER_LIMIT = 2_000
"""Events that may wait for one reader."""

Batch = list[StoredEvent | LiveEvent]


class Audience:
    """The readers of one session."""

    def __init__(self, session_id: str, seq: int) -> None:
        self.session_id = session_id
        self.seq = seq
        self._readers: set[asyncio.Queue[StoredEvent | LiveEvent | None]] = set()
        self._texts: dict[tuple[Stage, str], list[str]] = {}
        self._lengths: dict[tuple[Stage, str], int] = {}

    def announce(self, event: StoredEvent) -> None:
        """Passes a committed event on. A seat that starts (again) starts its text anew."""
        self.seq = event.seq
        if isinstance(event, AgentStarted):
            self._texts.pop((event.stage, event.agent_id), None)
        self._pass_on(event)

    def whisper(self, stage: Stage, agent_id: str, text: str, thinking: bool, at: datetime) -> None:
        """Passes a piece of a seat's text on. Thinking is shown live, but is not part of it."""
        key = (stage, agent_id)
        offset = self._lengths.get(key, 0) if key in self._texts else 0
        if not thinking:
            self._texts.setdefault(key, []).append(text)
            self._lengths[key] = offset + len(text)
        if self._readers:
            self._pass_on(self._delta(stage, agent_id, text, offset, at, thinking))

    def forget(self, stage: Stage, agent_id: str) -> None:
        """The seat's answer is stored: its text so far need not be told any more."""
        self._texts.pop((stage, agent_id), None)

    def join(self, at: datetime) -> tuple["Reader", Batch]:
        """A new reader, and the text so far of every seat that is speaking now, one delta each."""
        queue: asyncio.Queue[StoredEvent | LiveEvent | None] = asyncio.Queue()
        self._readers.add(queue)
        reader = Reader(queue, lambda: self._readers.discard(queue))
        so_far: Batch = [
            self._delta(stage, agent_id, "".join(pieces), 0, at)
            for (stage, agent_id), pieces in self._texts.items()
        ]
        return reader, so_far

    def close(self) -> None:
        """No more events will come: readers end after what they have."""
        for queue in list(self._readers):
            self._end(queue)

    def _delta(
        self,
        stage: Stage,
        agent_id: str,
        text: str,
        offset: int,
        at: datetime,
        thinking: bool = False,
    ) -> LiveEvent:
        delta: DeltaEvent = DELTA_OF[stage](
            session_id=self.session_id,
            seq=self.seq,
            at=at,
            agent_id=agent_id,
            text=text,
            offset=offset,
            thinking=thinking,
        )
        return delta  # type: ignore[return-value]

    def _pass_on(self, event: StoredEvent | LiveEvent) -> None:
        for queue in list(self._readers):
            if queue.qsize() >= READER_LIMIT:
                self._end(queue)
            else:
                queue.put_nowait(event)

    def _end(self, queue: asyncio.Queue[StoredEvent | LiveEvent | None]) -> None:
        self._readers.discard(queue)
        queue.put_nowait(None)


class Reader:
    """One reader's queue. `batches` gives all that waits at once, until the closing event."""

    def __init__(
        self, queue: asyncio.Queue[StoredEvent | LiveEvent | None], leave: Callable[[], None]
    ) -> None:
        self.leave = leave
        self._queue = queue

    async def batches(self, after: int) -> AsyncIterator[Batch]:
        """Stored events up to `after` were told already and are left out."""
        while True:
            waiting = [await self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            batch = [e for e in waiting if e is not None and _is_new(e, after)]
            if batch:
                yield batch
            if None in waiting or any(isinstance(e, SessionClosed) for e in waiting):
                return


def _is_new(event: StoredEvent | LiveEvent, after: int) -> bool:
    return isinstance(event, DeltaEvent) or event.seq > after
