"""Idle workers are told apart from all else that a Ray node has started: real processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from actors.pc.leftovers import TITLE, end_idle_workers


@contextmanager
def children(*titles: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Children of this process that wait, under these names."""
    wait = ["-c", "import sys; print(flush=True); sys.stdin.read()"]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen([title, *wait], executable=sys.executable, stdin=pipe, stdout=pipe)
        for title in titles
    ]
    try:
        for child in started:
            assert child.stdout is not None
            child.stdout.readline()
        yield started
    finally:
        for child in started:
            child.kill()
            child.communicate()


def test_idle_workers_are_ended_and_nobody_else() -> None:
    with children(TITLE, "ray::OllamaAgent", "ray::NodeProbe", TITLE) as (one, agent, probe, other):
        assert end_idle_workers(os.getpid(), older_than_s=0) == 2
        assert (one.wait(10), other.wait(10)) == (-9, -9)
        assert (agent.poll(), probe.poll()) == (None, None)


def test_a_worker_that_has_just_begun_may_be_wanted() -> None:
    with children(TITLE) as (young,):
        age_s = time.time() - psutil.Process(young.pid).create_time()
        assert end_idle_workers(os.getpid(), older_than_s=age_s + 60) == 0
        assert young.poll() is None


def test_what_ended_by_itself_is_not_counted() -> None:
    with children(TITLE) as (ended,):
        ended.kill()
        while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
            os.sched_yield()
        assert end_idle_workers(os.getpid(), older_than_s=0) == 0


def test_a_node_that_is_gone_says_so() -> None:
    with pytest.raises(psutil.NoSuchProcess):
        end_idle_workers(2**22 + 1, older_than_s=0)
