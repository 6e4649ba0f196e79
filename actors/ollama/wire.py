"""One HTTP exchange with a model server, distrusted: no redirect, no encoded body, bytes capped.

Knows nothing of models or answers; turns what can go wrong with HTTP into our errors. Whatever
httpx waits for runs in a task of its own that is cancelled once at most: where a second
cancellation (a deadline, and then the caller leaves) hits httpx in its cleaning up, the connection
stays open, and Ollama goes on generating.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import httpx

from actors.errors import (
    CallTimeout,
    ModelCallError,
    ModelCrashed,
    NodeUnreachable,
    NotOllama,
    ServerBusy,
)
from actors.ollama import failures
from actors.ollama.deadlines import Deadlines

MAX_ERROR = 64 * 2**10
MAX_BODY = 8 * 2**20
"""Bytes of an error, and of a whole body (`/api/show` brings template, licence and tensors)."""

_HEADERS = {
    "Accept": "application/x-ndjson, application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}
_JSON_TYPES = ("application/json", "application/x-ndjson")


def new_http_client() -> httpx.AsyncClient:
    """One for an agent's whole life. Ignores proxy variables, so that loopback traffic stays on the
    loopback."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
    return httpx.AsyncClient(
        trust_env=False, follow_redirects=False, limits=limits, verify=_certificates()
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Costs 55 ms of CPU, so a process makes one."""
    return httpx.create_ssl_context(trust_env=False)


class Wire:
    """The exchanges with one server. `base_url` is `http://host:port`."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, deadlines: Deadlines) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._urls: dict[str, httpx.URL] = {}
        url = self._url("")
        self._where = f"{url.host}:{url.port}" if url.port else url.host
        self._stall_s = deadlines.stall_s
        self._timeout = httpx.Timeout(
            None, connect=deadlines.connect_s, write=deadlines.stall_s, pool=deadlines.stall_s
        ).as_dict()

    @asynccontextmanager
    async def open(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: dict[str, Any] | None,
        until: float,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncIterator[httpx.Response]:
        """A response with status 200 whose body is still to be read. `until` in the loop's time
        bounds the wait for its head; `headers` besides our own; leaving the context closes the
        connection if need be."""
        request = httpx.Request(
            method,
            self._url(path),
            headers={**_HEADERS, **headers},
            content=None if body is None else json.dumps(body).encode(),
            extensions={"timeout": self._timeout},
        )
        sending = asyncio.get_running_loop().create_task(
            self._http.send(request, stream=True, follow_redirects=False)
        )
        try:
            async with asyncio.timeout_at(until):
                await asyncio.wait((sending,))
            response = self._sent(sending)
            await self._accept(response, until)
            yield response
        finally:
            await asyncio.wait((_uninterrupted(_close(sending)),))

    async def ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: dict[str, Any] | None,
        within_s: float,
        most: int = MAX_BODY,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """A whole JSON object of at most so many bytes. Raises a `ModelCallError` for anything
        else. `headers` as in `open`."""
        until = asyncio.get_running_loop().time() + within_s
        try:
            async with self.open(method, path, body, until, headers) as response:
                raw = bytearray()
                await self._fill(raw, response, until, most)
        except TimeoutError as error:
            raise CallTimeout(f"{self._where} took longer than {within_s:g} s.") from error
        try:
            payload = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise NotOllama(f"Something else than Ollama answers at {self._where}.") from error
        if not isinstance(payload, dict):
            raise NotOllama(f"Something else than Ollama answers at {self._where}.")
        return payload

    def broken(self, error: httpx.HTTPError, partial: str, answered: bool) -> ModelCallError:
        """What a failure of HTTP itself means, before or after the server began to answer."""
        if answered:
            return ModelCrashed(f"{self._where} cut the connection in mid-answer.", partial)
        if isinstance(error, httpx.PoolTimeout):
            return ServerBusy(f"Too many calls wait for {self._where} already.")
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
            return NotOllama(f"Something else than HTTP is spoken at {self._where}.")
        return NodeUnreachable(f"The model server at {self._where} cannot be reached.")

    def _sent(self, sending: asyncio.Task[httpx.Response]) -> httpx.Response:
        try:
            return sending.result()
        except httpx.HTTPError as error:
            raise self.broken(error, "", answered=False) from error

    def _url(self, path: str) -> httpx.URL:
        """Parsed once: that costs as much as reading several tokens."""
        return self._urls.get(path) or self._urls.setdefault(path, httpx.URL(self._base + path))

    async def _accept(self, response: httpx.Response, until: float) -> None:
        if 300 <= response.status_code < 400:
            raise NotOllama(f"{self._where} redirects elsewhere; that is not followed.")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise NotOllama(f"{self._where} sends an encoded body, which was not asked for.")
        if response.status_code != 200:
            body = bytearray()
            soon = asyncio.get_running_loop().time() + self._stall_s
            with suppress(TimeoutError):
                await self._fill(body, response, min(until, soon), MAX_ERROR)
            raise failures.refusal(response.status_code, bytes(body))
        kind = response.headers.get("content-type", "application/json").partition(";")[0].strip()
        if kind.lower() not in _JSON_TYPES:
            raise NotOllama(f"{self._where} answers with {failures.clean(kind)}, not with JSON.")

    async def _fill(
        self, body: bytearray, response: httpx.Response, until: float, limit: int
    ) -> None:
        """Reads into `body` until its end, or just past `limit` bytes: JSON cut there is none."""
        try:
            async with asyncio.timeout_at(until):
                chunks = response.aiter_raw()
                while (data := await read(chunks)) is not None:
                    body += data
                    if len(body) > limit:
                        break
        except httpx.HTTPError as error:
            raise self.broken(error, "", answered=True) from error


async def read(chunks: AsyncIterator[bytes]) -> bytes | None:
    """The next bytes of a body, or None at its end."""
    reading = asyncio.get_running_loop().create_task(_next(chunks))
    try:
        await asyncio.wait((reading,))
        return reading.result()
    finally:
        if not reading.done():
            reading.cancel()
            _kept(reading)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _close(sending: asyncio.Task[httpx.Response]) -> None:
    """Ends the exchange, wherever it stands."""
    sending.cancel()
    await asyncio.wait((sending,))
    if not sending.cancelled() and sending.exception() is None:
        await sending.result().aclose()


_tasks: set[asyncio.Task[Any]] = set()


def _uninterrupted(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Goes on to its end, whatever becomes of who waits for it."""
    task = asyncio.get_running_loop().create_task(work)
    _kept(task)
    return task


def _kept(task: asyncio.Task[Any]) -> None:
    """Holds a task whose result nobody may ask for any more until it is over."""
    _tasks.add(task)
    task.add_done_callback(_over)


def _over(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        task.exception()
