"""Under which names this service may be asked for, and from pages of which origin.

A page on the internet can have its own name lead to this PC (DNS rebinding) and then read what the
council says: so the name in `Host` has to be one of ours. Knows nothing of keys or routes.
"""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.errors import RequestError
from serve_app import problems

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s\[\]:@/?#\\]+))(?::[0-9]{1,5})?", re.ASCII)
"""A name or an address, IPv6 in brackets, and perhaps a port."""


class ForeignHost(RequestError):
    code = "foreign_host"
    title = "This service does not go by that name"


class ForeignOrigin(RequestError):
    status = 403
    code = "foreign_origin"
    title = "The request comes from a page of another origin"


class KnownHosts:
    """ASGI middleware: refuses what was not addressed to us, before anything else is looked at."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = frozenset(map(_plain, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) == 1 and name_in(given[0].decode("latin-1")) in self._hosts:
            return await self._app(scope, receive, send)
        error = ForeignHost(
            "The Host of the request is none of this council's. COUNCIL_ALLOWED_HOSTS on PC1 names"
            " others."
        )
        if scope["type"] == "http":
            raise error
        await problems.deny(error, scope, receive, send)


def name_in(host: str) -> str | None:
    """The name in a `Host` header, as we compare it; None if it is not one."""
    found = _HOST.fullmatch(host.lower())
    return _plain(found[1] or found[2]) if found else None


def check_origin(headers: Headers, allowed: tuple[str, ...]) -> None:
    """Raises `ForeignOrigin` unless the page that asks (if any) is ours or was allowed."""
    for origin in headers.getlist("origin"):
        host = origin.partition("://")[2]
        own = host != "" and host.lower() == headers.get("host", "").lower()
        if not own and origin not in allowed:
            raise ForeignOrigin("This origin may not change anything or follow a session.")


def _plain(name: str) -> str:
    return name.lower().strip("[]").removesuffix(".")
