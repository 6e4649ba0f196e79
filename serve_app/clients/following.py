"""A session followed to its end, wherever the council is: comes back where it was lost. Knows
no protocol."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

from actors.errors import CouncilUnavailable, Unavailable
from actors.messages.events import DeltaEvent, SessionClosed
from actors.messages.sessions import CouncilSession
from serve_app.streams import AnyEvent, ReaderTooSlow, batches

PATIENCE_S = 90.0
"""How long a lost council is waited for: its head may be starting again."""
PAUSE_S = 1.0


class ReadCouncil(Protocol):
    """What following asks of a council: a part of `cluster.council.Council`, which says what each
    gives and raises."""

    async def session(self, session_id: str) -> CouncilSession: ...

    def events(self, session_id: str, after: int = 0) -> AsyncIterator[AnyEvent]: ...


async def followed(
    council: ReadCouncil, session_id: str, heartbeat_s: float
) -> AsyncGenerator[list[AnyEvent], None]:
    """Events up to the closing one, as `batches` has them: an empty list after each `heartbeat_s`
    of silence. Raises what the council raises; `Unavailable` only once it stays away."""
    known, lost_at = 0, None
    clock = asyncio.get_running_loop().time
    while True:
        lost: Unavailable | ReaderTooSlow = CouncilUnavailable("The session's events end early.")
        try:
            async with aclosing(batches(council.events(session_id, known), heartbeat_s)) as lists:
                async for batch in lists:
                    lost_at = None
                    known = max(
                        (e.seq for e in batch if not isinstance(e, DeltaEvent)), default=known
                    )
                    yield batch
                    if batch and isinstance(batch[-1], SessionClosed):
                        return
        except (Unavailable, ReaderTooSlow) as error:
            lost = error
        if await _has_ended(council, session_id):
            return
        lost_at = lost_at or clock()
        if clock() - lost_at > PATIENCE_S:
            raise lost
        yield []
        await asyncio.sleep(PAUSE_S)


async def _has_ended(council: ReadCouncil, session_id: str) -> bool:
    try:
        return (await council.session(session_id)).stage in ("complete", "error")
    except Unavailable:
        return False
