"""A council over its HTTP API, for the tools of `./council mcp`: wherever `up` wrote down that it
is when it is asked, so that a client may be started before the council."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from actors.errors import CouncilError, CouncilUnavailable, SessionNotFound
from actors.messages.events import COUNCIL_EVENT, LiveEvent, StoredEvent
from actors.messages.nodes import ModelCatalogue
from actors.messages.requests import NOWHERE, CouncilRequest, Origin
from actors.messages.sessions import CouncilSession, SessionSummary
from cluster import run_record
from cluster.settings import Settings
from serve_app.cli.address import address, headers, key
from serve_app.cli.client import refused, unreachable
from serve_app.cli.session.listening import SILENCE_S, Frames
from serve_app.cli.terminal import Stop

SESSIONS = "/api/council/sessions"
Answer = TypeVar("Answer", bound=BaseModel)


class SessionPage(BaseModel):
    sessions: tuple[SessionSummary, ...]


class HttpCouncil:
    """Implements `AskedCouncil`. Every failure is a `CouncilError` in the words of the commands."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http

    @property
    def address(self) -> str:
        return address(self._settings, run_record.read(self._settings.home))

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        body = request.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return await self._ask(CouncilSession, "POST", SESSIONS, json=body)

    async def session(self, session_id: str) -> CouncilSession:
        return await self._ask(CouncilSession, "GET", f"{SESSIONS}/{session_id}")

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        asked = {"limit": limit, "before": before and before.isoformat(), "q": q}
        given = {name: value for name, value in asked.items() if value is not None}
        return (await self._ask(SessionPage, "GET", SESSIONS, params=given)).sessions

    async def events(
        self, session_id: str, after: int = 0
    ) -> AsyncIterator[StoredEvent | LiveEvent]:
        """Ends early where the council is lost on the way, with `CouncilUnavailable` or without."""
        position = {"Last-Event-ID": str(after)} if after else {}
        timeout = httpx.Timeout(SILENCE_S, connect=5)
        path = f"{SESSIONS}/{session_id}/events"
        async with self._sent("GET", path, headers=position, timeout=timeout) as answer:
            frames = Frames()
            async for line in answer.aiter_lines():
                if (event := frames.taken(line)) is not None:
                    try:
                        told = COUNCIL_EVENT.validate_python(event)
                    except ValidationError:
                        raise self._not_understood() from None
                    yield told

    async def cancel(self, session_id: str) -> CouncilSession:
        return await self._ask(CouncilSession, "DELETE", f"{SESSIONS}/{session_id}")

    async def catalogue(self) -> ModelCatalogue:
        return await self._ask(ModelCatalogue, "GET", "/api/council/models")

    async def _ask(self, kind: type[Answer], method: str, path: str, **rest: Any) -> Answer:
        async with self._sent(method, path, **rest) as answer:
            content = await answer.aread()
        try:
            return kind.model_validate_json(content)
        except ValidationError:
            raise self._not_understood() from None

    def _not_understood(self) -> CouncilError:
        where = f"What answers at {self.address} is not understood."
        return CouncilError(f"{where} Is it a council of this release? ./council version")

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, headers: dict[str, str] | None = None, **rest: Any
    ) -> AsyncIterator[httpx.Response]:
        """A good answer, to be read."""
        url = self.address
        sent = {**(headers or {}), **_key_of(self._settings)}
        try:
            async with self._http.stream(method, url + path, headers=sent, **rest) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _error(answer)
                yield answer
        except httpx.TransportError as error:
            raise CouncilUnavailable(_words(unreachable(url, error))) from None


def _key_of(settings: Settings) -> dict[str, str]:
    return headers(key(settings))


def _error(answer: httpx.Response) -> CouncilError:
    """As far as the tools tell them apart."""
    sentence = _words(refused(answer))
    if answer.status_code == httpx.codes.NOT_FOUND:
        return SessionNotFound(sentence)
    return (CouncilUnavailable if answer.status_code >= 502 else CouncilError)(sentence)


def _words(stop: Stop) -> str:
    return " ".join(stop.lines)
