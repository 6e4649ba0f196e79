"""`./council backup`, `restore`: the sessions of this PC into a file, and back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from actors.errors import StoreUnavailable
from actors.store.session_contents import Contents
from actors.store.session_copy import copy, put_back
from cluster import processes
from cluster.secret_files import home_directory
from cluster.settings import Settings
from serve_app.cli.terminal import Stop, say, step, tell
from serve_app.cli.up import only_one

STORE = "sessions.db"
LOCK_WAIT_S = 5.0


def backup(settings: Settings, target: Path, replace: bool) -> None:
    """While the council runs or not. Raises `Stop`; then `target` is as it was."""
    store, target = settings.home / STORE, target.expanduser().absolute()
    if not store.exists():
        raise Stop(
            f"There are no sessions in {settings.home}.",
            "They are on the PC where ./council up was typed (or COUNCIL_HOME is another one).",
        )
    _refuse_own(store, target)
    if target.exists() and not replace:
        raise Stop(f"{target} is there already.", "To replace it: add --force")
    with _in_words(), step("Copying", "Copied, and the copy was checked"):
        found = copy(store, target, LOCK_WAIT_S)
    say(f"{target}: {_told(found)}.")
    tell("To put it back: ./council down, then ./council restore <that file>")
    tell("Questions and answers are in it; keys and tokens are not.")


def restore(settings: Settings, source: Path) -> None:
    """Only while no council runs here. Raises `Stop`; then all is as it was."""
    store, source = settings.home / STORE, source.expanduser().absolute()
    if not source.is_file():
        raise Stop(f"There is no file {source}.")
    _refuse_own(store, source)
    home_directory(settings.home)
    aside = store.with_name(f"{STORE}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with only_one(settings.home):
        _refuse_while_open(settings, store)
        with _in_words(), step("Putting back", "Put back, and checked"):
            found = put_back(source, store, aside, LOCK_WAIT_S)
    say(f"{store}: {_told(found)}.")
    if aside.exists():
        say(f"What was there before is kept: {aside}")
    if found.open_sessions:
        tell("The open ones go on at the next ./council up.")


def _told(found: Contents) -> str:
    sessions = "1 session" if found.sessions == 1 else f"{found.sessions:,} sessions"
    return f"{sessions} ({found.open_sessions:,} open), {found.file_bytes:,} bytes"


def _refuse_own(store: Path, other: Path) -> None:
    own = [store, *(store.with_name(f"{STORE}-{end}") for end in ("wal", "shm", "journal"))]
    if other.resolve() in [path.resolve() for path in own]:
        raise Stop(f"{other} is what the council itself writes.", "Name another file.")
    if other.is_dir():
        raise Stop(f"{other} is a folder.", f"Name a file: {other / 'sessions.backup'}")


def _refuse_while_open(settings: Settings, store: Path) -> None:
    if processes.ours(settings.home):
        raise Stop("The council runs.", "Stop it first: ./council down")
    if (holder := _holder(store)) is not None:
        raise Stop(f"The process {holder} has {store} open.", "End it first.")


def _holder(store: Path) -> int | None:
    """Another process of this user's that has the file open."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and str(store) in [f.path for f in process.open_files()]:
                return process.pid
    return None


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise Stop(str(error)) from None
