"""The outer ring: every request gets an id, every error leaves as a problem, and every answer
tells a browser to run, frame, guess and keep nothing of it.

`install` is what an app calls; it knows nothing of the app's routes.
"""

import re
import uuid
from collections.abc import Iterable

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.errors import CouncilError
from actors.telemetry.about import About, speaking_of
from serve_app import problems
from serve_app.bodies import MAX_BODY, Large, StrictBodies

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""On every answer that does not say otherwise itself."""
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_SESSION = re.compile(r"(?<=/)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/|\Z)")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}", re.ASCII)


def install(app: FastAPI, max_body: int = MAX_BODY, large: Large = Large()) -> None:  # noqa: B008
    """Call once, after every other `add_middleware`: only who counts may stand outside `Edge`."""
    problems.add_handlers(app)
    app.user_middleware.append(Middleware(StrictBodies, max_body=max_body, large=large))
    app.add_middleware(Edge)


class Edge:
    """Gives the request its id (`X-Request-ID`, the client's own if it is sane), refuses headers
    without end, and turns what no handler caught into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        name = _name(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = name
        started = False

        async def named_send(message: Message) -> None:
            nonlocal started
            if message["type"] in _STARTS:
                started = True
                message["headers"] = _complete(message.get("headers", ()), name)
            await send(message)

        with speaking_of(About(request_id=name, session_id=_session(scope["path"]))):
            if _too_large(scope):
                return await _refuse_headers(scope, receive, named_send, name)
            try:
                await self._app(scope, receive, named_send)
            except Exception as error:  # the rim: nothing of ours is above
                if isinstance(error, CouncilError):
                    problem = problems.from_error(error, name)
                else:
                    problem = problems.internal(error, name)
                if started or scope["type"] == "websocket":
                    # The server has to cut the connection; what was said stays out of its log.
                    raise BrokenOff(name, problem.code) from None
                await problems.response(problem)(scope, receive, named_send)


class BrokenOff(Exception):
    """A response that had begun cannot be finished. `BrokenOff(request_id, code)`."""


def _name(headers: Headers) -> str:
    given = headers.getlist("x-request-id")
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0]
    return uuid.uuid4().hex


def _session(path: str) -> str | None:
    """The session that the request is about, where its path names one."""
    found = _SESSION.search(path)
    return found.group().lower() if found else None


def _complete(headers: Iterable[tuple[bytes, bytes]], name: str) -> list[tuple[bytes, bytes]]:
    """With the request's id, and with those of `SAFE_HEADERS` that are not there."""
    given = [header for header in headers if header[0] != b"x-request-id"]
    there = {key for key, _ in given}
    safe = (header for header in SAFE_HEADERS if header[0] not in there)
    return [*given, *safe, (b"x-request-id", name.encode())]


def _too_large(scope: Scope) -> bool:
    """A key without end is left to the gate, which says so (401)."""
    headers = scope["headers"]
    size = sum(len(key) + len(value) for key, value in headers if key != b"authorization")
    return len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES


async def _refuse_headers(scope: Scope, receive: Receive, send: Send, name: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "headers"})
        return
    detail = f"At most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together are read."
    problem = problems.from_status(431, name, detail)
    await problems.response(problem, {"Connection": "close"})(scope, receive, send)
