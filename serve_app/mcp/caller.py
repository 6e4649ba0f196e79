"""Who calls a tool, and the council that it works for. Knows nothing of MCP or HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from actors.messages.events import LiveEvent, StoredEvent
from actors.messages.nodes import ModelCatalogue
from actors.messages.requests import NOWHERE, CouncilRequest, Origin
from actors.messages.sessions import CouncilSession, SessionSummary


class AskedCouncil(Protocol):
    """What the tools ask of a council: a part of `cluster.council.Council`, which says what each
    gives and raises."""

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession: ...

    async def session(self, session_id: str) -> CouncilSession: ...

    async def sessions(
        self, limit: int, before: datetime | None, q: str | None
    ) -> tuple[SessionSummary, ...]: ...

    def events(self, session_id: str, after: int = 0) -> AsyncIterator[StoredEvent | LiveEvent]: ...

    async def cancel(self, session_id: str) -> CouncilSession: ...

    async def catalogue(self) -> ModelCatalogue: ...


@dataclass(frozen=True)
class Caller:
    """`address`: where the council's page is, as this caller reaches it; `heartbeat_s`: after how
    much silence a sign of life is due; `wait_s`: how long a call may last that does not say."""

    council: AskedCouncil
    address: str
    origin: Origin = NOWHERE
    heartbeat_s: float = 10.0
    wait_s: float | None = None

    def page(self, session_id: str) -> str:
        return f"{self.address.rstrip('/')}/#/session/{session_id}"
