"""The processes of a council on this PC: started under a mark, found by it, ended by it.

Each carries `COUNCIL_RUN=<home>` in its environment, and so do its children. Nothing without the
mark is ever signalled: another Ray on this PC is left alone. Nor is what runs in a container on
this PC, where the same path is another home.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from cluster.settings import JOIN_TOKEN, inherited_environment

MARK = "COUNCIL_RUN"
NODE = "COUNCIL_NODE_NAME"

Process = psutil.Process

_children: list[subprocess.Popen[bytes]] = []
"""What this process itself started and has not been seen to end: kept so that it is reaped."""


def start(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    """Starts a command in a session of its own, output to `log`; it outlives this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env={**inherited_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=Path(__file__).parents[1],
        )
    _children[:] = [child, *(before for before in _children if before.poll() is None)]
    return psutil.Process(child.pid)


def ours(home: Path, node: str | None = None) -> list[Process]:
    """This user's processes with the mark of `home` (and of one node), but this one's own line."""
    me = psutil.Process()
    line = {me.pid, *(parent.pid for parent in me.parents())}
    return [p for p in psutil.process_iter() if p.pid not in line and _is_ours(p, home, node)]


def command_lines(home: Path) -> list[str]:
    """What our processes are, as `ps` shows them."""
    lines = []
    for process in ours(home):
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return lines


def end(found: Iterable[Process], grace_s: float = 12.0) -> int:
    """Ends these processes and returns how many there were. Those that started the others are
    asked first (they end those themselves) and get `grace_s`; then the rest; what stays is killed.
    """
    left = list(found)
    count = len(left)
    roots = _roots(left)
    _ask(roots)
    _still_there(roots, grace_s)
    left = _still_there(left, 0.5)
    _ask(left)
    left = _still_there(left, 3.0)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _still_there(left, 5.0)
    return count


def end_all(home: Path, node: str | None = None) -> int:
    """Ends whatever is ours, and what those started while they were being ended."""
    count = 0
    for _ in range(3):
        found = ours(home, node)
        if not found:
            break
        count += end(found)
    return count


def carry_mark(home: Path, node: str, token: str | None = None) -> None:
    """Makes this very process one of ours (it starts again under the mark), so that `down` finds
    it too. Returns at once if it is already. A token on its command line, which every user of this
    PC can read, goes on in its environment, which only this user can."""
    environment, words = inherited_environment(), without_option(sys.orig_argv[1:], "--token")
    marked = (environment.get(MARK), environment.get(NODE)) == (str(home), node)
    if not marked or words != sys.orig_argv[1:]:
        ours = {**environment, MARK: str(home), NODE: node}
        if token is not None:
            ours[JOIN_TOKEN] = token
        os.execve(sys.executable, [sys.executable, *words], ours)


def without_option(words: list[str], option: str) -> list[str]:
    """A command line without `--option value` and `--option=value`."""
    pairs = zip(["", *words], words, strict=False)
    return [
        word
        for before, word in pairs
        if option not in (before, word) and not word.startswith(option + "=")
    ]


def _is_ours(process: Process, home: Path, node: str | None) -> bool:
    try:
        if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        environment = process.environ()
        if environment.get(MARK) != str(home) or not _same_namespaces(process.pid):
            return False
    except (psutil.Error, OSError):
        return False
    return node is None or environment.get(NODE) == node


def _same_namespaces(pid: int) -> bool:
    """Whether a process sees the same folders and processes as this one (Linux)."""
    return all(
        os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
        for kind in ("mnt", "pid")
    )


def _roots(found: list[Process]) -> list[Process]:
    pids, roots = {process.pid for process in found}, []
    for process in found:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:
                roots.append(process)
    return roots


def _ask(found: list[Process]) -> None:
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()


def _still_there(found: list[Process], wait_s: float) -> list[Process]:
    """What has not ended after at most `wait_s`. A zombie has ended."""
    until = time.monotonic() + wait_s
    while (left := [p for p in found if _runs(p)]) and time.monotonic() < until:
        psutil.wait_procs(left, timeout=0.1)
    return left


def _runs(process: Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
