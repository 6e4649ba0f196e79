"""A call's events in batches for the wire: each item that crosses Ray costs about 1 ms of CPU.

The first piece of text goes at once, or a moment later together with the end if the answer is that
short; after that the pieces of 30 ms go together, as one. While there is nothing to say an empty
batch goes every few seconds: a listener can tell a slow model from a PC that is gone.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from actors.messages.calls import CallFailed, Delta, Generated

Happening = Delta | Generated | CallFailed
Batch = tuple[Happening, ...]

HOLD_S = 0.008
"""How long the first piece waits for the end: calls that end at once cross in one item."""
GAP_S = 0.03
BEAT_S = 5.0


class Batches:
    """The events of one call. `cut` ends the call; the batches end with what it then says."""

    def __init__(self, events: AsyncIterator[Happening], beat_s: float = BEAT_S) -> None:
        self._events = events
        self._beat_s = beat_s
        self._waiting: list[Happening] = []
        self._arrived = asyncio.Event()
        self._pump = asyncio.get_running_loop().create_task(self._listen())

    def cut(self) -> None:
        self._pump.cancel()

    async def __aiter__(self) -> AsyncIterator[Batch]:
        """Ends after the events' end, or after `cut`; raises what the events raise. Leaving early
        ends the events."""
        hold_s = HOLD_S
        try:
            while not self._pump.done():
                if not await self._something():
                    yield ()
                    continue
                await asyncio.wait((self._pump,), timeout=hold_s)
                hold_s = GAP_S
                if not self._pump.done():
                    yield self._take()
            if self._waiting:
                yield self._take()
            if not self._pump.cancelled():
                self._pump.result()
        finally:
            self._pump.cancel()
            await asyncio.wait((self._pump,))

    async def _something(self) -> bool:
        """Whether something arrived before the next beat was due."""
        try:
            async with asyncio.timeout(self._beat_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def _listen(self) -> None:
        try:
            async with aclosing(self._events) as events:  # type: ignore[type-var]
                async for event in events:
                    self._waiting.append(event)
                    self._arrived.set()
        finally:
            self._arrived.set()

    def _take(self) -> Batch:
        taken, self._waiting = joined(self._waiting), []
        self._arrived.clear()
        return taken


def joined(events: Sequence[Happening]) -> Batch:
    """The same events with neighbouring pieces of one sort made one."""
    whole: list[Happening] = []
    pieces: list[str] = []
    for number, event in enumerate(events):
        if not isinstance(event, Delta):
            whole.append(event)
            continue
        pieces.append(event.text)
        follower = events[number + 1] if number + 1 < len(events) else None
        if not isinstance(follower, Delta) or follower.thinking != event.thinking:
            text = event if len(pieces) == 1 else event.model_copy(update={"text": "".join(pieces)})
            whole.append(text)
            pieces = []
    return tuple(whole)
