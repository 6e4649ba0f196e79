"""Workers that Ray holds for an actor which nobody waits for any more: they are ended.

When Ray's head dies while a PC's node is about to give it a worker for an actor, that worker stays
leased for ever, idle, with the actor's resources: the PC has one place less for a model (seen in
Ray 2.60: `ray::IDLE` processes in the node's own list of what is in use). A node loses nothing by
the end of an idle worker: it starts another one when it needs one.
"""

import time
from collections.abc import Iterator

import psutil

TITLE = "ray::IDLE"
"""What Ray's workers call themselves between two tasks."""


def end_idle_workers(node_pid: int, older_than_s: float) -> int:
    """Ends the idle workers of the Ray node process `node_pid` that began that long ago, and tells
    how many there were."""
    ended = 0
    for worker in _idle_workers(node_pid, time.time() - older_than_s):
        try:
            worker.kill()
            ended += 1
        except psutil.NoSuchProcess:
            continue
    return ended


def _idle_workers(node_pid: int, before: float) -> Iterator[psutil.Process]:
    for child in psutil.Process(node_pid).children():
        try:
            is_idle = child.cmdline()[:1] == [TITLE] and child.status() != psutil.STATUS_ZOMBIE
            if is_idle and child.create_time() <= before:
                yield child
        except psutil.NoSuchProcess:
            continue
