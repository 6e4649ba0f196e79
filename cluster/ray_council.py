"""RayCouncil: the `Council` over the orchestrator's actor handle.

What our code raises there comes out here as it was; what Ray raises becomes `CouncilUnavailable`.
Where nothing can be done twice (reading, waiting, events) a restarting orchestrator is waited for.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from actors.errors import CouncilError, CouncilUnavailable
from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.events import LiveEvent, SessionClosed, StoredEvent
from actors.messages.nodes import ModelCatalogue, ModelLimits, NodeReport, NodeStanding
from actors.messages.readings import MeterReading
from actors.messages.requests import (
    NOWHERE,
    CouncilRequest,
    Origin,
    WorkerRequest,
    WorkerResult,
)
from actors.messages.sessions import CouncilSession, SessionSummary
from actors.mistakes import told_elsewhere
from actors.telemetry.about import session_is

T = TypeVar("T")
log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""How long a restarting orchestrator is waited for."""
SCRAPE_S = 5.0
"""How long whoever wants to read the meters waits at most; Prometheus gives up after 10 s."""


class RayCouncil:
    """Implements `cluster.council.Council`. `find` gives the orchestrator's handle; it is asked
    once and again after the actor was lost. While `is_stopping`, nothing new is accepted."""

    def __init__(
        self,
        find: Callable[[], Any],
        patience_s: float = PATIENCE_S,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find = find
        self._is_stopping = is_stopping
        self._patience_s = patience_s
        self._handle: Any = None

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        self._refuse_at_the_end()
        session: CouncilSession = await self._once(
            lambda a: a.open.remote(request, idempotency_key, origin)
        )
        session_is(session.session_id)
        return session

    async def wait(self, session_id: str) -> CouncilSession:
        return await self._patiently(lambda a: a.wait.remote(session_id))

    async def session(self, session_id: str) -> CouncilSession:
        return await self._patiently(lambda a: a.session.remote(session_id))

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        return await self._patiently(lambda a: a.sessions.remote(limit, before, q))

    async def events(
        self, session_id: str, after: int = 0
    ) -> AsyncIterator[StoredEvent | LiveEvent]:
        """Goes on after a restart of the orchestrator without gap or repeat."""
        ends_at = time.monotonic() + self._patience_s
        while True:
            stream = self._orchestrator().events.remote(session_id, after)
            try:
                async for reference in stream:
                    for event in await reference:
                        after = event.seq
                        yield event
                        if isinstance(event, SessionClosed):
                            return
                    ends_at = time.monotonic() + self._patience_s
                return
            except RayError as error:
                await self._bear(error, ends_at)
            finally:
                with contextlib.suppress(RayError):
                    ray.cancel(stream)

    async def cancel(self, session_id: str) -> CouncilSession:
        return await self._patiently(lambda a: a.cancel.remote(session_id))

    async def purge(self, session_id: str) -> None:
        await self._once(lambda a: a.purge.remote(session_id))

    async def catalogue(self) -> ModelCatalogue:
        return await self._patiently(lambda a: a.catalogue.remote())

    async def generate(self, request: WorkerRequest, origin: Origin = NOWHERE) -> WorkerResult:
        self._refuse_at_the_end()
        return await self._once(lambda a: a.generate.remote(request, origin))

    async def chat(
        self, request: LocalChat, origin: Origin = NOWHERE
    ) -> AsyncIterator[Delta | Generated | None]:
        """What was said is not said again: an orchestrator that is lost ends the chat."""
        self._refuse_at_the_end()
        try:
            stream = self._orchestrator().chat.remote(request, origin)
            try:
                async for reference in stream:
                    for event in await reference or (None,):
                        yield event
            finally:
                with contextlib.suppress(RayError):
                    ray.cancel(stream)
        except RayError as error:
            raise self._as_ours(error) from None

    async def embed(self, request: LocalEmbedding, origin: Origin = NOWHERE) -> Generated:
        self._refuse_at_the_end()
        return await self._once(lambda a: a.embed.remote(request, origin))

    async def limits(self, model: str) -> ModelLimits:
        return await self._patiently(lambda a: a.limits.remote(model))

    async def nodes(self) -> tuple[NodeReport, ...]:
        return await self._patiently(lambda a: a.nodes.remote())

    async def standings(self) -> tuple[NodeStanding, ...]:
        return await self._patiently(lambda a: a.standings.remote())

    async def drain(self, node: str) -> NodeStanding:
        return await self._patiently(lambda a: a.drain.remote(node))

    async def readmit(self, node: str) -> NodeStanding:
        return await self._patiently(lambda a: a.readmit.remote(node))

    async def readiness(self) -> dict[str, bool]:
        self._refuse_at_the_end()
        return await self._once(lambda a: a.readiness.remote())

    async def meters(self) -> tuple[MeterReading, ...]:
        """Who scrapes comes again soon: a restarting orchestrator is not waited for."""
        try:
            async with asyncio.timeout(SCRAPE_S):
                return await self._once(lambda a: a.meters.remote())
        except TimeoutError:
            raise CouncilUnavailable("The orchestrator does not answer just now.") from None

    def _refuse_at_the_end(self) -> None:
        if self._is_stopping():
            raise CouncilUnavailable("PC1 is being stopped; ask again when it is back.")

    def _orchestrator(self) -> Any:
        if self._handle is None:
            try:
                self._handle = self._find()
            except (RayError, ValueError) as error:
                raise CouncilUnavailable(f"The orchestrator is not there: {error}") from None
        return self._handle

    async def _once(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """For what must not be done twice: a lost actor is an error, its outcome is unknown."""
        try:
            return await call(self._orchestrator())
        except RayError as error:
            raise self._as_ours(error) from None

    async def _patiently(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """For what may be asked again: waits for a restarting orchestrator."""
        ends_at = time.monotonic() + self._patience_s
        while True:
            try:
                return await call(self._orchestrator())
            except RayError as error:
                await self._bear(error, ends_at)

    async def _bear(self, error: RayError, ends_at: float) -> None:
        """Raises what cannot be waited for; else waits a moment."""
        ours = self._as_ours(error)
        if isinstance(error, RayTaskError) or time.monotonic() > ends_at:
            raise ours from None
        await asyncio.sleep(0.5)

    def _as_ours(self, error: RayError) -> CouncilError:
        if isinstance(error, RayTaskError):
            if isinstance(error.cause, CouncilError):
                return error.cause
            remote = told_elsewhere(error.cause, error.traceback_str)
            log.error("the orchestrator failed in %s: %s", error.function_name, remote)
            log.debug("the orchestrator", exc_info=error)
            return CouncilUnavailable("The orchestrator failed; its log says why.")
        self._handle = None
        return CouncilUnavailable("The orchestrator is restarting; ask again in a moment.")
