"""The council's own actors on PC1: connects to Ray, starts the chairman and the orchestrator."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle

from actors.chairman import RemoteChairmanActor
from actors.messages.configs import OrchestratorConfig
from actors.messages.procedure import ProcedureDefaults
from actors.meters.catalogue import OF_COUNCIL
from actors.meters.ray_metrics import RayMetrics
from actors.mistakes import told
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import RemoteCouncilOrchestrator
from actors.remote import RemoteChairman
from actors.telemetry.traces import Collector
from actors.telemetry.variables import wanted
from cluster import prices
from cluster.drains import FILE as DRAINS
from cluster.launch import NAMESPACE, TOUCH, detached
from cluster.nodes import HEAD
from cluster.pool import PoolConfig
from cluster.ray_pool import RayPool
from cluster.settings import Settings

log = logging.getLogger(__name__)

ORCHESTRATOR = "orchestrator"
CHAIRMAN = "chairman"
READY_S = 90.0
"""For an actor's process to start and answer."""
ROOT = Path(__file__).parents[1]
LOGS = "cluster.worker_logs.install"
"""What each of our processes under Ray does first."""
EXCLUDED = [".git", ".venv", ".ci", "tests", "benchmarks", "requirements", "**/__pycache__"]


def connect(settings: Settings) -> None:
    """Makes this process a driver of the council's Ray. Nodes get our code from this checkout.
    Raises `ConnectionError` when there is no head."""
    ray.init(
        address=settings.ray_address,
        namespace=NAMESPACE,
        runtime_env={
            "working_dir": str(ROOT),
            "excludes": EXCLUDED,
            "worker_process_setup_hook": LOGS,
        },
        log_to_driver=False,
        logging_level="warning",
    )


def start_council(settings: Settings) -> ActorHandle:
    """The orchestrator, once it answers; those that run already are kept. Raises `RayActorError`
    if one cannot start."""
    here: dict[str, float] = {HEAD: TOUCH}
    chairman = RemoteChairmanActor.options(**detached(CHAIRMAN, here)).remote()
    orchestrator = RemoteCouncilOrchestrator.options(**detached(ORCHESTRATOR, here)).remote(
        orchestrator_config(settings),
        partial(_pool, settings),
        RemoteChairman(chairman),
        partial(collector, settings),
        partial(RayMetrics, OF_COUNCIL),
    )
    ray.get(orchestrator.__ray_ready__.remote(), timeout=READY_S)
    return orchestrator


def find_orchestrator() -> Any:
    """Its handle. Raises ValueError where there is none."""
    return ray.get_actor(ORCHESTRATOR, NAMESPACE)


def orchestrator_config(settings: Settings) -> OrchestratorConfig:
    """Raises `InvalidSettings` where the table of prices cannot be used."""
    return OrchestratorConfig(
        store_path=settings.home / "sessions.db",
        models=settings.models,
        chairman_model=settings.chairman_model,
        max_agents=settings.max_agents,
        max_query=settings.max_query,
        deadline_s=settings.deadline_s,
        num_predict=settings.num_predict,
        max_queue_s=settings.max_queue_s or settings.deadline_s / 2,
        max_open=settings.max_open,
        ranking_method=settings.ranking,
        procedure=ProcedureDefaults(
            mode=settings.mode,
            review=settings.review,
            critique=True,
            guard=settings.guard,
            early_stop=settings.early_stop,
        ),
        prices=prices.read(settings),
        cache_ttl_s=settings.cache_ttl_s,
    )


def _pool(settings: Settings) -> RayPool:
    deadlines = Deadlines(generation_s=settings.generation_timeout_s)
    config = PoolConfig(num_ctx=settings.num_ctx, drains=settings.home / DRAINS)
    return RayPool(config, deadlines)


def collector(settings: Settings) -> Collector | None:
    """Made in the orchestrator's process, whatever Ray was started with. A key among the variables
    is in the actor's arguments, and so in no list of processes, log or dashboard."""
    with settings.opentelemetry() as variables:
        if not wanted(variables):
            return None
        from actors.telemetry.otlp import OtlpCollector  # takes a moment; few want it

        try:
            return OtlpCollector(variables)
        except Exception as error:  # the rim: a variable that the SDK refuses stops no council
            log.warning("no traces, OTEL_ variables cannot be used: %s", told(error))
            return None
