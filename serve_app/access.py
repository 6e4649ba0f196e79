"""Who may come in: bearer keys off loopback, and no foreign origin. Knows nothing of routes.

Refusals are raised: `edge.Edge`, which stands outside, turns them into problems. A WebSocket is
refused before it is accepted.
"""

import hashlib
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from actors.errors import CouncilError, RequestError, Unauthorized
from serve_app import problems
from serve_app.configuration import ApiConfig

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_JOINING = frozenset({"/health", "/api/health"})
"""Where a PC that joins may look, with the join token, to compare versions."""
MAX_AUTHORIZATION = 4_096


class ForeignOrigin(RequestError):
    status = 403
    code = "foreign_origin"
    title = "The request comes from a page of another origin"


class Gate:
    """ASGI middleware: lets a request on, or refuses it unread."""

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        try:
            self._check(scope)
        except RequestError as error:
            if scope["type"] == "http":
                raise
            return await _deny(error, scope, receive, send)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "websocket" or scope["method"] not in READING:
            self._check_origin(headers)
        if self._config.require_key:
            self._check_key(headers, scope["path"])

    def _check_origin(self, headers: Headers) -> None:
        """Raises `ForeignOrigin` unless the page that asks (if any) is ours or was allowed."""
        for origin in headers.getlist("origin"):
            host = origin.partition("://")[2]
            own = host != "" and host.lower() == headers.get("host", "").lower()
            if not own and origin not in self._config.cors_origins:
                raise ForeignOrigin("This origin may not change anything or follow a session.")

    def _check_key(self, headers: Headers, path: str) -> None:
        """Raises `Unauthorized` unless there is exactly one bearer key, and the right one."""
        given = headers.getlist("authorization")
        kind, _, key = (given[0] if len(given) == 1 else "").partition(" ")
        known = [self._config.key_sha256]
        if path in OPEN_TO_JOINING:
            known.append(self._config.join_token_sha256)
        sized = 0 < len(key) <= MAX_AUTHORIZATION
        if kind.lower() != "bearer" or not sized or not _is_known(key, known):
            raise Unauthorized("Send the key of this council as Authorization: Bearer.")


def _is_known(key: str, hashes: list[str]) -> bool:
    """In constant time. An empty hash is nobody's."""
    digest = hashlib.sha256(key.strip().encode("latin-1", "replace")).hexdigest()
    return any([hmac.compare_digest(digest, known) for known in hashes])


async def _deny(error: CouncilError, scope: Scope, receive: Receive, send: Send) -> None:
    problem = problems.from_error(error, problems.request_id(scope))
    if "websocket.http.response" in scope.get("extensions", {}):
        await WebSocket(scope, receive, send).send_denial_response(problems.response(problem))
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
