"""A chat with a model, or with a council, as the chunks that OpenAI's clients read. No HTTP."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat
from actors.messages.requests import Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from serve_app.clients.sitting import Sitting
from serve_app.clients.telling import Telling, Told
from serve_app.openai.shapes import (
    Completion,
    Shape,
    council_usage,
    of_council,
    tool_calls,
    usage,
)

Flow = AsyncGenerator[Shape | None, None]
"""Chunks; None is a sign of life."""


@dataclass(frozen=True)
class Talk:
    """How a client wants to be told. `with_usage`: a last chunk says what it cost."""

    completion: Completion
    with_usage: bool

    async def local(self, chat: LocalChat, council: Council, origin: Origin) -> Flow:
        """Closing it ends the call."""
        chunk = self.completion.chunk
        yield chunk({"role": "assistant", "content": ""})
        async with aclosing(council.chat(chat, origin)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Delta):
                    part = "reasoning_content" if event.thinking else "content"
                    yield chunk({part: event.text})
                elif isinstance(event, Generated):
                    called = tool_calls(event)
                    if called:
                        yield chunk({"tool_calls": called})
                    yield chunk({}, reason_of(event))
                    if self.with_usage:
                        yield self.completion.usage_chunk(usage(event))
                else:
                    yield None

    async def council(self, sits: Sitting, telling: Telling) -> Flow:
        """What happens goes out as reasoning, the answer as `telling` has it. Closing it closes
        `sits`."""
        chunk = self.completion.chunk
        yield chunk({"role": "assistant", "content": ""})
        async with aclosing(sits):
            async for one in sits:
                if isinstance(one, Told):
                    yield chunk({"content" if one.is_answer else "reasoning_content": one.text})
                elif isinstance(one, CouncilSession):
                    reason = "length" if one.final_answer and one.final_answer.truncated else "stop"
                    yield chunk({}, reason) | of_council(one, {"replaced": telling.replaced})
                    if self.with_usage:
                        yield self.completion.usage_chunk(council_usage(one))
                else:
                    yield None


async def whole(events: AsyncIterator[Delta | Generated | None]) -> Generated:
    """The end of a chat that nobody watches."""
    async with aclosing(events):  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Generated):
                return event
    raise AssertionError("a chat ends with its answer, or raises")


def reason_of(answer: Generated) -> str:
    if answer.tool_calls:
        return "tool_calls"
    return "length" if answer.truncated else "stop"
