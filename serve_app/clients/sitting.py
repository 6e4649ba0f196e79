"""A session as it goes on, for a client that is told one text: cancelled when the client leaves.
Knows no protocol."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from actors.errors import CouncilError
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from serve_app.clients.following import followed
from serve_app.clients.telling import Telling, Told

Sitting = AsyncGenerator[Told | CouncilSession | None, None]
"""What is told; None is a sign of life; at last the session, which has an answer."""


async def sitting(
    session_id: str, council: Council, telling: Telling, heartbeat_s: float, kept: bool = False
) -> Sitting:
    """A sign of life after `heartbeat_s` in which nothing was told, however many tokens flowed.
    Closing it early cancels the session, unless it is `kept` for who comes back. Raises the
    `CouncilFailed` of a session that ended without an answer."""
    clock = asyncio.get_running_loop().time
    ended, last = False, clock()
    try:
        async with aclosing(followed(council, session_id, heartbeat_s)) as lists:
            async for batch in lists:
                pieces = telling.pieces(batch)
                if not pieces and batch and clock() - last < heartbeat_s:
                    continue
                for told in pieces or (None,):
                    yield told
                last = clock()
        session = await council.wait(session_id)
        ended = True
    finally:
        if not ended and not kept:
            with suppress(CouncilError):
                await council.cancel(session_id)
    if rest := telling.rest(session):
        yield Told(rest, is_answer=True)
    yield session
