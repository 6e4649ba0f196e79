"""Models' names as Ollama reads them: `x` means `x:latest`. Knows nothing of seats or PCs."""

from collections.abc import Iterable
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from actors.messages.requests import ModelName

_REGISTRY = ("registry.ollama.ai/", "library/")
_ALSO_CALLED = {"phi3.5:mini": "phi3.5:latest"}
"""The requirement's name for a model that Ollama's registry has under another tag."""
_NOT_FOR_CHAT = ("embed", "rerank", "bert", "minilm", "bge-", "gte-", "e5-")
_ELSEWHERE = ("-cloud", ":cloud")
_NAME = TypeAdapter(ModelName)


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """`qwen2.5` → `qwen2.5:latest`; the default registry and namespace are left out."""
    short = name.casefold()
    for prefix in _REGISTRY:
        short = short.removeprefix(prefix)
    tagged = short if ":" in short.rpartition("/")[2] else f"{short}:latest"
    return tagged


def resolve(name: str, installed: Iterable[str]) -> str | None:
    """The installed name that `name` means, or None."""
    known: dict[str, str] = {}
    for one in installed:
        known.setdefault(canonical(one), one)
    wanted = canonical(name)
    return known.get(wanted) or known.get(_ALSO_CALLED.get(wanted, ""))


def can_be_asked_for(name: str) -> bool:
    """False for what a model server calls a model though no request could name it."""
    try:
        return bool(_NAME.validate_python(name))
    except ValidationError:
        return False


def can_chat(name: str, family: str) -> bool:
    """False for models that only make vectors or scores: nobody should be seated on one unasked."""
    described = f"{name} {family}".casefold()
    return not any(word in described for word in _NOT_FOR_CHAT)


def runs_here(name: str) -> bool:
    """False for Ollama's cloud models: a question leaves the house only if somebody asks for it."""
    return not name.casefold().endswith(_ELSEWHERE)
