"""Errors as the client sees them: RFC 9457 `application/problem+json`. Knows nothing of routes.

A problem never holds a stack trace, a prompt, a secret, or what the client sent: only the error's
own sentence, its code, and for a field its path.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from actors.errors import CouncilError, InvalidRequest, MalformedBody
from actors.messages.message import Message
from actors.mistakes import told
from serve_app.clients.refusals import Look, look_at

MEDIA_TYPE = "application/problem+json"
PROBLEM = "problem"
"""Where in a request's state the problem is that it was answered with."""
_MAX_ERRORS = 20
_MAX_DETAIL = 2_000
_MAX_PART = 80
_MAX_MSG = 300
_BOUNDS = ("ge", "gt", "le", "lt", "min_length", "max_length")
"""What is told of pydantic's `ctx`: figures of our own document, nothing that the client sent."""

log = logging.getLogger(__name__)


class FieldError(Message):
    """A field that is not valid: `place` is body, path, query or header; `loc` the path in it.
    `ctx`: the bound that `msg` names; `reason`: of a `value_error` of ours, which one it is."""

    place: str
    loc: tuple[str | int, ...]
    msg: str
    type: str
    ctx: dict[str, int | float] | None = None
    reason: str | None = None


class Problem(Message):
    """RFC 9457, with our `code` and, where they apply, the session, when to try again, and what
    `detail` names (`values`: the model that is missing)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    session_id: str | None = None
    retry_after_s: float | None = None
    errors: tuple[FieldError, ...] | None = None
    values: tuple[str, ...] | None = None


def from_error(error: CouncilError, request_id: str) -> Problem:
    """The problem that says `error`."""
    errors = tuple(map(_field_error, error.errors)) if isinstance(error, InvalidRequest) else ()
    return Problem(
        type=_type(error.code),
        title=error.title,
        status=error.status,
        detail=error.detail[:_MAX_DETAIL],
        code=error.code,
        request_id=request_id,
        session_id=getattr(error, "session_id", None),
        retry_after_s=error.retry_after_s,
        errors=errors[:_MAX_ERRORS] or None,
        values=getattr(error, "values", None) or None,
    )


def from_status(
    status: int, request_id: str, detail: str | None = None, code: str | None = None
) -> Problem:
    """A problem that is HTTP's and not the council's: 404, 405, 431, 500, …"""
    phrase = HTTPStatus(status)
    name = code or phrase.name.lower()
    return Problem(
        type=_type(name),
        title=phrase.phrase,
        status=status,
        detail=(detail or phrase.description or phrase.phrase)[:_MAX_DETAIL],
        code=name,
        request_id=request_id,
    )


def note(problem: Problem, scope: Scope) -> None:
    """Leaves word of it in the request's state, for who counts refusals: also of what a route tells
    in the words of another protocol."""
    scope.setdefault("state", {})[PROBLEM] = problem


class ProblemResponse(Response):
    """Leaves word of its problem. Where another protocol is spoken it looks as that has it."""

    def __init__(self, problem: Problem, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(body, problem.status, headers=headers, media_type=MEDIA_TYPE)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        note(self._problem, scope)
        look = look_at(scope["path"])
        answer = super().__call__ if look is None else self._in_other_words(look)
        await answer(scope, receive, send)

    def _in_other_words(self, look: Look) -> Response:
        problem = self._problem
        status, body = look(problem.status, problem.code, problem.detail)
        mine = {k: v for k, v in self.headers.items() if not k.startswith("content-")}
        return JSONResponse(body, status, mine)


def response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(problem.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if problem.retry_after_s is not None:
        extra["Retry-After"] = str(max(1, math.ceil(problem.retry_after_s)))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        extra.setdefault("WWW-Authenticate", "Bearer")
    return ProblemResponse(problem, body.encode("utf-8", "replace"), extra)


async def deny(error: CouncilError, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuses a WebSocket before it is accepted."""
    if "websocket.http.response" in scope.get("extensions", {}):
        denial = response(from_error(error, request_id(scope)))
        await WebSocket(scope, receive, send).send_denial_response(denial)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})


