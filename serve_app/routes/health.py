"""How the service, its PCs and their model servers are."""

from typing import Literal

from fastapi import APIRouter, Response

from actors.errors import NoModelServer, StoreUnavailable
from actors.messages.message import Message
from actors.messages.nodes import (
    BreakerState,
    ClockReading,
    InstalledModel,
    LoadedModel,
    MemoryUse,
    NodeEnergy,
    NodeReport,
    ServerCaution,
)
from serve_app.routes.answers import Config, CouncilAtHand, json_answer, refusals

SERVICE = "llm-council-on-ray"


class Live(Message):
    status: Literal["ok"] = "ok"
    service: str = SERVICE
    version: str
    python: str
    ray: str


class Ready(Message):
    status: Literal["ready"] = "ready"
    checks: dict[str, bool]


class SystemOfNode(Message):
    """Sizes in bytes; null where the PC has not told yet, and `energy` where it does not tell.
    `clock`: its clock against PC1's."""

    name: str
    ip: str
    role: Literal["head", "worker"]
    cpu_percent: float | None
    memory: MemoryUse | None
    disk: MemoryUse | None
    uptime_s: int | None
    energy: NodeEnergy | None = None
    clock: ClockReading | None
    python: str | None
    ray: str | None


class SystemHealth(Message):
    nodes: tuple[SystemOfNode, ...]


class OllamaOfNode(Message):
    name: str
    url: str | None
    connected: bool
    version: str | None
    loaded: tuple[LoadedModel, ...]
    error: str | None
    error_code: str | None
    warnings: tuple[str, ...]
    cautions: tuple[ServerCaution, ...] = ()
    breaker: BreakerState


class OllamaHealth(Message):
    nodes: tuple[OllamaOfNode, ...]


class ModelsOfNode(Message):
    name: str
    models: tuple[InstalledModel, ...]


class ModelHealth(Message):
    nodes: tuple[ModelsOfNode, ...]


def health_router(prefix: str) -> APIRouter:
    """The same routes under `/health` and `/api/health`; the second is not shown in the docs."""
    router = APIRouter(prefix=prefix, tags=["health"], include_in_schema=prefix == "/health")
    router.get("", response_model=Live, responses=refusals())(live)
    for path, answer, route in (
        ("/ready", Ready, ready),
        ("/system", SystemHealth, system),
        ("/ollama", OllamaHealth, ollama),
        ("/models", ModelHealth, models),
    ):
        router.get(path, response_model=answer, responses=refusals(503))(route)
    return router


async def live(config: Config) -> Response:
    """The service answers. Asks nobody else."""
    return json_answer(
        Live(version=config.version, python=config.python_version, ray=config.ray_version)
    )


async def ready(council: CouncilAtHand) -> Response:
    """A question could be taken now: the store is writable and an agent can be seated."""
    checks = await council.readiness()
    if not checks.get("store", False):
        raise StoreUnavailable("The session store cannot be written.")
    if not all(checks.values()):
        missing = ", ".join(name for name, fine in checks.items() if not fine)
        raise NoModelServer(f"Not ready: {missing}.")
    return json_answer(Ready(checks=checks))


async def system(council: CouncilAtHand) -> Response:
    """CPU, memory, disk, uptime, clock, versions and, where it tells, energy of each PC."""
    return json_answer(SystemHealth(nodes=tuple(map(_system, await council.nodes()))))


async def ollama(council: CouncilAtHand) -> Response:
    """Each PC's model server, and what it has in memory."""
    return json_answer(OllamaHealth(nodes=tuple(map(_ollama, await council.nodes()))))


async def models(council: CouncilAtHand) -> Response:
    """What is on disk where."""
    return json_answer(ModelHealth(nodes=tuple(map(_models, await council.nodes()))))


def _system(report: NodeReport) -> SystemOfNode:
    vitals = report.vitals
    return SystemOfNode(
        name=report.name,
        ip=report.ip,
        role=report.role,
        cpu_percent=vitals and vitals.cpu_percent,
        memory=vitals and vitals.memory,
        disk=vitals and vitals.disk,
        uptime_s=vitals and vitals.uptime_s,
        energy=report.energy,
        clock=report.clock,
        python=report.python or None,
        ray=report.ray or None,
    )


def _ollama(report: NodeReport) -> OllamaOfNode:
    status = report.ollama
    return OllamaOfNode(
        name=report.name,
        url=status and status.url,
        connected=bool(status and status.connected),
        version=status and status.version,
        loaded=status.loaded if status else (),
        error=status and status.error,
        error_code=status and status.error_code,
        warnings=status.warnings if status else (),
        cautions=status.cautions if status else (),
        breaker=report.breaker,
    )


def _models(report: NodeReport) -> ModelsOfNode:
    return ModelsOfNode(name=report.name, models=report.ollama.installed if report.ollama else ())
