"""The shapes of `/api/tags`, `/api/ps` and `/api/show`. Pure."""

import math
from datetime import datetime, timedelta
from typing import Any

from cluster.embedded.library import ModelFile
from cluster.embedded.protocol import timestamp

FOR_EVER = timedelta(days=292 * 365)
"""How Ollama says never: the longest time that Go knows, 292 years from now."""


def installed(model: ModelFile) -> dict[str, Any]:
    """One entry of `/api/tags`."""
    known = named(model.name, model.size, model.header.digest, details(model))
    return known | {"modified_at": timestamp(model.modified_at)}


def loaded(
    model: ModelFile, memory: int, num_ctx: int, now: datetime, left: float
) -> dict[str, Any]:
    """One entry of `/api/ps`. `memory` in bytes; `left` seconds until it is unloaded, or `inf`."""
    expires = now + (FOR_EVER if math.isinf(left) else timedelta(seconds=left))
    return named(model.name, memory, model.header.digest, details(model)) | {
        "expires_at": timestamp(expires),
        "size_vram": 0,
        "context_length": num_ctx,
    }


def shown(model: ModelFile) -> dict[str, Any]:
    """`/api/show`: what the file says of itself, without its lists."""
    values = dict(model.header.values)
    values.pop("tokenizer.chat_template", None)
    return {
        "modelfile": f"FROM {model.path.name}",
        "parameters": "",
        "template": model.template,
        "details": details(model),
        "model_info": values | {"general.parameter_count": model.header.parameter_count},
        "capabilities": list(model.capabilities),
        "modified_at": timestamp(model.modified_at),
    }


def details(model: ModelFile) -> dict[str, Any]:
    header = model.header
    return described(header.architecture, _human(header.parameter_count), model.quantisation)


def named(name: str, size: int, digest: str, details: dict[str, Any]) -> dict[str, Any]:
    """What `/api/tags` and `/api/ps` both tell of a model; `size` in bytes."""
    return {"name": name, "model": name, "size": size, "digest": digest, "details": details}


def described(
    family: str, parameter_size: str, quantisation: str, form: str = "gguf"
) -> dict[str, Any]:
    """The `details` of a model."""
    return {
        "parent_model": "",
        "format": form,
        "family": family,
        "families": [family],
        "parameter_size": parameter_size,
        "quantization_level": quantisation,
    }


def _human(count: int) -> str:
    """As Ollama writes it: `134.52M`, `3.2B`."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.2f}M" if count >= 1_000_000 else f"{count / 1e3:.2f}K"
