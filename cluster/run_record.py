"""What `up` wrote down about the council that runs here, for the other commands (`run.json`)."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cluster.secret_files import keep


class RunRecord(BaseModel):
    """`ray_address` is host:port of the head; `engine` says which model server PC1 uses."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    api_url: str
    dashboard_url: str
    ray_address: str
    node_name: str
    lan: bool
    engine: str
    started_at: str


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
