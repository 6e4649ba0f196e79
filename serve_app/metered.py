"""Counts what HTTP was asked and how it was answered, outside of everything that may refuse.

A route is named by its template, as the router found it: no path that a client made up is kept.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.meters.catalogue import HTTP_REQUESTS, REFUSED
from actors.meters.labels import OTHER
from actors.meters.outlet import Outlet
from serve_app.problems import PROBLEM, Problem

UNROUTED = "unrouted"
"""Refused before a route was looked for, or there is none."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WEBSOCKET = "WEBSOCKET"
ACCEPTED, DENIED = 101, 403


class Metered:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, outlet: Outlet) -> None:
        self._app = app
        self._outlet = outlet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        answered = False

        async def counted_send(message: Message) -> None:
            nonlocal answered
            if not answered and (status := _status(message)) is not None:
                answered = True
                self._count(scope, status)
            await send(message)

        await self._app(scope, receive, counted_send)

    def _count(self, scope: Scope, status: int) -> None:
        route = getattr(scope.get("route"), "path", UNROUTED)
        self._outlet.add(HTTP_REQUESTS, (route, _method(scope), str(status)))
        problem = scope.get("state", {}).get(PROBLEM)
        if isinstance(problem, Problem) and problem.session_id is None:
            self._outlet.add(REFUSED, (problem.code,))


def _status(message: Message) -> int | None:
    """The status that a message begins the answer with."""
    match message["type"]:
        case "http.response.start" | "websocket.http.response.start":
            return int(message["status"])
        case "websocket.accept":
            return ACCEPTED
        case "websocket.close":
            return DENIED
        case _:
            return None


def _method(scope: Scope) -> str:
    if scope["type"] == "websocket":
        return WEBSOCKET
    return scope["method"] if scope["method"] in METHODS else OTHER
