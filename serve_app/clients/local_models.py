"""The models that clients may ask for by their own names: those of the PCs that serve. Pure."""

from collections.abc import Iterator, Sequence

from actors.council.table.model_names import canonical
from actors.messages.nodes import InstalledModel, NodeReport, OllamaStatus


def servers(reports: Sequence[NodeReport]) -> Iterator[OllamaStatus]:
    """Of the PCs that serve, those that answer."""
    for report in reports:
        if report.duty == "serving" and report.ollama and report.ollama.connected:
            yield report.ollama


def installed(reports: Sequence[NodeReport]) -> dict[str, InstalledModel]:
    """Every model once, however many PCs have it, by its whole name."""
    found: dict[str, InstalledModel] = {}
    for status in servers(reports):
        for model in status.installed:
            found.setdefault(canonical(model.name), model)
    return found
