"""The JSON shapes of Ollama's own handlers. Pure but for the date on every line."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

FOREVER = datetime(2318, 9, 2, tzinfo=UTC)
"""What Ollama tells for `keep_alive: -1`."""
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class FakeModel:
    """A model on disk. Capabilities as `/api/show` names them."""

    name: str
    capabilities: tuple[str, ...] = ("completion",)
    context_length: int = 8192
    size: int = 1_300_000_000


def said(content: str, **more: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def stamp(model: str) -> dict[str, Any]:
    return {"model": model, "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z")}


def chunk(model: str, message: dict[str, Any]) -> dict[str, Any]:
    return {**stamp(model), "message": message, "done": False}


def entry(model: FakeModel) -> dict[str, Any]:
    """A model in `/api/tags` and `/api/ps`."""
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "1.2B",
        "quantization_level": "Q4_K_M",
    }
    digest = sha256(model.name.encode()).hexdigest()
    known = {"name": model.name, "model": model.name, "size": model.size, "digest": digest}
    return {**known, "details": details}


def shown(model: FakeModel) -> dict[str, Any]:
    """`/api/show`."""
    info = {"general.architecture": "llama", "llama.context_length": model.context_length}
    return {
        "license": "",
        "modelfile": "",
        "template": "{{ .Prompt }}",
        "details": entry(model)["details"],
        "model_info": info,
        "capabilities": list(model.capabilities),
    }


def embedded(model: FakeModel, asked: dict[str, Any]) -> dict[str, Any]:
    """`/api/embed`: vectors of length 1, the same for the same text."""
    given = asked.get("input", [])
    texts = [given] if isinstance(given, str) and given else list(given)
    tokens = sum(len(text.split()) for text in texts)
    times = {"total_duration": 2_000_000, "load_duration": 1_000_000, "prompt_eval_count": tokens}
    vectors = [_vector(text, asked.get("dimensions") or 8) for text in texts]
    return {"model": model.name, "embeddings": vectors, **(times if texts else {})}


def _vector(text: str, dimensions: int) -> list[float]:
    raw = [byte - 127.5 for byte in sha256(text.encode()).digest()[:dimensions]]
    length = sum(number * number for number in raw) ** 0.5
    return [number / length for number in raw]


def overflow(needed: int, num_ctx: int) -> str:
    """llama-server's JSON as Ollama passes it on, as a string inside `error` (O12)."""
    message = (
        f"request ({needed} tokens) exceeds the available context size ({num_ctx} tokens), try"
        " increasing it"
    )
    kind = {"type": "exceed_context_size_error", "n_prompt_tokens": needed, "n_ctx": num_ctx}
    return json.dumps({"error": {"code": 400, "message": message, **kind}})


def expiry(keep_alive: object, now: datetime) -> datetime:
    """When a model goes: a number of seconds (negative = never), or a duration such as `"5m"`."""
    if isinstance(keep_alive, int | float):
        return FOREVER if keep_alive < 0 else now + timedelta(seconds=keep_alive)
    if isinstance(keep_alive, str) and keep_alive[:-1].isdecimal() and keep_alive[-1] in _SECONDS:
        return now + timedelta(seconds=int(keep_alive[:-1]) * _SECONDS[keep_alive[-1]])
    return now + timedelta(minutes=5)
