"""The council's own actors on PC1: connects to Ray, starts the chairman and the orchestrator."""

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
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import RemoteCouncilOrchestrator
from actors.remote import RemoteChairman
from cluster.drains import FILE as DRAINS
from cluster.launch import NAMESPACE, TOUCH, detached
from cluster.nodes import HEAD
from cluster.pool import PoolConfig
from cluster.ray_pool import RayPool
from cluster.settings import Settings

ORCHESTRATOR = "orchestrator"
CHAIRMAN = "chairman"
READY_S = 90.0
"""For an actor's process to start and answer."""
ROOT = Path(__file__).parents[1]
EXCLUDED = [".git", ".venv", ".ci", "tests", "benchmarks", "requirements", "**/__pycache__"]


def connect(settings: Settings) -> None:
    """Makes this process a driver of the council's Ray. Nodes get our code from this checkout.
    Raises `ConnectionError` when there is no head."""
    ray.init(
        address=settings.ray_address,
        namespace=NAMESPACE,
        runtime_env={"working_dir": str(ROOT), "excludes": EXCLUDED},
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
        partial(RayMetrics, OF_COUNCIL),
    )
    ray.get(orchestrator.__ray_ready__.remote(), timeout=READY_S)
    return orchestrator


def find_orchestrator() -> Any:
    """Its handle. Raises ValueError where there is none."""
    return ray.get_actor(ORCHESTRATOR, NAMESPACE)


def orchestrator_config(settings: Settings) -> OrchestratorConfig:
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
    )


def _pool(settings: Settings) -> RayPool:
    deadlines = Deadlines(generation_s=settings.generation_timeout_s)
    config = PoolConfig(num_ctx=settings.num_ctx, drains=settings.home / DRAINS)
    return RayPool(config, deadlines)
