"""Checks of the models: those that the settings name, and those that are recommended."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actors.council.table.model_names import resolve
from serve_app.cli.doctor.finding import Finding, fault, ok, warning
from serve_app.cli.terminal import printable


def check(catalogue: Mapping[str, Any], configured: Sequence[str]) -> Iterator[Finding]:
    """`catalogue` as `/api/council/models` tells it; `configured` = the seats and the chairman."""
    installed = [str(name) for name in catalogue["installed"]]
    missing = [name for name in dict.fromkeys(configured) if resolve(name, installed) is None]
    for name in missing:
        says = f"{name}, which COUNCIL_MODELS or COUNCIL_CHAIRMAN_MODEL names, is on no PC"
        yield fault("models", says, f"On a PC: ollama pull {name}")
    yield recommended(
        [printable(str(m["name"])) for m in catalogue["recommended"] if m["installed"]],
        [printable(str(m["name"])) for m in catalogue["recommended"] if not m["installed"]],
    )


def recommended(there: Sequence[str], missing: Sequence[str]) -> Finding:
    pull = " && ".join(f"ollama pull {name}" for name in missing)
    if missing and not there:
        return warning("models", "no PC has one of those that are recommended", f"On a PC: {pull}")
    if missing:
        says = f"recommended, and on no PC: {', '.join(missing)}"
        return Finding("models", "ok", says, f"If there is room: {pull}")
    return ok("models", "all that are recommended are there")
