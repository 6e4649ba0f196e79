"""One HTTP request and its answer: bodies in, NDJSON out, and a client that leaves half-way."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from cluster.embedded.faults import BadAsk, EngineError
from cluster.embedded.protocol import Line

_MOST_BYTES = 64 * 1024 * 1024
_Model = TypeVar("_Model", bound=BaseModel)
_Result = TypeVar("_Result")


class ClientGone(Exception):
    """Nobody is left to answer."""


class Lines(StreamingResponse):
    """An answer as NDJSON. However it ends, the flow is closed: the slot is free again."""

    def __init__(
        self,
        first: Line,
        flow: AsyncGenerator[Line, None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(_ndjson(first, flow), headers=headers, media_type="application/x-ndjson")
        self._flow = flow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._flow.aclose()


async def _ndjson(first: Line, flow: AsyncGenerator[Line, None]) -> AsyncIterator[bytes]:
    try:
        yield _encoded(first)
        async for line in flow:
            yield _encoded(line)
    except EngineError as error:
        yield _encoded({"error": error.text})


def _encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


async def every(flow: AsyncGenerator[Line, None]) -> list[Line]:
    return [line async for line in flow]


async def first_of(flow: AsyncGenerator[Line, None]) -> Line:
    return await anext(flow)


async def while_connected(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """The work's result; cancels it and raises ClientGone when the client leaves first."""
    tasks = asyncio.create_task(work), asyncio.create_task(_departure(request))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ClientGone
        return tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read(request: Request, kind: type[_Model]) -> _Model:
    """The body as `kind`. Error texts name fields, never what was in them."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise EngineError(413, f"the request is larger than {_MOST_BYTES} bytes")
    if not body:
        raise BadAsk("missing request body")
    try:
        asked = json.loads(body)
        if b"\\u" in body:
            json.dumps(asked, ensure_ascii=False).encode()  # half a surrogate pair is no text
        return kind.model_validate(asked)
    except ValidationError as error:
        raise bad_field(error) from None
    except (ValueError, RecursionError):
        raise BadAsk("the request is not valid JSON") from None


def bad_field(error: ValidationError) -> BadAsk:
    """The first field that is wrong, and why."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return BadAsk(f"{where}: {first['msg']}" if where else first["msg"])
