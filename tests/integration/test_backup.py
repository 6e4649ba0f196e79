"""`./council backup` where the disk has no room, and where it is killed: what was there stays."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.store.session_contents import contents
from actors.store.sessions import SessionStore
from tests.session_events import Summaries, started

pytestmark = pytest.mark.wire

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """About 12 MB of sessions."""
    asyncio.run(write(tmp_path / "home" / "sessions.db"))
    return tmp_path / "home"


async def write(path: Path) -> None:
    store = SessionStore(path, Summaries())
    await store.open()
    for _ in range(400):
        await store.create(started("x" * 30_000))
    await store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a small disk can be mounted by root on Linux only")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "council-test", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()[:200]}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def backup(home: Path, target: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "serve_app", "backup", "--force", str(target)],
        env={**os.environ, "COUNCIL_HOME": str(home)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_row_28_a_backup_that_does_not_fit_says_so_and_leaves_the_one_before(
    home: Path, disk: Path
) -> None:
    (disk / "copy").write_text("before")
    made = backup(home, disk / "copy")
    _, said = made.communicate(timeout=60)
    assert made.returncode == 1
    assert "The disk is full" in said and "Traceback" not in said
    assert [path.name for path in disk.iterdir()] == ["copy"]
    assert (disk / "copy").read_text() == "before"
    assert shutil.disk_usage(disk).free > 2_000_000


def killed_half_way(home: Path, target: Path) -> bool:
    """SIGKILL as soon as there are bytes of the new copy; whether it came before the end."""
    made = backup(home, target)
    until = time.monotonic() + 60
    while not any(path.stat().st_size for path in target.parent.glob(f".{target.name}.*")):
        assert made.poll() is None and time.monotonic() < until
    made.send_signal(signal.SIGKILL)
    made.communicate()
    return made.returncode == -signal.SIGKILL


def test_a_backup_that_is_killed_half_way_leaves_the_one_before_and_the_sessions(
    home: Path, tmp_path: Path
) -> None:
    """On a busy PC the kill may come too late: then it is tried on another file."""
    targets = [tmp_path / f"copies-{number}" / "copy" for number in range(9)]
    for target in targets:
        target.parent.mkdir()
        target.write_text("before")
    target = next(target for target in targets if killed_half_way(home, target))
    assert target.read_text() == "before"
    again = backup(home, target)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert contents(target, 1).sessions == 400
    assert contents(home / "sessions.db", 1).sessions == 400
