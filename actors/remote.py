"""An agent that lives in another process, maybe on another PC: what Ray raises becomes a failure.

Picklable: it can be handed to another actor. Calls cross as a Ray stream of batches; leaving a
call cancels it there (dropping a Ray stream would not).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import ray
from ray.exceptions import RayError

from actors.batches import BEAT_S, Batch, Happening
from actors.errors import AgentLost, CallTimeout
from actors.messages.calls import Agent, CallFailed, Delta, GenerateCall, SynthesisBrief

SILENCE_S = 4 * BEAT_S
"""An agent gives a sign of life every `BEAT_S`; after this long without one it is lost."""
MARGIN_S = 5.0
"""The agent itself ends a call in time; this much later we do."""
RESTART_S = 30.0
AGAIN_S = 0.2


class RemoteAgent:
    """Implements `messages.calls.Agent` over the handle of an `OllamaAgent` actor on `node`."""

    def __init__(self, handle: Any, node: str, silence_s: float = SILENCE_S) -> None:
        self._handle = handle
        self._node = node
        self._silence_s = silence_s

    def generate(self, call: GenerateCall) -> AsyncIterator[Happening]:
        """Any number of `Delta`, then one `Generated` or `CallFailed`. Closing it cancels the
        call."""
        line = _Line(f"The agent on {self._node}", self._node, self._silence_s)
        return line.listen(lambda: self._handle.batches.remote(call), call.timeout_s)


class RemoteChairman:
    """Implements `hearing.Chairman` over the handle of the `ChairmanActor`."""

    def __init__(self, handle: Any, silence_s: float = SILENCE_S) -> None:
        self._handle = handle
        self._silence_s = silence_s
        self._was_lost = False

    async def synthesise(self, brief: SynthesisBrief, agent: Agent) -> AsyncIterator[Happening]:
        """The text as it comes, then one `Generated` or `CallFailed`. A chairman that was lost is
        waited for first: Ray restarts it."""
        if self._was_lost:
            await self._is_back(min(RESTART_S, brief.timeout_s))
        line = _Line("The chairman", "", self._silence_s)
        events = line.listen(lambda: self._handle.batches.remote(brief, agent), brief.timeout_s)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, CallFailed) and event.code == AgentLost.code:
                    self._was_lost = True
                yield event

    async def _is_back(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._was_lost:
                    try:
                        await self._handle.__ray_ready__.remote()
                        self._was_lost = False
                    except RayError:
                        await asyncio.sleep(AGAIN_S)


class _Line:
    """Listens to one stream of batches from `who` on `node`."""

    def __init__(self, who: str, node: str, silence_s: float) -> None:
        self._who = who
        self._node = node
        self._silence_s = silence_s

    async def listen(
        self, start: Callable[[], Any], timeout_s: float
    ) -> AsyncGenerator[Happening, None]:
        clock = asyncio.get_running_loop().time
        ends_at = clock() + timeout_s + MARGIN_S
        try:
            stream = start()
        except RayError as error:
            yield self._gone(error)
            return
        over = False
        try:
            while not over:
                until = min(ends_at, clock() + self._silence_s)
                for event in await self._next(stream, until, until == ends_at):
                    over = not isinstance(event, Delta)
                    yield event
                    if over:
                        break
        finally:
            if not over:
                ray.cancel(stream)

    async def _next(self, stream: Any, until: float, is_end: bool) -> Batch:
        try:
            async with asyncio.timeout_at(until):
                batch: Batch = await (await anext(stream))
                return batch
        except RayError as error:
            return (self._gone(error),)
        except StopAsyncIteration:
            return (self._failed(AgentLost(f"{self._who} ended without a result.")),)
        except TimeoutError:
            ray.cancel(stream)
            if is_end:
                return (self._failed(CallTimeout(f"{self._who} gave no answer in time.")),)
            return (self._failed(AgentLost(f"{self._who} gives no sign of life.")),)

    def _gone(self, error: RayError) -> CallFailed:
        return self._failed(AgentLost(f"{self._who} is gone ({type(error).__name__})."))

    def _failed(self, error: AgentLost | CallTimeout) -> CallFailed:
        return CallFailed(
            code=error.code, detail=error.detail, retryable=error.retryable, node=self._node
        )
