"""Who may come in: bearer keys off loopback, tickets for streams, everybody to the page's files.

Refusals are raised: `edge.Edge`, which stands outside, turns them into problems. A WebSocket is
refused before it is accepted. A key is never logged; the log has its fingerprint.
"""

import hmac
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import NoReturn
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.errors import RequestError, Unauthorized
from cluster.api_keys import digest, fingerprint
from serve_app import problems
from serve_app.attempts import Attempts
from serve_app.configuration import ApiConfig
from serve_app.hosts import check_origin
from serve_app.keys import KeyRing
from serve_app.tickets import Tickets

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_JOINING = frozenset({"/health", "/api/health"})
"""Where a PC that joins may look, with the join token, to compare versions."""
STREAMS = re.compile(r"/api/council/(?:sessions/[^/]+/events|ws/[^/]+)", re.ASCII)
"""Where a ticket opens."""
PAGE = re.compile(r"/(?:web/[a-z]+\.(?:js|css|svg))?", re.ASCII)
"""The page's own files, open to everybody: they show nothing of the council, and ask for a key."""
KEY_NAMES = frozenset({"key", "token", "api_key", "apikey", "access_token"})
MAX_AUTHORIZATION = 4_096
MAX_PARAMETERS = 100

log = logging.getLogger(__name__)


class TooManyAttempts(RequestError):
    """`TooManyAttempts(sentence, seconds)`"""

    status = 429
    code = "too_many_attempts"
    title = "Too many requests without a right key"

    @property
    def retry_after_s(self) -> float:  # type: ignore[override]
        return float(self.args[1])


class Gate:
    """ASGI middleware: lets a request on, or refuses it unread."""

    def __init__(
        self,
        app: ASGIApp,
        config: ApiConfig,
        tickets: Tickets,
        attempts: Attempts,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._app = app
        self._config = config
        self._keys = KeyRing(config.keys_file)
        self._tickets = tickets
        self._attempts = attempts
        self._clock = clock
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        try:
            self._check(scope)
        except RequestError as error:
            if scope["type"] == "http":
                raise
            return await problems.deny(error, scope, receive, send)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "websocket" or scope["method"] not in READING:
            check_origin(headers, self._config.cors_origins)
        given = headers.getlist("authorization")
        if sum(map(len, given)) > MAX_AUTHORIZATION:
            self._refuse(scope, given[0], "No key is that long.")
        if self._config.require_key:
            self._check_key(scope, given)

    def _check_key(self, scope: Scope, given: list[str]) -> None:
        """Raises `Unauthorized` unless there is exactly one bearer key, and a right one; or, for a
        stream, a ticket."""
        parameters = _parameters(scope)
        for name, value in parameters:
            if name.lower() in KEY_NAMES:
                self._refuse(scope, value, IN_URL)
        if scope["type"] == "http" and scope["method"] == "GET" and PAGE.fullmatch(scope["path"]):
            return
        if not given and _is_stream(scope):
            tickets = [value for name, value in parameters if name == "ticket"]
            if tickets:
                if len(tickets) == 1 and self._tickets.redeem(tickets[0]):
                    return
                self._refuse(scope, tickets[0], "That ticket was used, or is older than 30 s.")
        kind, _, key = (given[0] if len(given) == 1 else "").partition(" ")
        key = key.strip()
        if kind.lower() != "bearer" or not key or not self._opens(key, scope["path"]):
            self._refuse(scope, key or "".join(given), SEND_KEY)

    def _opens(self, key: str, path: str) -> bool:
        """An empty hash is nobody's."""
        join = self._config.join_token_sha256 if path in OPEN_TO_JOINING else ""
        joining = hmac.compare_digest(digest(key), join)
        return self._keys.opens(key, self._now()) or joining

    def _refuse(self, scope: Scope, shown: str, why: str) -> NoReturn:
        """Raises `Unauthorized`, or `TooManyAttempts` when that happens too often."""
        address = str((scope.get("client") or ("-",))[0])
        verdict = self._attempts.failed(address, self._clock())
        if verdict.say:
            mark = fingerprint(shown[:MAX_AUTHORIZATION]) if shown else "none"
            log.warning("refused %s %d times: key %s", address, verdict.say, mark)
        if verdict.wait_s:
            raise TooManyAttempts("Wait, and look at the key you send.", verdict.wait_s)
        raise Unauthorized(why)


SEND_KEY = "Send a key of this council as Authorization: Bearer. PC1 makes one: ./council key new"
IN_URL = (
    "A key does not belong into a URL, where logs and histories keep it: take it for known, and"
    " end it with ./council key revoke. Send keys as Authorization: Bearer."
)


def _parameters(scope: Scope) -> list[tuple[str, str]]:
    """Of the query string; those of one that is not to be read are none."""
    raw = scope.get("query_string", b"")
    if not raw:
        return []
    try:
        return parse_qsl(
            raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS
        )
    except ValueError:
        raise Unauthorized(
            f"A URL with more than {MAX_PARAMETERS} parameters is not read."
        ) from None


def _is_stream(scope: Scope) -> bool:
    reading = scope["type"] == "websocket" or scope["method"] == "GET"
    return reading and STREAMS.fullmatch(scope["path"]) is not None
