"""What `up` wrote down about the council that runs here, for the other commands (`run.json`).

It stays where PC1 crashed or was only stopped, and is forgotten by `down`: so the next `up` can
tell one from the other.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cluster.ports import Ports
from cluster.secret_files import keep

STOPPING = "stopping"


class RunRecord(BaseModel):
    """`ray_address` is host:port of the head; `engine` says which model server PC1 uses. `ports`
    are the head's; `fingerprint` is `continuation.fingerprint` of what was started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    api_url: str
    dashboard_url: str
    ray_address: str
    node_name: str
    lan: bool
    engine: str
    started_at: str
    ports: Ports | None = None
    fingerprint: str = ""


def write(home: Path, record: RunRecord) -> None:
    keep(home / "run.json", record.model_dump_json(indent=2))


def read(home: Path) -> RunRecord | None:
    """None where nothing (readable) is written down."""
    try:
        return RunRecord.model_validate(json.loads((home / "run.json").read_text()))
    except (OSError, ValueError, ValidationError):
        return None


def forget(home: Path) -> None:
    (home / "run.json").unlink(missing_ok=True)


def stop_begins(home: Path) -> None:
    """From now on PC1's API takes no question any more."""
    keep(home / STOPPING, "")


def stop_is_over(home: Path) -> None:
    (home / STOPPING).unlink(missing_ok=True)


def is_stopping(home: Path) -> bool:
    return (home / STOPPING).exists()
