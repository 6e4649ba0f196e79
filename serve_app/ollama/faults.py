"""What went wrong, in the words and with the status that Ollama has for it. Knows no HTTP."""

import re
from typing import Any

from actors.errors import (
    BadCall,
    ContextOverflow,
    InvalidRequest,
    ModelCrashed,
    ModelLoadFailed,
    ModelNotInstalled,
    ModelNotUsable,
    QueueFull,
    ServerBusy,
    TruncatedStream,
)
from cluster.embedded.faults import EngineError

_STATUS = {
    InvalidRequest.code: 400,
    BadCall.code: 400,
    ModelNotUsable.code: 400,
    ContextOverflow.code: 400,
    QueueFull.code: 503,
    ServerBusy.code: 503,
    ModelLoadFailed.code: 500,
    ModelCrashed.code: 500,
    TruncatedStream.code: 500,
}
"""Where Ollama's status is another than ours."""
_CODES = {400: InvalidRequest.code, 404: ModelNotInstalled.code}
"""What our own refusals are called where they are counted; others by their status."""
_BUSY = "server busy, please try again."
_QUOTED = re.compile(r"^Ollama (?:answered \d+|broke off the answer): ")


def ollama_error(status: int, code: str, detail: str) -> tuple[int, dict[str, Any]]:
    """A problem as Ollama would tell it: what a PC's Ollama said is told as that said it."""
    text = _QUOTED.sub("", detail)
    if code in (QueueFull.code, ServerBusy.code) and not text.startswith(_BUSY):
        text = f"{_BUSY} {text}"
    return _STATUS.get(code, status), {"error": text}


def code_of(error: EngineError) -> str | None:
    """What it is counted as; None = by its status."""
    return _CODES.get(error.status)


def not_found(model: str) -> EngineError:
    """Nobody has a model of that name."""
    return EngineError(404, f'model "{model}" not found, try pulling it first')
