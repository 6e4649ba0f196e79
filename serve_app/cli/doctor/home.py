"""Checks of the council's home on this PC: disk, modes, secrets, sessions. Knows no network."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from actors.errors import StoreUnavailable
from actors.store.answers import FILE as CACHE
from actors.store.session_contents import Contents, contents
from actors.store.session_file import SCHEMA_VERSION
from cluster import api_keys
from cluster.api_keys import KeyFileUnreadable
from cluster.secret_files import KEY, TOKEN
from serve_app.cli.doctor.finding import Finding, fault, ok, warning

STORE = "sessions.db"
DATABASES = [f"{name}{beside}" for name in (STORE, CACHE) for beside in ("", "-wal", "-shm")]
PRIVATE = (TOKEN, KEY, api_keys.FILE, *DATABASES, "run.json")
"""What only the owner may read: secrets, questions and answers."""
MIB, GIB = 2**20, 2**30
LEAST_BYTES, FEW_BYTES = 200 * MIB, 2 * GIB
LONG_LOG_BYTES = 64 * MIB
LOCK_WAIT_S = 5.0


def check(home: Path, council_runs: bool) -> Iterator[Finding]:
    yield disk(home, shutil.disk_usage(_that_exists(home)).free)
    if not home.is_dir():
        yield ok("home", f"{home} is not there yet: ./council up makes it")
        return
    yield from modes(home)
    yield from secrets(home)
    yield store(home / STORE, council_runs)


def disk(home: Path, free_bytes: int) -> Finding:
    says = f"{free_bytes / GIB:,.1f} GiB free for {home}"
    mend = "Make room, or set COUNCIL_HOME to a folder on another disk."
    if free_bytes < LEAST_BYTES:
        return fault("disk", says, mend)
    return warning("disk", says, mend) if free_bytes < FEW_BYTES else ok("disk", says)


def modes(home: Path) -> Iterator[Finding]:
    """One finding for each file that others may read; one if there is none."""
    found = list(filter(None, [_open_to_others(home, 0o700), *_files_open_to_others(home)]))
    if not found and home.stat().st_uid != os.getuid():
        found = [fault("home", f"{home} belongs to another user", f"chown -R $USER {home}")]
    yield from found or [ok("home", f"{home} and its secrets are for their owner alone")]


def secrets(home: Path) -> Iterator[Finding]:
    """One finding for each that cannot be used."""
    for name, again in ((TOKEN, "./council token"), (KEY, "./council up")):
        path = home / name
        if path.is_file() and not path.read_bytes().strip():
            yield fault("secrets", f"{path} is empty", f"rm {path}; {again} makes another.")
    try:
        api_keys.read(home)
    except (KeyFileUnreadable, OSError) as error:
        path = api_keys.path(home)
        yield fault("secrets", str(error), f"Until then no key opens. Move {path} away; up again.")


def store(path: Path, council_runs: bool) -> Finding:
    """Every page of it is read; a council that writes there is not disturbed."""
    if not path.exists():
        return ok("sessions", "none was kept yet")
    try:
        return kept(path, contents(path, LOCK_WAIT_S), council_runs)
    except StoreUnavailable as error:
        return fault("sessions", str(error))


def kept(path: Path, found: Contents, council_runs: bool) -> Finding:
    says = (
        f"{found.sessions:,} kept, {found.open_sessions:,} open, whole"
        f" ({found.file_bytes / MIB:,.1f} MiB, log {found.log_bytes / MIB:,.1f} MiB;"
        f" schema {found.schema}, epoch {'–' if found.epoch is None else found.epoch})"
    )
    if found.log_bytes > LONG_LOG_BYTES:
        mend = f"End what has {path} open for long (a copy, a viewer); it shrinks at the next up."
        return warning("sessions", f"{says}; the log has not been written back for long", mend)
    if found.schema < SCHEMA_VERSION:
        return ok("sessions", f"{says}; of an older release: up brings it to {SCHEMA_VERSION}")
    if found.open_sessions and not council_runs:
        return warning("sessions", says, "The open ones go on with: ./council up")
    return ok("sessions", says)


def _files_open_to_others(home: Path) -> Iterator[Finding | None]:
    for name in PRIVATE:
        if (home / name).is_file():
            yield _open_to_others(home / name, 0o600)


def _open_to_others(path: Path, wanted: int) -> Finding | None:
    mode = path.stat().st_mode & 0o777
    if not mode & 0o077:
        return None
    says = f"{path} is open to other users of this PC ({mode:04o})"
    return fault("home", says, f"chmod {wanted:o} {path}")


def _that_exists(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
