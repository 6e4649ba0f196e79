"""Creates the actors: the only place that says where each lives, and how it is restarted.

Every actor is detached and named, needs no CPU of Ray's, and is pinned by a resource.
"""

from functools import partial
from typing import Any

from ray.actor import ActorHandle

from actors.agent import AgentConfig, RemoteOllamaAgent
from actors.probe import LocalNode, RemoteNodeProbe
from cluster.nodes import OLLAMA, PC, NodeView
from cluster.settings import Settings

NAMESPACE = "council"
AGENT = "agent:"
PROBE = "probe:"
TOUCH = 0.001
"""Of a PC's own resource: enough to be pinned there, too little to run out."""
_CALLS = 1000
"""Calls at once to one actor; each actor bounds its own work itself."""


def agent_name(node: str, model: str) -> str:
    return f"{AGENT}{node}:{model}"


def agent_place(name: str) -> tuple[str, str] | None:
    """(PC, model) from an agent's name. A PC's name has no colon."""
    node, colon, model = name.removeprefix(AGENT).partition(":")
    return (node, model) if name.startswith(AGENT) and colon else None


def start_agent(config: AgentConfig) -> ActorHandle:
    """The agent for a model on a PC: the one that is there, or a new one, taking one of the models
    that the PC may keep loaded. Returns at once."""
    where = {OLLAMA: 1, PC + config.node: TOUCH}
    options = detached(agent_name(config.node, config.model), where)
    return RemoteOllamaAgent.options(**options).remote(config)


def start_probe(node: NodeView) -> ActorHandle:
    """The probe of a PC: the one that is there, or a new one. Returns at once."""
    options = detached(f"{PROBE}{node.name}", {PC + node.name: TOUCH})
    return RemoteNodeProbe.options(**options).remote(partial(local_node, node))


def local_node(node: NodeView) -> LocalNode:
    """What the PC's own environment says. Called there."""
    settings = Settings.load()
    return LocalNode(
        name=node.name,
        ip=node.ip,
        role="head" if node.is_head else "worker",
        ollama_url=settings.ollama_url,
        max_models=node.ollama,
        num_parallel=settings.num_parallel,
        disk=next(path for path in (settings.home, *settings.home.parents) if path.exists()),
    )


def detached(name: str, resources: dict[str, float]) -> dict[str, Any]:
    """The options of every actor of ours: it outlives its maker, and Ray restarts it."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "resources": resources,
        "max_restarts": -1,
        "max_task_retries": 0,
        "max_concurrency": _CALLS,
    }
