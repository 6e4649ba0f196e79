"""Chunks on their way to a client, as OpenAI's server-sent events."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from starlette.responses import Response

from actors.errors import CouncilError
from serve_app import problems
from serve_app.openai.faults import openai_error
from serve_app.openai.shapes import Shape
from serve_app.openai.talk import Flow
from serve_app.streams import EventStream


@dataclass(frozen=True)
class Manner:
    """How a stream of one kind goes: so many chunks only say that somebody will speak; what it says
    where it goes wrong on the way; what it ends with."""

    opening: int
    failed: Callable[[CouncilError], Shape]
    end: str = ""


def _failed_chat(error: CouncilError) -> Shape:
    problem = problems.from_error(error, "")
    return openai_error(problem.status, problem.code, problem.detail)[1]


CHAT = Manner(opening=1, failed=_failed_chat, end="data: [DONE]\n\n")


async def streamed(flow: Flow, headers: dict[str, str], manner: Manner = CHAT) -> Response:
    """What is refused before the first word keeps its status."""
    known: list[Shape | None] = []
    try:
        while len(known) <= manner.opening:
            known.append(await anext(flow))
    except BaseException:
        await flow.aclose()
        raise
    stream = EventStream(_frames(known, flow, manner))
    stream.headers.update(headers)
    return stream


async def _frames(
    known: list[Shape | None], flow: Flow, manner: Manner
) -> AsyncGenerator[str, None]:
    async with aclosing(flow):
        for chunk in known:
            yield _frame(chunk)
        try:
            async for chunk in flow:
                yield _frame(chunk)
        except CouncilError as error:
            yield _frame(manner.failed(error))
            return
    yield manner.end


def _frame(chunk: Shape | None) -> str:
    """One that says what it is, is an event of that name."""
    if chunk is None:
        return ": still here\n\n"
    name = f"event: {chunk['type']}\n" if "type" in chunk else ""
    return f"{name}data: {json.dumps(chunk)}\n\n"
