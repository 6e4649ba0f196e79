"""What is listed: the councils, and the models of all PCs, in the shapes of `tags`, `ps`, `show`.
Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from actors.council.table.model_names import canonical
from actors.messages.nodes import InstalledModel, LoadedModel, ModelLimits, NodeReport, OllamaStatus
from cluster.embedded.listings import FOR_EVER, described, named
from cluster.embedded.protocol import timestamp
from serve_app.clients.council_models import LATEST, MODES
from serve_app.clients.local_models import installed, servers

Entry = dict[str, Any]
CAN = ("completion", "thinking")
"""What a council can do: its progress goes out as thinking."""
_UNTOLD = datetime(1970, 1, 1, tzinfo=UTC)
_SITS = "# Several models answer, judge each other, and a chairman writes what comes of it."


def tags(reports: Sequence[NodeReport]) -> Entry:
    """Every model once, however many PCs have it."""
    models = installed(reports)
    newest = max((_told(model) for model in models.values()), default=_UNTOLD)
    councils = [_council(name) | {"modified_at": timestamp(newest)} for name in MODES]
    local = [_known(model) | _dated(model) for _, model in sorted(models.items())]
    return {"models": [*councils, *local]}


def ps(reports: Sequence[NodeReport], now: datetime) -> Entry:
    """An entry for each PC that has the model in memory."""
    loaded = [_loaded(model, status, now) for status in servers(reports) for model in status.loaded]
    return {"models": loaded}


def council_shown(name: str) -> Entry:
    """`show` of a council."""
    info = {"general.architecture": "council", "general.basename": _full(name)}
    return {
        "license": "",
        "modelfile": f"{_SITS}\nFROM {_full(name)}",
        "parameters": "",
        "template": "",
        "details": _council(name)["details"],
        "model_info": info,
        "capabilities": list(CAN),
        "modified_at": timestamp(_UNTOLD),
    }


def find(name: str, reports: Sequence[NodeReport]) -> InstalledModel | None:
    return installed(reports).get(canonical(name))


def shown(model: InstalledModel, limits: ModelLimits) -> Entry:
    """`show` of a model, as far as a PC that has it tells."""
    family = model.family or "unknown"
    info: Entry = {"general.architecture": family}
    if limits.context_length:
        info[f"{family}.context_length"] = limits.context_length
    return {
        "license": "",
        "modelfile": f"FROM {model.name}",
        "parameters": "",
        "template": "",
        "details": _details(model),
        "model_info": info,
        "capabilities": list(limits.capabilities),
        **_dated(model),
    }


def _loaded(model: LoadedModel, status: OllamaStatus, now: datetime) -> Entry:
    on_disk = {canonical(one.name): one for one in status.installed}
    known = on_disk.get(canonical(model.name), InstalledModel(name=model.name))
    return named(model.name, model.size, known.digest, _details(known)) | {
        "expires_at": timestamp(model.expires_at or now + FOR_EVER),
        "size_vram": model.size_vram,
        "context_length": model.context_length or 0,
    }


def _council(name: str) -> Entry:
    full = _full(name)
    digest = sha256(full.encode()).hexdigest()
    return named(full, 0, digest, described("council", "", "", "council"))


def _full(name: str) -> str:
    return name.removesuffix(LATEST) + LATEST


def _known(model: InstalledModel) -> Entry:
    return named(model.name, model.size, model.digest, _details(model))


def _details(model: InstalledModel) -> Entry:
    return described(model.family, model.parameter_size, model.quantization_level)


def _dated(model: InstalledModel) -> Entry:
    return {"modified_at": timestamp(_told(model))}


def _told(model: InstalledModel) -> datetime:
    return model.modified_at or _UNTOLD
