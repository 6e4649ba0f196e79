"""A response of a model, or of a council, as the events that clients of the Responses API read. No
HTTP."""

from collections.abc import Iterator
from contextlib import aclosing

from actors.errors import CouncilError
from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat
from actors.messages.requests import Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from serve_app.clients.sitting import Sitting
from serve_app.clients.telling import Telling
from serve_app.openai.responses.items import ANSWER, THOUGHT, Output
from serve_app.openai.responses.shapes import (
    Outline,
    council_response,
    failed_response,
    local_response,
    reach_of,
    status_of,
)
from serve_app.openai.shapes import Shape, tool_calls
from serve_app.openai.talk import Flow

OPENING = 2
"""So many events only say that somebody will speak."""


class Talk:
    """Of one response, told once."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._output = Output(outline.name)

    async def local(self, chat: LocalChat, council: Council, origin: Origin) -> Flow:
        """Closing it ends the call."""
        for event in self._opening():
            yield event
        async with aclosing(council.chat(chat, origin)) as heard:  # type: ignore[type-var]
            async for one in heard:
                if one is None:
                    yield None
                    continue
                for event in self._said(one) if isinstance(one, Delta) else self._answered(one):
                    yield event

    async def council(self, sits: Sitting, telling: Telling) -> Flow:
        """What happens goes out as reasoning, the answer as `telling` has it. Closing it closes
        `sits`."""
        for event in self._opening():
            yield event
        async with aclosing(sits):
            async for one in sits:
                if one is None:
                    yield None
                    continue
                if isinstance(one, CouncilSession):
                    events = self._closed(one, telling)
                else:
                    events = self._output.say(ANSWER if one.is_answer else THOUGHT, one.text)
                for event in events:
                    yield event

    def failed(self, error: CouncilError) -> Shape:
        """The last event, where it goes wrong on the way."""
        response = failed_response(self._outline, self._output.items, error)
        return self._output.event("response.failed", response=response)

    def _opening(self) -> Iterator[Shape]:
        for step in ("created", "in_progress"):
            response = self._outline.told("in_progress")
            yield self._output.event(f"response.{step}", response=response)

    def _said(self, delta: Delta) -> Iterator[Shape]:
        return self._output.say(THOUGHT if delta.thinking else ANSWER, delta.text)

    def _answered(self, answer: Generated) -> Iterator[Shape]:
        yield from self._output.end(reach_of(answer.truncated))
        for call in tool_calls(answer):
            yield from self._output.call(call)
        yield self._last(local_response(self._outline, answer, self._output.items))

    def _closed(self, session: CouncilSession, telling: Telling) -> Iterator[Shape]:
        yield from self._output.end(status_of(session))
        more = {"replaced": telling.replaced}
        yield self._last(council_response(self._outline, session, self._output.items, more))

    def _last(self, response: Shape) -> Shape:
        return self._output.event(f"response.{response['status']}", response=response)
