"""Boxes of namespaces, and commands at work in them. Knows nothing of networks and PCs."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
CLONE_NEWNET = 0x40000000


def until(ask: Callable[[], T], within_s: float, what: str) -> T:
    """The first true answer; fails after `within_s`, saying for what was waited."""
    ends_at = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < ends_at, f"not within {within_s:g} s: {what}; last: {answer!r}"
        time.sleep(0.1)
    return answer


class Box:
    """Namespaces held open by a process that dies with us. `pid` is their init's."""

    def __init__(self, namespaces: Sequence[str] = (), script: str = "") -> None:
        """`script` furnishes the box. Its init ignores SIGCHLD: no orphan stays a zombie."""
        hold = f"set -e; {script} trap '' CHLD; echo ready; exec sleep infinity"
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--kill-child", "--fork", "--net"]
            + [*namespaces, "sh", "-c", hold],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline().decode(errors="replace").strip()
        if said != "ready":
            self.close()
        assert said == "ready", said
        self.pid = psutil.Process(self._holder.pid).children()[0].pid

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout:
            self._holder.stdout.close()


class Running:
    """A command at work in a box, its output in a file."""

    def __init__(self, words: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._outside = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, text: str, within_s: float, times: int = 1) -> None:
        """Waits until the text was said that often; fails at once if the command ends before."""
        until(
            lambda: self.said().count(text) >= times or self._outside.poll() is not None,
            within_s,
            f"{text!r} in:\n{self.said()}",
        )
        assert self.said().count(text) >= times, self.said()

    def send(self, number: signal.Signals) -> None:
        """A signal to the command itself, as from its terminal."""
        for process in psutil.Process(self._outside.pid).children():
            process.send_signal(number)

    def end_inside(self) -> None:
        self.send(signal.SIGTERM)
        self.wait(20)

    def wait(self, within_s: float) -> int:
        return self._outside.wait(within_s)

    def lives(self, within_s: float) -> bool:
        """Whether it is still there after so long."""
        try:
            self.wait(within_s)
        except subprocess.TimeoutExpired:
            return True
        return False

    def end(self) -> None:
        self._outside.kill()
        self._outside.wait()


def enter_network(pid: int) -> None:
    """This thread's sockets are opened in that process's network from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        assert libc.setns(namespace, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(namespace)
