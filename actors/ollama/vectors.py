"""The vectors in an answer of `/api/embed`, read from its JSON. No I/O."""

import math
from collections.abc import Mapping
from typing import Any

from actors.errors import NotOllama

MAX_VECTORS = 64 * 2**20
"""Bytes of an answer: 512 vectors of 4,096 numbers take about half of it."""


def vectors(answer: Mapping[str, Any], count: int) -> tuple[tuple[float, ...], ...]:
    """One for each of `count` inputs. Raises `NotOllama` for anything else."""
    told = answer.get("embeddings")
    if not isinstance(told, list) or len(told) != count or not all(map(_is_vector, told)):
        raise NotOllama("Something else than Ollama answered: its vectors are none of Ollama's.")
    return tuple(tuple(map(float, one)) for one in told)


def _is_vector(told: object) -> bool:
    return isinstance(told, list) and all(
        isinstance(number, int | float) and math.isfinite(number) for number in told
    )
