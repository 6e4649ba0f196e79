"""From a request to the session or the model that answers it: who sits, by what the PCs have now.

Asks the PCs only for a model that none of them told of. Who is seated is admitted or refused in the
same moment, so that nobody slips in between.
"""

import secrets
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from actors.admission import Admission
from actors.clock import boot_time, now
from actors.council.session import Session, begin
from actors.council.table.procedures import procedure
from actors.council.table.recommended import catalogue
from actors.council.table.seating import SeatingDefaults, installed_name, seat
from actors.errors import ModelNotInstalled, NoModelServer
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import SessionStarted
from actors.messages.nodes import InstalledModel, ModelCatalogue, NodeReport
from actors.messages.requests import CouncilRequest, Origin
from actors.pool import Pool

T = TypeVar("T")
Reports = tuple[NodeReport, ...]


class Summons:
    """New questions count on the PCs that stay: one that is being taken out is not offered."""

    def __init__(self, config: OrchestratorConfig, pool: Pool, admission: Admission) -> None:
        self._config = config
        self._pool = pool
        self._admission = admission

    async def session(self, request: CouncilRequest, origin: Origin) -> Session:
        """A new session, seated and admitted, not stored yet. Raises `InvalidRequest`,
        `ModelNotInstalled`, `NoModelServer`, `QueueFull`."""
        return await self._by_reports(lambda reports: self._admitted(request, origin, reports))

    async def model(self, name: str) -> str:
        """The whole name of the installed model that `name` means. Raises `ModelNotInstalled`."""
        return await self._by_reports(lambda reports: _resolve(name, reports))

    async def catalogue(self) -> ModelCatalogue:
        return catalogue(self._offered(await self._pool.reports()))

    async def possible(self) -> bool:
        """Whether some PC's model server is there and has a model."""
        return bool(_installed(self._offered(await self._pool.reports())))

    async def _by_reports(self, choose: Callable[[Reports], T]) -> T:
        """`choose` by what the PCs told last; if a model is missing there, by what they tell now:
        a PC may just have joined, a model just have been pulled."""
        try:
            return choose(self._offered(await self._pool.reports()))
        except (ModelNotInstalled, NoModelServer):
            reports = await self._pool.reports(fresh=True)
        offered = self._offered(reports)
        try:
            return choose(offered)
        except (ModelNotInstalled, NoModelServer) as error:
            away = ", ".join(report.name for report in reports if report not in offered)
            if not away:
                raise
            raise type(error)(f"{error.detail} Taken out (./council drain): {away}.") from None

    def _offered(self, reports: Reports) -> Reports:
        offered = tuple(report for report in reports if report.duty == "serving")
        self._admission.see(offered)
        return offered

    def _admitted(self, request: CouncilRequest, origin: Origin, reports: Reports) -> Session:
        session = begin(self._seated(request, origin, reports))
        self._admission.admit(session)
        return session

    def _seated(self, request: CouncilRequest, origin: Origin, reports: Reports) -> SessionStarted:
        config = self._config
        defaults = SeatingDefaults(
            models=config.models,
            chairman_model=config.chairman_model,
            max_agents=config.max_agents,
            max_query=config.max_query,
        )
        seating = seat(request, _installed(reports), defaults)
        at = now()
        return SessionStarted(
            session_id=str(uuid.uuid4()),
            seq=1,
            at=at,
            request=request,
            seats=seating.seats,
            chairman_model=seating.chairman_model,
            seed=secrets.randbits(32),
            deadline_at=at + timedelta(seconds=request.deadline_s or config.deadline_s),
            boot=boot_time(),
            ranking_method=config.ranking_method,
            procedure=procedure(
                request.mode, config.procedure, bool(request.answer and request.answer.format)
            ),
            origin=origin,
        )


def _installed(reports: Reports) -> tuple[InstalledModel, ...]:
    """Every model that some PC has on disk, once."""
    found = {m.name: m for report in reports if report.ollama for m in report.ollama.installed}
    return tuple(found.values())


def _resolve(model: str, reports: Reports) -> str:
    return installed_name(model, [installed.name for installed in _installed(reports)])
