"""Events on their way to a client: gathered without delay, framed for SSE. Knows nothing of routes.

What is ready together leaves together, so that a replay of fifty events is one write and a lone
delta waits for nobody. A slow reader fills a short queue; where it leaves it full for `SLOW_S` it
is let go, and comes back with the last id it has. Its source waits no longer than that, because
behind it (a Ray stream) nothing else bounds what piles up.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from actors.errors import CouncilError
from actors.messages.events import DeltaEvent, LiveEvent, SessionClosed, StoredEvent

AnyEvent = StoredEvent | LiveEvent
READY_AT_ONCE = 128
SLOW_S = 10.0
RETRY_MS = 1_000


class ReaderTooSlow(CouncilError):
    code = "reader_too_slow"
    title = "The reader was too slow; it may come back where it stood"


async def batches(
    events: AsyncIterator[AnyEvent], heartbeat_s: float
) -> AsyncGenerator[list[AnyEvent], None]:
    """Events in lists, as they come; an empty list after `heartbeat_s` of silence. Ends after the
    closing event. Raises what `events` raises, after what came before it, and `ReaderTooSlow`."""
    queue: asyncio.Queue[AnyEvent | _End] = asyncio.Queue(READY_AT_ONCE)
    pump = asyncio.create_task(_pump(events, queue))
    try:
        end: _End | None = None
        while end is None:
            batch: list[AnyEvent] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(heartbeat_s):
                    end = _take(await queue.get(), batch)
            while end is None and not queue.empty():
                end = _take(queue.get_nowait(), batch)
            if batch or end is None:
                yield batch
        if end.error is not None:
            raise end.error
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump


@dataclass(frozen=True)
class _End:
    error: Exception | None = None


def _take(event: AnyEvent | _End, batch: list[AnyEvent]) -> _End | None:
    """Puts the event into the batch; the end, if this was the last."""
    if isinstance(event, _End):
        return event
    batch.append(event)
    return _End() if isinstance(event, SessionClosed) else None


async def _pump(events: AsyncIterator[AnyEvent], queue: asyncio.Queue[AnyEvent | _End]) -> None:
    """Never raises but for its own cancellation: an error is handed on in the queue."""
    end = _End()
    try:
        async for event in events:
            if queue.full():
                await _put(event, queue)
            else:
                queue.put_nowait(event)
    except Exception as error:
        end = _End(error)
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
    await queue.put(end)


async def _put(event: AnyEvent, queue: asyncio.Queue[AnyEvent | _End]) -> None:
    try:
        async with asyncio.timeout(SLOW_S):
            await queue.put(event)
    except TimeoutError:
        raise ReaderTooSlow(f"Nothing was read for {SLOW_S:g} s.") from None


def frame(event: AnyEvent) -> str:
    """One server-sent event. Deltas carry no id: what is not stored cannot be resumed from."""
    id_line = "" if isinstance(event, DeltaEvent) else f"id: {event.seq}\n"
    return f"{id_line}event: {event.kind}\ndata: {_one_line(event.model_dump_json())}\n\n"


def _one_line(text: str) -> str:
    """JSON escapes `\\r` and `\\n`; what else Python's `splitlines` (and so httpx) cuts at is done
    here."""
    if not text.isascii():
        for mark, escape in (("\x85", "\\u0085"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
            text = text.replace(mark, escape)
    return text


async def frames(lists: AsyncGenerator[list[AnyEvent], None]) -> AsyncGenerator[str, None]:
    """The text of an event stream: a hint when to reconnect, frames, a comment in silence. When
    the council is lost on the way it ends early: the client comes back with `Last-Event-ID`."""
    yield f"retry: {RETRY_MS}\n\n"
    async with aclosing(lists):
        try:
            async for batch in lists:
                yield "".join(map(frame, batch)) if batch else ": still here\n\n"
        except CouncilError as error:
            yield f": {error.code}\n\n"


class EventStream(StreamingResponse):
    """An SSE response that closes its source as soon as the client is gone. `when_left` is awaited
    if it was the client who ended it."""

    media_type = "text/event-stream"

    def __init__(
        self,
        content: AsyncGenerator[str, None],
        when_left: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        headers: Mapping[str, str] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, headers=headers)
        self._content = content
        self._when_left = when_left
        self._told_all = False
        self._left = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not self._told_all:
                self._left = True
            return message

        await super().__call__(scope, noting, send)
        if self._left and self._when_left is not None:
            await self._when_left()

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._content):
            await super().stream_response(send)
        self._told_all = True
