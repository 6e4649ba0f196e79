"""The folder of a benchmark: with which options it was begun, and what was run so far."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from actors.messages.message import Message
from serve_app.bench.runs import Run
from serve_app.cli.terminal import Stop

ANOTHER = "Name another folder: --out FOLDER"


class Options(Message):
    """What makes two runs comparable. How many questions are asked is not among it: there may be
    more of them later."""

    file: str
    sha256: str
    modes: tuple[str, ...]
    agents: tuple[str, ...]
    chairman: str | None
    judge: str | None
    seed: int


class Folder:
    """`runs`: what was run before. What is added is on disk when `add` returns."""

    def __init__(self, path: Path, runs: tuple[Run, ...], file: TextIO) -> None:
        self.path = path
        self.runs = list(runs)
        self._file = file

    def add(self, run: Run) -> None:
        self._file.write(run.model_dump_json() + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.runs.append(run)

    def write(self, name: str, content: str) -> None:
        (self.path / name).write_text(content, encoding="utf-8")


@contextmanager
def opened(path: Path, options: Options) -> Iterator[Folder]:
    """Raises `Stop` where another command writes there, or one with other options has written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / "runs.jsonl").open("a+", encoding="utf-8")
    except OSError as error:
        raise Stop(f"{path} cannot be used: {error.strerror}.", ANOTHER) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Stop(f"Another ./council bench writes into {path} now.", ANOTHER) from None
        runs = _read(path, file)
        if runs:
            _compare(path, options)
        (path / "options.json").write_text(options.model_dump_json(indent=2), encoding="utf-8")
        yield Folder(path, runs, file)


def _read(path: Path, file: TextIO) -> tuple[Run, ...]:
    """A last line that was torn by a crash is cut off."""
    file.seek(0)
    text = file.read()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.truncate(len(whole.encode()))
    try:
        return tuple(Run.model_validate_json(line) for line in whole.splitlines())
    except ValidationError:
        raise Stop(f"{path / 'runs.jsonl'} is not what this command wrote.", ANOTHER) from None


def _compare(path: Path, options: Options) -> None:
    try:
        before: dict[str, Any] = json.loads((path / "options.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    now = json.loads(options.model_dump_json())
    if other := [name for name in now if before.get(name) != now[name] and name != "file"]:
        names = ", ".join(name if name != "sha256" else "the questions" for name in other)
        raise Stop(f"{path} holds a run with other options ({names}).", ANOTHER)
