"""Whom a chaos run may kill: the processes of a council in simulated PCs, by what they are."""

from collections.abc import Iterable

import psutil

from tests.cluster.hosts import Host

TITLES = {
    "orchestrator": "ray::CouncilOrchestrator",
    "chairman": "ray::ChairmanActor",
    "agent": "ray::OllamaAgent",
    "replica": "ray::ServeReplica",
    "probe": "ray::NodeProbe",
}
"""How Ray titles the process of each actor."""


def role(process: psutil.Process) -> str:
    """One of `TITLES`, `raylet`, `gcs_server`, another name; empty if it has ended. What is
    called a raylet, but was not started by `ray start`, will be a worker in a moment: a raylet has
    forked it, perhaps by way of a child that is gone. Killing it kills no raylet."""
    try:
        title = " ".join(process.cmdline()[:1])
        name = process.name()
        if name == "raylet" and not _by_ray_start(process):
            return "worker"
    except psutil.Error:
        return ""
    found = (kind for kind, start in TITLES.items() if title.startswith(start))
    return next(found, name)


def every(hosts: Iterable[Host], wanted: str) -> list[tuple[Host, psutil.Process]]:
    """The living processes of a role, with their PC."""
    return [(host, p) for host in hosts for p in host.outside() if role(p) == wanted and _lives(p)]


def _by_ray_start(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and "ray.scripts.scripts" in parent.cmdline()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
