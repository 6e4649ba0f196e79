"""What a GGUF file is called as a model. Pure; knows nothing of files' contents.

The rule, in this order:
1. `smollm2:135m.gguf`           a colon in the file's name: it is the model's name -> smollm2:135m
2. `Foo-Bar-3B.Q4_K_M.gguf`      ends in a quantisation: that is the tag  -> foo-bar-3b:q4_k_m
3. `My Model.gguf`               anything else is `latest`                -> my-model:latest
Of a split file (`…-00001-of-00003.gguf`) the first part stands for the whole; the other parts and
image projectors (`mmproj…`) are no models. Names are lower case and never told apart by case.
"""

import re

_QUANTISATION = re.compile(r"[.\-_]((?:i|t)?q\d(?:_\w+)?|b?f16|f32|mxfp4(?:_\w+)?|nvfp4)$")
_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_FOREIGN = re.compile(r"[^a-z0-9._-]+")


def model_name(file_name: str) -> str | None:
    """`Foo.Q8_0.gguf` -> `foo:q8_0`; None for what is not a model of its own."""
    stem = file_name.lower().removesuffix(".gguf")
    if stem == file_name.lower() or stem.startswith("mmproj"):
        return None
    if part := _PART.search(stem):
        if part[1] != "00001":
            return None
        stem = stem[: part.start()]
    name, tag = _split(stem)
    name, tag = _plain(name), _plain(tag)
    return f"{name}:{tag}" if name and tag else None


def full_name(asked: str) -> str:
    """A model's name as a client writes it, in full: `Foo` -> `foo:latest`, as Ollama does."""
    name = asked.strip().lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _split(stem: str) -> tuple[str, str]:
    if ":" in stem:
        name, _, tag = stem.partition(":")
        return name, tag
    if found := _QUANTISATION.search(stem):
        return stem[: found.start()], found[1]
    return stem, "latest"


def _plain(text: str) -> str:
    return _FOREIGN.sub("-", text).strip("-._")
