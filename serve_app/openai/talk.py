"""A chat with a model, or with a council, as the chunks that OpenAI's clients read. No HTTP."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from actors.errors import CouncilError, council_failed
from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat
from actors.messages.requests import Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from serve_app.clients.draft import Draft
from serve_app.clients.progress import Progress
from serve_app.openai.shapes import (
    Completion,
    Shape,
    council_usage,
    of_council,
    tool_calls,
    usage,
)
from serve_app.streams import batches

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

    async def council(
        self, session_id: str, council: Council, heartbeat_s: float, kept: bool = False
    ) -> Flow:
        """What happens goes out as reasoning, with the synthesis while a guard may still replace
        it; then the answer in one piece. Without a guard it comes as the chairman writes it.
        Closing it early cancels the session, unless it is `kept` for who comes back."""
        chunk, progress, draft = self.completion.chunk, Progress(), Draft()
        ended = False
        yield chunk({"role": "assistant", "content": ""})
        try:
            async with aclosing(batches(council.events(session_id), heartbeat_s)) as lists:
                async for batch in lists:
                    told = "".join(f"{line}\n" for one in batch if (line := progress.line(one)))
                    if told:
                        yield chunk({"reasoning_content": told})
                    if piece := "".join(map(draft.piece, batch)):
                        part = "reasoning_content" if draft.may_be_replaced else "content"
                        yield chunk({part: piece})
                    if not batch:
                        yield None
            session = await council.wait(session_id)
            ended = True
        finally:
            if not ended and not kept:
                with suppress(CouncilError):
                    await council.cancel(session_id)
        answer = answer_of(session)
        said = "" if draft.may_be_replaced else draft.said
        rest = answer[len(said) :] if answer.startswith(said) else f"\n\n{answer}"
        yield chunk({"content": rest})
        cut = session.final_answer is not None and session.final_answer.truncated
        yield chunk({}, "length" if cut else "stop") | of_council(session)
        if self.with_usage:
            yield self.completion.usage_chunk(council_usage(session))


def answer_of(session: CouncilSession) -> str:
    """Raises the `CouncilFailed` that says why there is none."""
    if session.final_answer is None:
        why = session.error or "The session ended without an answer."
        raise council_failed(session.error_code or "", why, session.session_id)
    return session.final_answer.content


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
