"""The models that the requirement recommends, and which models sit on which PC."""

from collections.abc import Sequence

from actors.council.table.model_names import resolve
from actors.messages.nodes import ModelCatalogue, NodeReport, RecommendedModel

CHAIRMAN_MODEL = "phi3.5:latest"

RECOMMENDED = (
    RecommendedModel(
        name="qwen2.5:0.5b",
        display_name="Qwen 2.5 0.5B",
        size="350 MB",
        description="Very small and fast; many languages.",
        recommended_role="Fast opinions (stage 1)",
    ),
    RecommendedModel(
        name="llama3.2:1b",
        display_name="Llama 3.2 1B",
        size="1.3 GB",
        description="Small, follows instructions and formats well.",
        recommended_role="Review and scoring (stage 2)",
    ),
    RecommendedModel(
        name="gemma2:2b",
        display_name="Gemma 2 2B",
        size="1.6 GB",
        description="Precise for its size.",
        recommended_role="Precise expert",
    ),
    RecommendedModel(
        name=CHAIRMAN_MODEL,
        display_name="Phi 3.5 mini",
        size="2.2 GB",
        description="The strongest of the five; reasons over long prompts.",
        recommended_role="Chairman (stage 3)",
    ),
    RecommendedModel(
        name="tinyllama",
        display_name="TinyLlama 1.1B",
        size="600 MB",
        description="Runs on almost anything.",
        recommended_role="Light backup",
    ),
)
"""In the order in which seats are given to them. GPT-2 is left out: it cannot keep to JSON."""


def catalogue(reports: Sequence[NodeReport]) -> ModelCatalogue:
    """What is on disk where, as the PCs with a connected model server tell it."""
    nodes: dict[str, tuple[str, ...]] = {}
    for report in reports:
        if report.ollama and report.ollama.connected:
            for name in dict.fromkeys(model.name for model in report.ollama.installed):
                nodes[name] = (*nodes.get(name, ()), report.name)
    installed = tuple(sorted(nodes))
    return ModelCatalogue(
        recommended=tuple(
            model.model_copy(update={"installed": resolve(model.name, installed) is not None})
            for model in RECOMMENDED
        ),
        installed=installed,
        nodes={name: nodes[name] for name in installed},
    )
