"""A question, from the call of the tool to the session's end: told while it sits, cancelled with
the call."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress

from anyio import CancelScope, get_cancelled_exc_class, move_on_after

from actors.errors import CouncilError, CouncilUnavailable, Unavailable
from actors.messages.events import AgentStarted
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import CouncilSession
from serve_app.clients.following import followed
from serve_app.clients.progress import Progress
from serve_app.mcp.caller import Caller

CANCEL_S = 10.0
"""How long a call that is cancelled may still take to say so to the council."""

Report = Callable[[float, str], Awaitable[None]]
"""Takes a number that grows, and a line."""


async def ask(
    request: CouncilRequest, caller: Caller, report: Report, wait_s: float | None
) -> CouncilSession:
    """The session once it has ended, however it ended, or as it stands after `wait_s`; whoever
    cancels this cancels it. Raises what `Council.open` raises, and as `heard_out` does."""
    with CancelScope(shield=True):  # what was opened has to be known, or nobody could cancel it
        opened = await caller.council.open(request, None, caller.origin)
    session_id = opened.session_id
    try:
        return await heard_out(session_id, caller, report, wait_s)
    except get_cancelled_exc_class():
        with move_on_after(CANCEL_S, shield=True), suppress(CouncilError):
            await caller.council.cancel(session_id)
        raise


async def heard_out(
    session_id: str, caller: Caller, report: Report, wait_s: float | None
) -> CouncilSession:
    """The session once it has ended, or as it stands after `wait_s`. Raises `SessionNotFound`, and
    `CouncilUnavailable` where the council stays away."""
    try:
        with move_on_after(wait_s):
            await _tell(session_id, caller, report)
        return await caller.council.session(session_id)
    except Unavailable as error:
        kept = f"The session {session_id} is kept; get_session shows it once the council is back."
        raise CouncilUnavailable(f"{error.detail} {kept}") from error


async def _tell(session_id: str, caller: Caller, report: Report) -> None:
    """A line for each thing that happened, and one after `heartbeat_s` without any: clients that
    hear nothing for a minute give up, however many tokens flow."""
    clock = asyncio.get_running_loop().time
    began = last = clock()
    lines, progress, waiting = 0, Progress(), True
    async with aclosing(followed(caller.council, session_id, caller.heartbeat_s)) as lists:
        async for batch in lists:
            for event in batch or (None,):
                waiting = waiting and not isinstance(event, AgentStarted)
                line = progress.line(event) if event else None
                if line is None and clock() - last >= caller.heartbeat_s:
                    line = await _sign_of_life(session_id, caller, clock() - began, waiting)
                if line is not None:
                    lines += 1
                    last = clock()
                    await report(lines, line)


async def _sign_of_life(session_id: str, caller: Caller, seconds: float, waiting: bool) -> str:
    if waiting:
        with suppress(CouncilError):
            if queue := (await caller.council.session(session_id)).queue:
                return f"Place {queue.place} in the queue, for about {queue.eta_s:.0f} s more."
    return f"The council is at work, for {seconds:.0f} s now."
