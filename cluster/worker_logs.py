"""Our lines of the log in a process that Ray starts: in its worker's file, where Ray's own are."""

import ray

from cluster import process_logs


def install() -> None:
    """Ray calls it when the process begins, before that is told which actor it is."""
    process_logs.install(actor_name)


def actor_name() -> str:
    """Of this process's actor; `worker` before it is one."""
    return ray.get_runtime_context().get_actor_name() or "worker"
