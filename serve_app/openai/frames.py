"""Chunks on their way to a client, as OpenAI's server-sent events."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response

from actors.errors import CouncilError
from serve_app import problems
from serve_app.openai.faults import openai_error
from serve_app.openai.shapes import Shape
from serve_app.openai.talk import Flow
from serve_app.streams import EventStream


async def streamed(flow: Flow, headers: dict[str, str]) -> Response:
    """What is refused before the first word keeps its status."""
    known = [await anext(flow)]  # only says that somebody will speak
    try:
        known.append(await anext(flow))
    except BaseException:
        await flow.aclose()
        raise
    stream = EventStream(_frames(known, flow))
    stream.headers.update(headers)
    return stream


async def _frames(known: list[Shape | None], flow: Flow) -> AsyncGenerator[str, None]:
    async with aclosing(flow):
        for chunk in known:
            yield _frame(chunk)
        try:
            async for chunk in flow:
                yield _frame(chunk)
        except CouncilError as error:
            problem = problems.from_error(error, "")
            _, body = openai_error(problem.status, problem.code, problem.detail)
            yield _frame(body)
            return
    yield "data: [DONE]\n\n"


def _frame(chunk: Shape | None) -> str:
    return ": still here\n\n" if chunk is None else f"data: {json.dumps(chunk)}\n\n"
