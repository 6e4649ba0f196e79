"""The council as the HTTP layer sees it: a typed facade. Knows nothing of HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.events import LiveEvent, StoredEvent
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


class Council(Protocol):
    """Every method raises only `CouncilError`s (see `actors.errors`)."""

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        """Stores the session and starts it; returns as soon as it is committed. The same key and
        body give the same session. Raises `InvalidRequest` (too many agents, query too long),
        `ModelNotInstalled`, `NoModelServer`, `IdempotencyKeyReused`, `StoreUnavailable`."""
        ...

    async def wait(self, session_id: str) -> CouncilSession:
        """The session once it has ended, however it ended (`stage` complete or error)."""
        ...

    async def session(self, session_id: str) -> CouncilSession:
        """The session as it stands. Raises `SessionNotFound`."""
        ...

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]:
        """Newest first."""
        ...

    def events(self, session_id: str, after: int = 0) -> AsyncIterator[StoredEvent | LiveEvent]:
        """Stored events from `after` on, then live, until the closing event. Each running seat's
        text so far comes first in one delta with `offset` 0. Raises `SessionNotFound`."""
        ...

    async def cancel(self, session_id: str) -> CouncilSession:
        """Ends a running session with code `cancelled`; a second cancel gives the same answer.
        Raises `SessionFinished` if it ended otherwise before."""
        ...

    async def purge(self, session_id: str) -> None:
        """Removes a finished session. Raises `SessionRunning`, `SessionNotFound`."""
        ...

    async def catalogue(self) -> ModelCatalogue: ...

    async def generate(self, request: WorkerRequest, origin: Origin = NOWHERE) -> WorkerResult:
        """One stateless generation. Raises `ModelCallError`s, `ModelNotInstalled`."""
        ...

    def chat(
        self, request: LocalChat, origin: Origin = NOWHERE
    ) -> AsyncIterator[Delta | Generated | None]:
        """What a local model says, then exactly one `Generated`; None is a sign of life. Raises as
        `generate` does, also in the middle. Leaving it ends the call."""
        ...

    async def embed(self, request: LocalEmbedding, origin: Origin = NOWHERE) -> Generated:
        """`vectors`, one for each text. Raises as `generate` does."""
        ...

    async def limits(self, model: str) -> ModelLimits:
        """What a PC that has the model tells of it. Raises as `generate` does."""
        ...

    async def nodes(self) -> tuple[NodeReport, ...]: ...

    async def standings(self) -> tuple[NodeStanding, ...]:
        """How every PC takes part, by name."""
        ...

    async def drain(self, node: str) -> NodeStanding:
        """Begins to take a PC out; a second time changes nothing. Raises `NodeNotFound`,
        `StoreUnavailable`."""
        ...

    async def readmit(self, node: str) -> NodeStanding:
        """Lets a PC in again. Raises as `drain` does."""
        ...

    async def readiness(self) -> dict[str, bool]:
        """What must be true to serve: `store` writable, `agents` (at least one placeable)."""
        ...

    async def meters(self) -> tuple[MeterReading, ...]:
        """What the council counted, and how things stand now. At once, or `CouncilUnavailable`."""
        ...
