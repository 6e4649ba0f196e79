"""What a model server tells of itself, read from its JSON; what is odd is left out. No I/O."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from actors.messages.nodes import InstalledModel, LoadedModel, ModelLimits, ServerCaution

SAFE_VERSION = (0, 17, 1)
FOREVER = 2200
"""`keep_alive: -1` is shown by Ollama as an expiry in the year 2318."""


def version(payload: Mapping[str, Any]) -> str:
    """From `/api/version`; empty if this is none of Ollama's."""
    return _text(payload.get("version"))


def limits(show: Mapping[str, Any]) -> ModelLimits:
    """From `/api/show`."""
    info = show.get("model_info")
    info = info if isinstance(info, dict) else {}
    length = info.get(f"{info.get('general.architecture')}.context_length")
    told = show.get("capabilities")
    return ModelLimits(
        context_length=_size(length) or None,
        capabilities=tuple(_text(c) for c in told if isinstance(c, str))
        if isinstance(told, list)
        else (),
    )


def installed(tags: Mapping[str, Any]) -> tuple[InstalledModel, ...]:
    """From `/api/tags`, without models that live in Ollama's cloud."""
    return tuple(_installed(entry) for entry in _models(tags) if not entry.get("remote_host"))


def loaded(ps: Mapping[str, Any]) -> tuple[LoadedModel, ...]:
    """From `/api/ps`."""
    return tuple(
        LoadedModel(
            name=_text(entry["name"]),
            size=_size(entry.get("size")),
            size_vram=_size(entry.get("size_vram")),
            context_length=_size(entry.get("context_length")) or None,
            expires_at=_expiry(entry.get("expires_at")),
        )
        for entry in _models(ps)
    )


def warnings(version: str) -> tuple[str, ...]:
    """What the PC's owner should know of that version. Builds without a number are left alone."""
    return tuple(
        f"Ollama {caution.values[0]} is older than {caution.values[1]} and can leak memory"
        " contents to whoever reaches it: update it."
        for caution in cautions(version)
    )


def cautions(version: str) -> tuple[ServerCaution, ...]:
    """The warnings about that version, by their codes."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    number = tuple(int(part) for part in found.groups()) if found else (0, 0, 0)
    if number == (0, 0, 0) or number >= SAFE_VERSION:
        return ()
    safe = ".".join(str(part) for part in SAFE_VERSION)
    told = found.group() if found else version
    return (ServerCaution(code="old_version", values=(told, safe)),)


def _installed(entry: Mapping[str, Any]) -> InstalledModel:
    details = entry.get("details")
    details = details if isinstance(details, dict) else {}
    return InstalledModel(
        name=_text(entry["name"]),
        size=_size(entry.get("size")),
        digest=_text(entry.get("digest")),
        parameter_size=_text(details.get("parameter_size")),
        family=_text(details.get("family")),
        quantization_level=_text(details.get("quantization_level")),
        modified_at=_date(entry.get("modified_at")),
    )


def _models(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    models = payload.get("models")
    entries = models if isinstance(models, list) else []
    return [e for e in entries if isinstance(e, dict) and isinstance(e.get("name"), str)]


def _expiry(value: object) -> datetime | None:
    at = _date(value)
    return at if at and at.year < FOREVER else None


def _date(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo and at.year >= 1970 else None


def _size(value: object) -> int:
    return value if type(value) is int and value >= 0 else 0


def _text(value: object) -> str:
    """Without lone surrogates, which JSON can spell and a message cannot hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
