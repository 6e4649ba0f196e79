"""A session followed to its end, wherever the council is: comes back where it was lost. Knows
nothing of MCP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from actors.errors import CouncilUnavailable, Unavailable
from actors.messages.events import DeltaEvent, SessionClosed
from serve_app.mcp.caller import AskedCouncil
from serve_app.streams import AnyEvent, ReaderTooSlow, batches

PATIENCE_S = 90.0
"""How long a lost council is waited for: its head may be starting again."""
PAUSE_S = 1.0


async def followed(
    council: AskedCouncil, session_id: str, heartbeat_s: float
) -> AsyncGenerator[AnyEvent | None, None]:
    """Events up to the closing one, and None after each `heartbeat_s` of silence. Raises what the
    council raises; `Unavailable` only once it stays away."""
    known, lost_at = 0, None
    clock = asyncio.get_running_loop().time
    while True:
        lost: Unavailable | ReaderTooSlow = CouncilUnavailable("The session's events end early.")
        try:
            async with aclosing(batches(council.events(session_id, known), heartbeat_s)) as lists:
                async for batch in lists:
                    lost_at = None
                    for event in batch or (None,):
                        if event is not None and not isinstance(event, DeltaEvent):
                            known = event.seq
                        yield event
                        if isinstance(event, SessionClosed):
                            return
        except (Unavailable, ReaderTooSlow) as error:
            lost = error
        if await _has_ended(council, session_id):
            return
        lost_at = lost_at or clock()
        if clock() - lost_at > PATIENCE_S:
            raise lost
        yield None
        await asyncio.sleep(PAUSE_S)


async def _has_ended(council: AskedCouncil, session_id: str) -> bool:
    try:
        return (await council.session(session_id)).stage in ("complete", "error")
    except Unavailable:
        return False
