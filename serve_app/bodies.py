"""A body from a stranger, read whole and strictly before a route sees it. Knows nothing of routes.

The middleware belongs innermost, behind whatever refuses strangers: it bounds a body in bytes, in
time and in slowness, and lets only acceptable JSON (`strict_json`) on.
"""

import asyncio
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.errors import BodyTooLarge, CouncilError, MalformedBody, UnsupportedMediaType
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
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_NOT_FOREIGN = ("none", "same-origin")
_CHARSET = re.compile(r'charset="?utf-?8"?', re.ASCII | re.IGNORECASE)


class StrictBodies:
    """Reads the body of a POST, PUT or PATCH before the route does, and replays it if it is
    acceptable JSON. A body that is refused unread ends the connection."""

    def __init__(
        self,
        app: ASGIApp,
        max_body: int,
        deadline_s: float = BODY_DEADLINE_S,
        slack_s: float = SLACK_S,
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._deadline_s = deadline_s
        self._slack_s = slack_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            return await self._app(scope, receive, send)
        try:
            headers = Headers(scope=scope)
            _check_type(headers, scope["path"].startswith(UNTYPED))
            body = await self._read(headers, receive, scope["path"].endswith(BODILESS))
        except (CouncilError, TimeoutError) as error:
            return await _refuse(error, scope, receive, send)
        if body is None:
            return  # the client has gone; there is nobody to answer
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, headers: Headers, receive: Receive, may_be_empty: bool) -> bytes | None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise MalformedBody("The Content-Length is not a number.")
        if len(length) > 18 or int(length) > self._max_body:
            raise self._too_large()
        body = await self._collect(receive)
        if body or (body is not None and not may_be_empty):
            strict_json.parse(body)
        return body

    async def _collect(self, receive: Receive) -> bytes | None:
        body = bytearray()
        began = asyncio.get_running_loop().time()
        while True:
            patience_s = min(self._deadline_s, self._slack_s + len(body) / MIN_RATE)
            async with asyncio.timeout_at(began + patience_s):
                message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"A body may have at most {self._max_body} bytes.")


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
