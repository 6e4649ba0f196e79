"""A body from a stranger, read whole and strictly before a route sees it. Knows nothing of routes.

The middleware belongs innermost, behind whatever refuses strangers: it bounds a body in bytes, in
time and in slowness, and lets only acceptable JSON (`strict_json`) on.
"""

import asyncio
import re
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.errors import (
    BodyTooLarge,
    CouncilError,
    MalformedBody,
    QueueFull,
    UnsupportedMediaType,
)
from serve_app import problems, strict_json

MAX_BODY = 1024 * 1024
BODY_DEADLINE_S = 30.0
SLACK_S = 8.0
MIN_RATE = 1024
"""A body may pause for `SLACK_S`, and otherwise has to come at so many bytes a second."""
UNTYPED = "/ollama/"
"""Where clients send JSON under any type, as Ollama's own documents do with curl. A page elsewhere
can send a form so without asking, but not without saying whence: it is refused all the same."""
BODILESS = "/cancel"
"""The end of paths to which OpenAI's clients post nothing, as JSON."""
ALL_TAKEN = "As many large requests as fit ({count}) are being answered; ask again soon."
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_NOT_FOREIGN = ("none", "same-origin")
_CHARSET = re.compile(r'charset="?utf-?8"?', re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Large:
    """Where a body may be larger than elsewhere: `ends` of paths, `max_body` in bytes. A process
    has several copies of a body while it is answered, so only `at_once` are; who comes then waits
    for `patience_s` and is sent away."""

    ends: tuple[str, ...] = ()
    max_body: int = 16_000_000
    at_once: int = 4
    patience_s: float = 10.0


class StrictBodies:
    """Reads the body of a POST, PUT or PATCH before the route does, and replays it if it is
    acceptable JSON. A body that is refused unread ends the connection."""

    def __init__(
        self,
        app: ASGIApp,
        max_body: int,
        deadline_s: float = BODY_DEADLINE_S,
        slack_s: float = SLACK_S,
        large: Large = Large(),
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._deadline_s = deadline_s
        self._slack_s = slack_s
        self._large = large
        self._places = asyncio.Semaphore(large.at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            return await self._app(scope, receive, send)
        async with AsyncExitStack() as place:
            try:
                headers = Headers(scope=scope)
                _check_type(headers, scope["path"].startswith(UNTYPED))
                bound = await self._bound(headers, scope["path"], place)
                body = await self._read(receive, bound, scope["path"].endswith(BODILESS))
            except (CouncilError, TimeoutError) as error:
                return await _refuse(error, scope, receive, send)
            if body is not None:  # else the client has gone; there is nobody to answer
                await self._app(scope, _replaying(body, receive), send)

    async def _bound(self, headers: Headers, path: str, place: AsyncExitStack) -> int:
        """How many bytes the body may have. One that says that it is large has to find a place,
        which is its own until `place` is left."""
        told = headers.get("content-length", "0")
        if not (told.isascii() and told.isdigit()):
            raise MalformedBody("The Content-Length is not a number.")
        length = int(told) if len(told) <= 18 else sys.maxsize
        if length <= self._max_body:
            return self._max_body
        if not path.endswith(self._large.ends):
            raise _too_large(self._max_body)
        if length > self._large.max_body:
            raise _too_large(self._large.max_body)
        try:
            async with asyncio.timeout(self._large.patience_s):
                await place.enter_async_context(self._places)
        except TimeoutError:
            raise QueueFull(ALL_TAKEN.format(count=self._large.at_once)) from None
        return length

    async def _read(self, receive: Receive, bound: int, may_be_empty: bool) -> bytes | None:
        body = await self._collect(receive, bound)
        if body or (body is not None and not may_be_empty):
            strict_json.parse(body)
        return body

    async def _collect(self, receive: Receive, bound: int) -> bytes | None:
        body = bytearray()
        began = asyncio.get_running_loop().time()
        while True:
            patience_s = min(self._deadline_s, self._slack_s + len(body) / MIN_RATE)
            async with asyncio.timeout_at(began + patience_s):
                message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > bound:
                raise _too_large(bound)
            if not message.get("more_body", False):
                return bytes(body)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Tells the body as one message, and then what the client says next."""
    kept = [body]

    async def replay() -> Message:
        if not kept:
            return await receive()
        return {"type": "http.request", "body": kept.pop(), "more_body": False}

    return replay


def _too_large(bound: int) -> BodyTooLarge:
    return BodyTooLarge(f"A body may have at most {bound} bytes.")


def _check_type(headers: Headers, any_type: bool) -> None:
    given = headers.getlist("content-type")
    kind, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    if kind.strip().lower() != "application/json":
        if not any_type or headers.get("sec-fetch-site", "none") not in _NOT_FOREIGN:
            raise UnsupportedMediaType("Send the body as Content-Type: application/json.")
    elif parameters.strip() and not _CHARSET.fullmatch(parameters.strip()):
        raise UnsupportedMediaType("Send the body in UTF-8.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed.")


async def _refuse(
    error: CouncilError | TimeoutError, scope: Scope, receive: Receive, send: Send
) -> None:
    name = problems.request_id(scope)
    if isinstance(error, CouncilError):
        problem = problems.from_error(error, name)
    else:
        problem = problems.from_status(408, name, "The body did not arrive in time.")
    unread = problem.status != MalformedBody.status
    headers = {"Connection": "close"} if unread else {}
    await problems.response(problem, headers)(scope, receive, send)
