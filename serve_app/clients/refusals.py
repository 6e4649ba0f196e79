"""How a refusal looks where clients expect another protocol's errors, by the prefix of the path.

A look is told status, code and sentence of a problem, and gives the status and the JSON that its
clients read. Everything that is refused on such a path, by a route or before one, looks so.
"""

from collections.abc import Callable, Mapping
from typing import Any

from serve_app.mcp.refusal import json_rpc_error
from serve_app.ollama.faults import ollama_error
from serve_app.openai.faults import openai_error

Look = Callable[[int, str, str], tuple[int, dict[str, Any]]]
LOOKS: Mapping[str, Look] = {
    "/mcp": json_rpc_error,
    "/ollama/v1": openai_error,
    "/ollama": ollama_error,
    "/v1": openai_error,
}
"""The first that fits. Ollama has OpenAI's protocol below its own address: clients look there."""


def look_at(path: str) -> Look | None:
    """How a refusal looks there; None = a problem, as everywhere else."""
    for prefix, look in LOOKS.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return look
    return None
