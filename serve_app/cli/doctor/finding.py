"""What a check found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True)
class Finding:
    """A fault keeps the council from working or lets somebody in; a warning may do so one day.
    `mend`: what to do or to type."""

    about: str
    state: State
    says: str
    mend: str = ""


def ok(about: str, says: str) -> Finding:
    return Finding(about, "ok", says)


def warning(about: str, says: str, mend: str = "") -> Finding:
    return Finding(about, "warning", says, mend)


def fault(about: str, says: str, mend: str = "") -> Finding:
    return Finding(about, "fault", says, mend)
