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

from actors.mistakes import told
from actors.telemetry.about import now_about

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

OURS = ("actors", "cluster", "serve_app")
"""The loggers that the level is for; libraries are heard from WARNING on."""
ASYNCIO = "asyncio"
"""After its first line it says what tasks and exceptions are like."""


@dataclass(frozen=True)
class Speaker:
    """Which PC and which process writes. `process` is asked at each line: a process that Ray starts
    learns later which actor it is."""

    pc: str
    process: Callable[[], str]


class Discreet(logging.Formatter):
    """What a record says. What an exception says may hold a question or an answer, so it is told
    (`whole`) only where those may be read; else its kind, and where in the code."""

    def __init__(self, speaker: Speaker, whole: bool) -> None:
        super().__init__()
        self._speaker = speaker
        self._whole = whole

    def message(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        return message if self._whole or record.name != ASYNCIO else message.partition("\n")[0]

    def exception(self, record: logging.LogRecord) -> str | None:
        if not record.exc_info or record.exc_info[1] is None:
            return None
        return self.formatException(record.exc_info) if self._whole else told(record.exc_info[1])


class JsonLines(Discreet):
    """One JSON object a line; what is not known is left out."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message(record),
            "pc": self._speaker.pc,
            "process": self._speaker.process(),
            **asdict(now_about()),
            "exception": self.exception(record),
        }
        known = {name: text for name, text in said.items() if text is not None}
        return json.dumps(known, ensure_ascii=False)


class PlainLines(Discreet):
    """One line for people; what would end it, or command a terminal, is shown as such."""

    def format(self, record: logging.LogRecord) -> str:
        about = asdict(now_about())
        ids = " ".join(f"{name}={text}" for name, text in about.items() if text is not None)
        where = f"{self._speaker.pc}/{self._speaker.process()} {record.name}"
        line = f"{_time(record)} {record.levelname} {where}: {_shown(self.message(record))}"
        exception = self.exception(record)
        trace = f"\n{exception}" if exception else ""
        return f"{line} [{ids}]{trace}" if ids else line + trace


class Lines(logging.StreamHandler[TextIO]):
    """Ours, to be told from others."""


def install(
    speaker: Speaker, form: LogFormat, level: LogLevel, stream: TextIO | None = None
) -> None:
    """Makes this process's log such lines, on standard error or `stream`. Again changes them."""
    lines = Lines(stream or sys.stderr)
    plain = form == "text" or (form == "auto" and lines.stream.isatty())
    lines.setFormatter((PlainLines if plain else JsonLines)(speaker, level == "DEBUG"))
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
