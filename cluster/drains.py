"""Which PCs are being taken out (`./council drain`), kept in a file of PC1's home.

A note holds for one start of a PC: while `join` comes back by itself after a lost link it stays
out, when somebody starts it anew it serves again. The notes are about PCs, which no session knows
of, hence a file of their own beside the store. Knows nothing of agents and calls.
"""

import json
import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from actors.messages.nodes import Duty
from cluster.nodes import NodeView
from cluster.secret_files import keep

log = logging.getLogger(__name__)

FILE = "drains.json"


class Note(BaseModel):
    """`start` names the run of the PC that the note is about."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: str
    duty: Duty


_NOTES = TypeAdapter(dict[str, Note])


class Drains:
    """By PC's name. Without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._notes = _read(path) if path else {}

    def duty(self, node: NodeView) -> Duty:
        note = self._notes.get(node.name)
        return note.duty if note and note.start == _start(node) else "serving"

    def note(self, node: NodeView, duty: Duty) -> None:
        """From now on, and after a restart. Raises OSError; nothing has changed then."""
        notes = {name: note for name, note in self._notes.items() if name != node.name}
        if duty != "serving":
            notes[node.name] = Note(start=_start(node), duty=duty)
        if self._path:
            text = {name: note.model_dump() for name, note in notes.items()}
            keep(self._path, json.dumps(text, indent=2))
        self._notes = notes


def _start(node: NodeView) -> str:
    return node.start or node.node_id


def _read(path: Path) -> dict[str, Note]:
    try:
        return _NOTES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        log.warning("%s cannot be read (%s): every PC serves", path, type(error).__name__)
        return {}
