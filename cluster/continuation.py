"""Whether `up` goes on with the cluster that Ray wrote down before a crash, or starts a new one.

Ray's head keeps its tables (nodes, actors, Serve's application) in `home/gcs`. Started again over
them, at the same address, the other PCs come back to it with their agents and models. That is only
right where the same program with the same settings goes on: else old code or old settings would.
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cluster.ports import Ports
from cluster.run_record import RunRecord
from cluster.settings import Settings

GCS = "gcs"
ROOT = Path(__file__).parents[1]
PROGRAM = ("actors", "cluster", "serve_app")


@dataclass(frozen=True)
class Continue:
    """The head was not stopped by `down`: it stands up again at these ports."""

    ports: Ports


@dataclass(frozen=True)
class Anew:
    """A new cluster. `why` is a sentence where one could have expected the old one to go on."""

    why: str = ""


def decide(
    record: RunRecord | None, wanted: str, is_stored: bool, taken: Iterable[int]
) -> Continue | Anew:
    """`record` of the last start, unless `down` came after it; `wanted` is the fingerprint of this
    start; `is_stored` = Ray's tables are there; `taken` = ports that other programs have."""
    if record is None or record.ports is None:
        return Anew()
    if not is_stored:
        return Anew("What Ray had written down is not there any more")
    if record.fingerprint != wanted:
        return Anew("The program or its settings are not those of before")
    if lost := sorted(set(record.ports.all()) & set(taken)):
        return Anew(f"Port {lost[0]}, which Ray's head had, is taken by another program")
    return Continue(record.ports)


def fingerprint(settings: Settings, slots: int, program: str) -> str:
    """Of everything that PC1's processes are started with: the same = they may go on."""
    told = settings.environment()
    parts = [told, slots, program, version("ray"), platform.python_version()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def program_hash(root: Path = ROOT) -> str:
    """Of the program's own code, as it lies on the disk."""
    total = hashlib.sha256()
    for path in sorted(path for folder in PROGRAM for path in (root / folder).rglob("*.py")):
        code = path.read_bytes()
        total.update(f"{path.relative_to(root)} {len(code)}\n".encode() + code)
    return total.hexdigest()


def tables(home: Path) -> Path:
    """Where Ray's head keeps its tables (RocksDB)."""
    return home / GCS


def is_stored(home: Path) -> bool:
    return (tables(home) / "session_name").is_file()


def forget(home: Path) -> None:
    """Only while none of ours runs."""
    shutil.rmtree(tables(home), ignore_errors=True)
