"""A terminal of a given size that a command runs on, and a council in memory for it to ask.

The terminal is the kernel's (a pty): what the command writes comes back byte by byte.
"""

import asyncio
import errno
import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.fake_council import FakeCouncil

ROOT = Path(__file__).parents[1]
ONE_BY_ONE = """
import sys
from serve_app.__main__ import main
for words in sys.argv[1:]:
    sys.argv = ["council", *words.split()]
    main()
"""


def plain_environment(**changes: str) -> dict[str, str]:
    """Without what decides how terminals and councils are, but for the changes."""
    decides = ("COUNCIL_", "OLLAMA_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "TTY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(decides)}
    return {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **changes}


def commands(*several: str) -> list[str]:
    """A process that runs one `./council` command after the other: Python starts once."""
    return [sys.executable, "-c", ONE_BY_ONE, *several]


def _takes_the_terminal() -> None:
    """In the child: its standard input is the terminal of its session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A command on a terminal."""

    def __init__(
        self, command: Sequence[str], env: dict[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self.shown = ""
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (lines, columns))
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=_takes_the_terminal,
        )  # fmt: skip
        os.close(slave)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, text: str, within_s: float = 30) -> str:
        """All that was shown, once `text` is in it."""
        ends = time.monotonic() + within_s
        while text not in self.shown:
            assert self._read(ends - time.monotonic()), f"{text!r} is not in {self.shown!r}"
        return self.shown

    def end(self, within_s: float = 30) -> str:
        """All that was shown, once the command has ended."""
        ends = time.monotonic() + within_s
        while self._read(ends - time.monotonic()):
            pass
        self.process.wait(max(0.1, ends - time.monotonic()))
        return self.shown

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.master)
        self.process.kill()
        self.process.wait()

    def _read(self, within_s: float) -> bool:
        """False once there is nothing more to come, in time at least."""
        if within_s <= 0 or not select.select([self.master], [], [], within_s)[0]:
            return False
        try:
            piece = os.read(self.master, 65536)
        except OSError as error:
            assert error.errno == errno.EIO, error
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@contextmanager
def on_terminal(
    command: Sequence[str], env: dict[str, str], columns: int = 80, lines: int = 24
) -> Iterator[Terminal]:
    terminal = Terminal(command, env, columns, lines)
    try:
        yield terminal
    finally:
        terminal.close()


@contextmanager
def answering(council: FakeCouncil) -> Iterator[int]:
    """Serves the HTTP interface over it from a thread of its own; yields the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = listening(build_api(council, ApiConfig("1", "3.11", "2.60.0")), "127.0.0.1", 0)
    try:
        yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(20)
    finally:
        leave = served.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(leave, loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
