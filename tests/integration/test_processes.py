"""Processes of ours on this PC: found by their mark, ended with all they started; others stay."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster import processes

pytestmark = pytest.mark.integration

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
PARENT = (
    "import subprocess, sys; "
    f"subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], start_new_session=True); " + SLEEPER
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in processes.ours(tmp_path):
        process.kill()


def start(home: Path, code: str, node: str = "pc1") -> psutil.Process:
    log = home / f"{node}-{abs(hash(code))}.log"
    mark = {processes.MARK: str(home), processes.NODE: node}
    process = processes.start([sys.executable, "-c", code], mark, log)
    lines = code.count("print('up'")
    wait_for(lambda: log.read_text().count("up") >= lines)
    return process


def wait_for(condition, timeout_s: float = 20) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def pids(home: Path, node: str | None = None) -> set[int]:
    return {process.pid for process in processes.ours(home, node)}


def test_a_started_process_is_found_by_its_home_and_node(home: Path) -> None:
    one, two = start(home, SLEEPER, "pc1"), start(home, SLEEPER + " ", "pc2")
    assert pids(home) == {one.pid, two.pid}
    assert pids(home, "pc2") == {two.pid}
    assert pids(home / "other") == set()


def test_it_lives_in_a_session_of_its_own_so_that_a_closed_terminal_does_not_end_it(
    home: Path,
) -> None:
    process = start(home, SLEEPER)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_ending_takes_the_children_too_also_those_in_other_sessions(home: Path) -> None:
    start(home, PARENT)
    wait_for(lambda: len(pids(home)) == 2)
    assert processes.end_all(home) == 2
    assert pids(home) == set()


def test_what_ignores_sigterm_is_killed_after_the_grace(home: Path) -> None:
    process = start(home, STUBBORN)
    assert processes.end([process], grace_s=0.2) == 1
    assert pids(home) == set()


def test_one_node_is_ended_and_the_other_stays(home: Path) -> None:
    one, _ = start(home, SLEEPER, "pc1"), start(home, SLEEPER + " ", "pc2")
    assert processes.end_all(home, "pc2") == 1
    assert pids(home) == {one.pid}


def test_a_process_without_the_mark_is_never_touched(home: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.DEVNULL)
    try:
        processes.end_all(home)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_nothing_to_end_is_fine(home: Path) -> None:
    assert processes.end_all(home) == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="namespaces need root and unshare"
)
def test_a_council_in_a_container_with_the_same_home_path_is_left_alone(home: Path) -> None:
    contained = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, "-c", SLEEPER],
        env={**os.environ, processes.MARK: str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert contained.stdout is not None
        assert contained.stdout.readline() == "up\n"
        inside = psutil.Process(contained.pid).children()[0]
        assert inside.pid not in pids(home)
        processes.end([p for p in processes.ours(home) if p.pid != contained.pid])
        assert inside.is_running()
    finally:
        contained.send_signal(signal.SIGKILL)
        contained.wait()
        assert contained.stdout is not None
        contained.stdout.close()
