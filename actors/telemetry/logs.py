"""Lines of the log: JSON for programs, text for people, each with whom it is about.

The standard library's logging, and what libraries warn of through it. Ray's own loggers have
handlers of their own and keep them, so no line comes twice.
"""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal, TextIO

from actors.telemetry.about import now_about

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

OURS = ("actors", "cluster", "serve_app")
"""The loggers that the level is for; libraries are heard from WARNING on."""


@dataclass(frozen=True)
class Speaker:
    """Which PC and which process writes. `process` is asked at each line: a process that Ray starts
    learns later which actor it is."""

    pc: str
    process: Callable[[], str]


class JsonLines(logging.Formatter):
    """One JSON object a line; what is not known is left out."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._speaker = speaker

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pc": self._speaker.pc,
            "process": self._speaker.process(),
            **asdict(now_about()),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        known = {name: text for name, text in told.items() if text is not None}
        return json.dumps(known, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """One line for people; what would end it, or command a terminal, is shown as such."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._speaker = speaker

    def format(self, record: logging.LogRecord) -> str:
        about = asdict(now_about())
        ids = " ".join(f"{name}={text}" for name, text in about.items() if text is not None)
        where = f"{self._speaker.pc}/{self._speaker.process()} {record.name}"
        line = f"{_time(record)} {record.levelname} {where}: {_shown(record.getMessage())}"
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{line} [{ids}]{trace}" if ids else line + trace


class Lines(logging.StreamHandler[TextIO]):
    """Ours, to be told from others."""


def install(
    speaker: Speaker, form: LogFormat, level: LogLevel, stream: TextIO | None = None
) -> None:
    """Makes this process's log such lines, on standard error or `stream`. Again changes them."""
    lines = Lines(stream or sys.stderr)
    plain = form == "text" or (form == "auto" and lines.stream.isatty())
    lines.setFormatter(PlainLines(speaker) if plain else JsonLines(speaker))
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Lines)]:
        root.removeHandler(handler)
    root.addHandler(lines)
    for name in OURS:
        logging.getLogger(name).setLevel(level)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(message: str) -> str:
    """A model server's words may be in it, which are not to be trusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
