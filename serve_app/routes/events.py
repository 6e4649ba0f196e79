"""What is heard while a council sits: server-sent events and WebSocket, the same events."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from actors.errors import CouncilError, SessionNotFound
from actors.messages.events import SessionClosed
from cluster.council import Council
from serve_app.routes.answers import Config, CouncilAtHand, SessionId, refusals
from serve_app.streams import AnyEvent, EventStream, batches, frames

router = APIRouter(prefix="/api/council", tags=["council"])

MAX_SEQ = 2**53
COMPLETE = 1000
TRY_AGAIN = 1013
UNKNOWN_SESSION = 4404
BAD_POSITION = 4422
ENDED = ("complete", "error")
ONE_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "Its sequence number"},
        "event": {"type": "string", "description": "Its kind, such as `opinion`"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""In OpenAPI 3.1 the schema of an event stream is that of one event."""

Position = Annotated[
    int | None, Query(ge=0, le=MAX_SEQ, description="Go on after this sequence number")
]
LastEventId = Annotated[
    int | None, Header(alias="Last-Event-ID", ge=0, le=MAX_SEQ, description="Outranks `after`")
]
CancelOnDisconnect = Annotated[
    bool,
    Query(
        description="Cancel the session when this client leaves before its end. Not for a client "
        "that reconnects by itself, such as a browser's EventSource"
    ),
]


@router.get(
    "/sessions/{session_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events; `id` of stored ones = sequence number",
            "content": {"text/event-stream": {"schema": ONE_EVENT}},
        },
        204: {"description": "The session has ended and everything was heard: do not reconnect"},
        **refusals(404, 422, 503),
    },
)
async def listen(
    session_id: SessionId,
    council: CouncilAtHand,
    config: Config,
    after: Position = None,
    last_event_id: LastEventId = None,
    cancel_on_disconnect: CancelOnDisconnect = False,
) -> Response:
    """Everything that was heard so far, then what is being heard, until the session closes."""
    known = last_event_id if last_event_id is not None else after or 0
    running = False
    if known:
        session = await council.session(str(session_id))
        running = session.stage not in ENDED
    lists = batches(council.events(str(session_id), known), config.heartbeat_s)
    if not running:  # something is there at once: an event, an error, or the end
        first = await anext(lists, None)
        if first is None:
            return Response(status_code=204)
        lists = _from(first, lists)
    when_left = _cancelling(council, str(session_id)) if cancel_on_disconnect else None
    return EventStream(frames(lists), when_left)


def _cancelling(council: Council, session_id: str) -> Callable[[], Awaitable[None]]:
    async def cancel() -> None:
        with suppress(CouncilError):  # it has ended meanwhile, and nobody is there to be told
            await council.cancel(session_id)

    return cancel


async def _from(
    first: list[AnyEvent], rest: AsyncGenerator[list[AnyEvent], None]
) -> AsyncGenerator[list[AnyEvent], None]:
    async with aclosing(rest):
        yield first
        async for batch in rest:
            yield batch


@router.websocket("/ws/{session_id}")
async def follow(
    socket: WebSocket,
    session_id: str,
    council: CouncilAtHand,
    config: Config,
    cancel_on_disconnect: CancelOnDisconnect = False,
) -> None:
    """The same events, a JSON frame each. Closes 1000 after the closing event, 4404 when there is
    no such session, 4422 when `after` is no number, 1013 when the council was lost or the client
    was too slow: it may come back with `after`."""
    await socket.accept()
    code, reason = COMPLETE, ""
    try:
        known = _position(socket.query_params.get("after", "0"))
        session_id = _canonical(session_id)
        lists = batches(council.events(session_id, known), config.heartbeat_s)
        told = await _while_there(socket, _send(socket, lists))
        if told is None and cancel_on_disconnect:
            await _cancelling(council, session_id)()
        if told is False and (await council.session(session_id)).stage not in ENDED:
            code, reason = TRY_AGAIN, "stream_ended"
    except SessionNotFound as error:
        code, reason = UNKNOWN_SESSION, error.code
    except ValueError:
        code, reason = BAD_POSITION, "invalid_request"
    except CouncilError as error:
        code, reason = TRY_AGAIN, error.code
    except WebSocketDisconnect:
        return
    if socket.client_state is WebSocketState.CONNECTED:
        await socket.close(code, reason)


async def _while_there(socket: WebSocket, sends: Coroutine[Any, Any, bool]) -> bool | None:
    """What `sends` gives; None when the client leaves first."""
    sending = asyncio.create_task(sends)
    leaving = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not sending.done():
            sending.cancel()
        await asyncio.wait({sending, leaving})
    return None if sending.cancelled() else sending.result()


def _canonical(session_id: str) -> str:
    try:
        return str(UUID(session_id))
    except ValueError:
        raise SessionNotFound("There is no session of that name.") from None


def _position(text: str) -> int:
    """Raises ValueError for anything but a sequence number."""
    if not (text.isascii() and text.isdigit() and len(text) < len(str(MAX_SEQ))):
        raise ValueError("after")
    return int(text)


async def _send(socket: WebSocket, lists: AsyncGenerator[list[AnyEvent], None]) -> bool:
    """Whether all was told: the closing event, or nothing because there was nothing more."""
    told: AnyEvent | None = None
    async with aclosing(lists):
        async for batch in lists:
            for told in batch:
                await socket.send_text(told.model_dump_json())
    return isinstance(told, SessionClosed)


async def _until_gone(socket: WebSocket) -> None:
    """What the client sends is not for us; only that it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
