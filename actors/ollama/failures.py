"""What a model server's words mean: status and message -> one of our errors. Knows no I/O.

The rows O1–O27 are the ways Ollama really answers. Messages are matched by the words that its
versions share, newest and oldest; what nobody knows is retryable when it is a 5xx, our mistake when
it is a 4xx, and somebody else's server when it is not JSON.
"""

import json
import re

from actors.errors import (
    BadCall,
    ContextOverflow,
    ModelCallError,
    ModelCrashed,
    ModelLoadFailed,
    ModelNotAvailable,
    ModelNotUsable,
    NodeRefused,
    NodeUnreachable,
    NotOllama,
    RunawayOutput,
    ServerBusy,
)

DETAIL_CHARS = 300
UNWRAP_DEPTH = 4

REFUSED = (
    "Ollama refused the connection's host or origin (403). Set OLLAMA_HOST on that PC so that it"
    " listens on the address used here, and add this origin to OLLAMA_ORIGINS."
)
SIGNED_OUT = "The model lives in Ollama's cloud and that PC is not signed in. Choose a local model."


class ThinkingRefused(ModelNotUsable):
    """The model cannot think and was told whether to. The client asks again without saying so."""


_WORDS: tuple[tuple[type[ModelCallError], tuple[str, ...]], ...] = (
    (
        ContextOverflow,
        (
            "exceed_context_size",
            "exceeds the available context size",
            "longer than the context length",
            "exceeds the context length",
            "exceeds maximum context length",
            "context size has been exceeded",
        ),
    ),
    (ThinkingRefused, ("does not support thinking",)),
    (
        ModelNotUsable,
        (
            "does not support ",
            "remote model",
            "cloud is disabled",
            "no longer compatible",
            "unknown model architecture",
            "unsupported model architecture",
        ),
    ),
    (
        BadCall,
        (
            "invalid format",
            "grammar",
            "json schema",
            "invalid model name",
            "model is required",
            "missing request body",
            "cannot unmarshal",
            "invalid character",
        ),
    ),
    (RunawayOutput, ("token repeat limit",)),
    (ServerBusy, ("server busy", "maximum pending requests", "loading model")),
    (
        ModelLoadFailed,
        (
            "timed out waiting for",
            "process has terminated",
            "process no longer running",
            "out of memory",
            "more system memory",
            "unable to load",
            "failed to load",
            "error loading",
            "unable to allocate",
            "request canceled",
        ),
    ),
)

_BY_STATUS: dict[int, type[ModelCallError]] = {
    401: ModelNotUsable,
    403: ModelNotUsable,
    404: ModelNotAvailable,
    429: ServerBusy,
    499: ModelLoadFailed,
    503: ServerBusy,
}
_GATEWAY = (502, 503, 504)
_LINK = re.compile(r"\w+://\S+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def refusal(status: int, body: bytes) -> ModelCallError:
    """The error for a response that is not 200. `body` may be cut short."""
    if status == 401:
        return ModelNotUsable(SIGNED_OUT)
    if status == 403 and not body.strip():
        return NodeRefused(REFUSED)
    message = error_message(body)
    if message is None:
        if status in _GATEWAY:
            return NodeUnreachable(f"A gateway answers for the model server ({status}).")
        return NotOllama(f"Something else than Ollama answered with status {status}.")
    if status == 404 and not _names_model(message):
        return NotOllama("Something else than Ollama answered: it does not know that path.")
    kind = None if status == 404 else _by_words(message)
    if kind is None:
        kind = _BY_STATUS.get(status, ModelCrashed if status >= 500 else BadCall)
    return kind(f"Ollama answered {status}: {clean(message)}")


def in_stream(error: object, partial: str) -> ModelCallError:
    """The error for an `{"error": …}` line after the stream began (status 200): O8, O26."""
    message = _unwrap(error, UNWRAP_DEPTH) or "an error without words"
    kind = _by_words(message) or ModelCrashed
    return kind(f"Ollama broke off the answer: {clean(message)}", partial)


def error_message(body: bytes) -> str | None:
    """The sentence in `{"error": …}`, unwrapped from llama-server's JSON inside it; else None."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return _unwrap(payload["error"], UNWRAP_DEPTH) if _has_error(payload) else None


def clean(message: str) -> str:
    """Fit to be shown: one line, no link (a sign-in URL is a secret), not too long."""
    text = _CONTROL.sub(" ", _LINK.sub("[link left out]", message)).strip()
    return text if len(text) <= DETAIL_CHARS else text[: DETAIL_CHARS - 1] + "…"


def _names_model(message: str) -> bool:
    return "model" in message.lower() and "not found" in message.lower()


def _has_error(payload: object) -> bool:
    return isinstance(payload, dict) and "error" in payload


def _unwrap(error: object, depth: int) -> str:
    """`"…"`, `{"message": "…", "type": "…"}`, or either of them as JSON in a string."""
    if isinstance(error, str):
        if depth and error.lstrip().startswith("{"):
            try:
                inner = json.loads(error)
            except (ValueError, RecursionError):
                return error
            return _unwrap(inner["error"] if _has_error(inner) else inner, depth - 1)
        return error
    if isinstance(error, dict):
        words = (error.get("message"), error.get("type"))
        return " ".join(word for word in words if isinstance(word, str)) or str(error)
    return "" if error is None else str(error)


def _by_words(message: str) -> type[ModelCallError] | None:
    lowered = message.lower()
    for kind, words in _WORDS:
        if any(word in lowered for word in words):
            return kind
    return None
