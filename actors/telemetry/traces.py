"""The sessions' traces: made of the record once a session has closed, handed to the collector.

Off without a collector (`cluster/head.py` makes one where `OTEL_*` says so). Never waits for it,
and nothing that goes wrong with it reaches a session.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from actors.council.session import Session
from actors.council.telling.span import Span
from actors.council.telling.spans import spans
from actors.council.telling.trace_ids import trace_id
from actors.messages.events import SessionClosed, SessionStarted, StoredEvent
from actors.mistakes import told
from actors.telemetry.about import About

log = logging.getLogger(__name__)

LEAVE_S = 2.0
"""How long the end waits for what is not with the collector yet."""

Read = Callable[[str], Awaitable[Sequence[StoredEvent]]]


class Collector(Protocol):
    """Where traces go; `actors.telemetry.otlp` sends them."""

    def samples(self, started: SessionStarted) -> bool:
        """Whether the session's trace is kept."""
        ...

    def send(self, started: SessionStarted, spans: Sequence[Span]) -> None:
        """Returns at once."""
        ...

    async def close(self, within_s: float) -> None: ...


class Traces:
    """`read` gives a session's stored events. Without a `collector` there are no traces."""

    def __init__(self, collector: Collector | None, read: Read) -> None:
        self._collector = collector
        self._read = read
        self._sending: set[asyncio.Task[None]] = set()

    def sampled(self, started: SessionStarted) -> bool | None:
        """Whether the session's trace is kept; None where none is made."""
        return None if self._collector is None else self._collector.samples(started)

    def about(self, started: SessionStarted) -> About:
        """Whom the log's lines on a session are about."""
        about = About.request(started.origin, started.session_id)
        if self._collector is None:
            return about
        return About(about.session_id, about.request_id, trace_id(started))

    def witness(self, session: Session, event: StoredEvent) -> None:
        """A session's trace is made when it closes, of all that is stored: a crash before then
        loses none of it."""
        if isinstance(event, SessionClosed) and self.sampled(session.started):
            sending = asyncio.get_running_loop().create_task(self._send(session.session_id))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Bounded: what the collector does not take in time is lost."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=LEAVE_S)
        if self._collector is not None:
            await self._collector.close(LEAVE_S)

    async def _send(self, session_id: str) -> None:
        try:
            events = await self._read(session_id)
            trace = await asyncio.to_thread(spans, events)
            started = events[0]
            if self._collector is not None and isinstance(started, SessionStarted):
                self._collector.send(started, trace)
        except Exception as error:  # the rim: a session has ended well, with a trace or without
            log.warning("no trace is sent: %s", told(error))
