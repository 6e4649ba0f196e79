"""A session's events for one reader: what is stored, the text so far of who speaks, then live.

What is stored may be read before the last pieces of its text are told; those are left out. Knows
neither how events are made nor who reads.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable

from actors.clock import now
from actors.messages.events import AnswerEvent, DeltaEvent, LiveEvent, Stage, StoredEvent
from actors.sessions.audience import Audience, Batch
from actors.sessions.record import stage_of

Answered = dict[tuple[Stage, str], int]
"""(stage, seat) → `seq` of the last answer that the reader has been given whole."""


async def listen(
    audience: Audience | None, stored: Callable[[], Awaitable[list[StoredEvent]]], after: int
) -> AsyncGenerator[Batch, None]:
    """Batches of events until the closing one. `stored` reads those after `after` from the disk;
    without an `audience` nothing more will come. Raises what `stored` raises."""
    reader, so_far = audience.join(now()) if audience else (None, [])
    try:
        events = await stored()
        if events:
            yield list[StoredEvent | LiveEvent](events)
            after = events[-1].seq
        answered = _answered(events)
        if speaking := _still_speaking(so_far, answered):
            yield speaking
        if reader is not None and not _is_over(events):
            async for batch in reader.batches(after):
                if fresh := _still_speaking(batch, answered):
                    yield fresh
    finally:
        if reader is not None:
            reader.leave()


def _answered(stored: list[StoredEvent]) -> Answered:
    return {(stage_of(e), e.agent_id): e.seq for e in stored if isinstance(e, AnswerEvent)}


def _still_speaking(batch: Batch, answered: Answered) -> Batch:
    """Without pieces of answers that the reader has been given whole: they carry an older `seq`."""
    return [
        event
        for event in batch
        if not isinstance(event, DeltaEvent)
        or event.seq >= answered.get((stage_of(event), event.agent_id), 0)
    ]


def _is_over(stored: list[StoredEvent]) -> bool:
    return bool(stored) and stored[-1].kind == "session_closed"
