"""OllamaAgent: one model kept resident on one PC's Ollama. A thin shell over `OllamaClient`.

Being created means to hold the model's place; `load` brings it into memory, `unload` out of it. At
most `num_parallel` generations run, the rest wait here in order (Ollama's own queue has no bound).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import httpx
import ray
from pydantic import Field

from actors.batches import Batch, Batches, Happening
from actors.council.accounting import one_call
from actors.errors import AgentLost, CallTimeout, ModelCallError, ServerBusy
from actors.messages.calls import CallFailed, ChatMessage, GenerateCall, Generated
from actors.messages.message import Message
from actors.messages.requests import ModelName
from actors.mistakes import told
from actors.ollama.client import OllamaClient
from actors.ollama.deadlines import Deadlines
from actors.ollama.wire import new_http_client
from actors.pc.call_meter import CallMeter, CallMeters
from actors.telemetry.about import About, nobody, speaking_of

log = logging.getLogger(__name__)

WAITING_LIMIT = 64
"""Calls that may wait here. The pool sends none that must wait, so this is only a last resort."""

PARTIAL_KEPT = 16_000
"""Characters that are told of an answer which broke off."""

SAID_KEPT = 16_000
"""Characters of an answer that its follow-up is asked with: far more than any output limit lets
through, and no more than a server should be sent."""


class AgentConfig(Message):
    """`url` of the PC's model server, `model` as that server lists it, `num_ctx` in tokens.

    `keep_alive_s`: how long the model outlives the agent in the server's memory, however the agent
    ends (Ollama's own default); while it lives, the agent asks for it anew."""

    model: ModelName
    url: str
    node: str
    num_ctx: int | None = None
    num_parallel: int = 1
    keep_alive_s: int = Field(default=300, ge=1)
    deadlines: Deadlines = Deadlines()


class OllamaAgent:
    """Implements `messages.calls.Agent`; `batches` is the same for the wire."""

    def __init__(
        self,
        config: AgentConfig,
        http: Callable[[], httpx.AsyncClient] = new_http_client,
        meters: Callable[[str], CallMeters] = CallMeters,
    ) -> None:
        self._config = config
        self._meters = meters(config.url)
        self._client = OllamaClient(
            http(), config.url, config.deadlines, config.num_ctx, config.keep_alive_s
        )
        self._slots = asyncio.Semaphore(config.num_parallel)
        self._waiting = 0
        self._running: dict[str, Batches] = {}
        self._keeping: asyncio.Task[None] | None = None

    async def generate(self, call: GenerateCall) -> AsyncIterator[Happening]:
        """Any number of `Delta`, then one `Generated` or `CallFailed`."""
        asked_at = _now()
        if self._waiting >= WAITING_LIMIT:
            yield self._failed(ServerBusy(f"{self._waiting} calls wait for this model already."))
            return
        try:
            await self._slot(call.timeout_s)
        except ModelCallError as error:
            yield self._failed(error)
            return
        try:
            async with (
                self._meters.call() as meter,
                aclosing(self._answer(call, _now() - asked_at, meter)) as events,
            ):
                async for event in events:
                    yield event
        except ModelCallError as error:
            yield self._failed(error)
        finally:
            self._slots.release()

    async def batches(self, call: GenerateCall) -> AsyncIterator[Batch]:
        """The events of `generate`, several at a time; an empty batch is a sign of life."""
        if former := self._running.get(call.call_id):
            former.cut()  # asked again: whoever asked before is gone, and the slot is wanted
        about = About.call(call)
        with speaking_of(about):
            running = self._running[call.call_id] = Batches(self.generate(call))
        try:
            async with aclosing(aiter(running)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    yield batch
        except Exception as error:
            with speaking_of(about):
                log.error("call %s broke the agent: %s", call.call_id, told(error))
                log.debug("call %s", call.call_id, exc_info=error)
            yield (self._failed(AgentLost(f"The agent failed: {type(error).__name__}.")),)
        finally:
            if self._running.get(call.call_id) is running:
                del self._running[call.call_id]

    async def claim(self, config: AgentConfig) -> bool:
        """A pool takes the agent over: calls of the one before are cut. False if the agent was
        made with another config and must be replaced."""
        for running in tuple(self._running.values()):
            running.cut()
        return config == self._config

    async def load(self) -> CallFailed | None:
        """Brings the model into memory and keeps it there; None when it is there."""
        try:
            await self._client.load(self._config.model)
        except ModelCallError as error:
            return self._failed(error)
        if self._keeping is None:
            loop = asyncio.get_running_loop()
            self._keeping = loop.create_task(self._keep(), context=nobody())
        return None

    async def unload(self) -> CallFailed | None:
        """Sends the model out of memory."""
        self.let_go()
        try:
            await self._client.unload(self._config.model)
        except ModelCallError as error:
            return self._failed(error)
        return None

    def let_go(self) -> None:
        """Asks for the model no more: it leaves memory when its server sees fit."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    async def _keep(self) -> None:
        """Asks for the model again well before the server would send it out of memory."""
        while True:
            await asyncio.sleep(self._config.keep_alive_s / 3)
            try:
                await self._client.load(self._config.model)
            except ModelCallError as error:
                log.info("%s could not be kept: %s", self._config.model, error.detail)

    async def _slot(self, timeout_s: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise CallTimeout(f"No slot came free within {timeout_s:g} s.") from None
        finally:
            self._waiting -= 1

    async def _answer(
        self, call: GenerateCall, queued_s: float, meter: CallMeter
    ) -> AsyncGenerator[Happening, None]:
        left_s = max(0.001, call.timeout_s - queued_s)
        mine = call.model_copy(update={"model": self._config.model, "timeout_s": left_s})
        if mine.embed is not None:
            made = await self._client.embed(mine)
            yield self._signed(made, queued_s, await meter.joules())
            return
        answer: Generated | None = None
        async with aclosing(self._client.chat(mine)) as events:
            async for event in events:
                if not isinstance(event, Generated):
                    yield event
                else:
                    answer = event
        if answer is not None:
            whole = await self._followed_up(mine, answer) if mine.then else answer
            yield self._signed(whole, queued_s, await meter.joules())

    async def _followed_up(self, call: GenerateCall, answer: Generated) -> Generated:
        """The answer with what the conversation's next turn brought, as one call."""
        assert call.then is not None
        turns = (("assistant", answer.content[:SAID_KEPT]), ("user", call.then.ask))
        said = tuple(ChatMessage.model_validate({"role": r, "content": c}) for r, c in turns)
        left_s = max(0.001, call.timeout_s - answer.timing.wall_ms / 1000)
        options = call.options.model_copy(update={"num_predict": call.then.num_predict})
        follower = call.model_copy(
            update={
                "messages": (*call.messages, *said),
                "format": call.then.format,
                "options": options,
                "timeout_s": left_s,
                "then": None,
            }
        )
        async with aclosing(self._client.chat(follower)) as events:
            async for event in events:
                if isinstance(event, Generated):
                    told = {"follow_up": event.content, "truncated": event.truncated}
                    return one_call(answer, event).model_copy(update=told)
        raise AssertionError("a chat ends with an answer, or raises")

    def _signed(self, answer: Generated, queued_s: float, joules: float | None) -> Generated:
        timing = answer.timing.model_copy(update={"queue_ms": round(queued_s * 1000)})
        update = {"timing": timing, "node": self._config.node, "joules": joules}
        return answer.model_copy(update=update)

    def _failed(self, error: ModelCallError) -> CallFailed:
        return CallFailed(
            code=error.code,
            detail=error.detail,
            retryable=error.retryable,
            node=self._config.node,
            partial=error.partial[:PARTIAL_KEPT],
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


RemoteOllamaAgent = ray.remote(OllamaAgent)