def request_id(scope: Scope) -> str:
    """The id of this request, as `bodies.Edge` set it; `"-"` where nothing did."""
    return str(scope.get("state", {}).get("request_id", "-"))


def internal(error: Exception, request_id: str) -> Problem:
    """The problem for a mistake of ours. The log gets its type and place; what it says may hold a
    prompt, so that goes to DEBUG only."""
    log.error("request %s failed: %s", request_id, told(error))
    log.debug("request %s", request_id, exc_info=error)
    detail = f"Something is wrong on our side. The log tells more under request {request_id}."
    return from_status(500, request_id, detail, code="internal")


def add_handlers(app: FastAPI) -> None:
    """Every error that climbs out of a route becomes a problem."""
    app.add_exception_handler(CouncilError, _on_council_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(WebSocketRequestValidationError, _on_socket_validation_error)


async def _on_council_error(connection: HTTPConnection, error: Exception) -> Any:
    """A response for a request; a WebSocket is closed instead."""
    assert isinstance(error, CouncilError)
    if not isinstance(connection, WebSocket):
        return response(from_error(error, request_id(connection.scope)))
    await _close(connection, error)


async def _close(socket: WebSocket, error: CouncilError) -> None:
    if socket.application_state is not WebSocketState.DISCONNECTED:
        await socket.close(1011 if error.status >= 500 else 1008, reason=error.code)


async def _on_validation_error(connection: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = _causes(error.errors()[:_MAX_ERRORS])
    if any(one["type"] == "json_invalid" for one in found):
        malformed = MalformedBody("The body is not JSON.")
        return response(from_error(malformed, request_id(connection.scope)))
    fields = tuple(map(_fastapi_field, found))
    where = "; ".join(f"{_path(field)}: {field.msg}" for field in fields)
    invalid = InvalidRequest(where, [field.model_dump() for field in fields])
    return response(from_error(invalid, request_id(connection.scope)))


async def _on_socket_validation_error(connection: WebSocket, error: Exception) -> None:
    await connection.close(1008, reason=InvalidRequest.code)


async def _on_http_exception(connection: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "There is nothing at this path.", 405: "This path does not take that method."}
    own = error.detail if isinstance(error.detail, str) else None
    detail = known.get(error.status_code, own)
    problem = from_status(error.status_code, request_id(connection.scope), detail)
    return response(problem, error.headers)


def _causes(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without those that only follow from another: of a list whose items are wrong, pydantic also
    says that it is too short."""
    inside = {one["loc"][:end] for one in errors for end in range(1, len(one["loc"]))}
    return [one for one in errors if one["loc"] not in inside]


def _fastapi_field(raw: Mapping[str, Any]) -> FieldError:
    """FastAPI puts the place in front of the path."""
    place, *loc = raw["loc"]
    return _field_error({**raw, "place": place, "loc": loc})


def _field_error(raw: Mapping[str, Any]) -> FieldError:
    """Only where and why: pydantic's `input` and `url` stay behind."""
    kind = str(raw.get("type", "value_error"))
    echoes = kind == "union_tag_invalid"
    ctx = raw.get("ctx") or {}
    return FieldError(
        place=str(raw.get("place", "body")),
        loc=tuple(part if isinstance(part, int) else str(part)[:_MAX_PART] for part in raw["loc"]),
        msg="Input should be of a known kind" if echoes else str(raw["msg"])[:_MAX_MSG],
        type=kind,
        ctx={name: ctx[name] for name in _BOUNDS if type(ctx.get(name)) in (int, float)} or None,
        reason=raw.get("reason"),
    )


def _path(field: FieldError) -> str:
    inside = ".".join(map(str, field.loc))
    return inside if field.place == "body" and inside else f"{field.place} {inside}".strip()


def _type(code: str) -> str:
    return f"urn:llm-council:problem:{code}"
