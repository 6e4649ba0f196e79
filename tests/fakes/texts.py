"""What the fake says when nobody scripted it: plausible words, valid ballots, token counts.

Pure: the same request gives the same text.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from itertools import cycle, islice
from typing import Any

from tests.fakes.http import Request

Scores = Callable[[str, str], int]
"""(reviewer's model, label of the reviewed answer) -> 1 to 10."""
Usage = Callable[[Request], tuple[int, int]]
"""Request -> (prompt tokens, completion tokens)."""

WORDS = (
    "The answer depends on what is measured first, because each part of the question weighs on the"
    " next; a careful reading shows that the simple case holds and the others follow from it."
)


def marks(asked: dict[str, Any]) -> str:
    """The marks (`#Q17`) in a prompt, one of each: whoever wrote them knows his answers again."""
    told = " ".join(str(message.get("content", "")) for message in asked["messages"])
    return " ".join(sorted(set(re.findall(r"#Q\d+", told))))


def essay(model: str, tokens: int, about: str = "") -> list[str]:
    """`tokens` pieces of text in the voice of `model`."""
    opening = (f"{model}", f" on {about} says:" if about else " says:")
    return [*opening, *(f" {word}" for word in islice(cycle(WORDS.split()), max(1, tokens)))][
        :tokens
    ]


def pieces(text: str) -> list[str]:
    """A text cut about as a tokenizer would."""
    return re.findall(r"\s*\S{1,8}|\s+$", text)


def scores(model: str, label: str) -> int:
    """A steady opinion of 5 to 9."""
    return 5 + sha256(f"{model}/{label}".encode()).digest()[0] % 5


def instance(schema: dict[str, Any], score: Callable[[str], int], label: str = "") -> Any:
    """A value that fits a JSON schema. Where answers are named by an enum or by keys, every one of
    them gets its line, and every integer in that line is its score."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        definitions = schema.get("$defs", {})
        return instance({**definitions.get(name, {}), "$defs": definitions}, score, label)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return label if label in schema["enum"] else schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return instance(_inherit(schema, schema[union][0]), score, label)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        return {
            key: instance(_inherit(schema, part), score, _label_of(schema, label) or _as_label(key))
            for key, part in schema.get("properties", {}).items()
        }
    if kind == "array":
        return _items(schema, score, label)
    if kind in ("integer", "number"):
        return min(max(score(label), schema.get("minimum", 1)), schema.get("maximum", 10))
    return {"boolean": True, "null": None}.get(kind, f"Answer {label} is sound and clear.".strip())


def seed_usage(chairman: str) -> Usage:
    """Token counts that add up to the seed's table for three seats: opinions 244/256, reviews
    1293/594, synthesis 501/352. `chairman` is a model that holds no seat."""

    def usage(request: Request) -> tuple[int, int]:
        if request.json.get("format"):
            return 431, 198
        if request.model == chairman:
            return 501, 352
        return {"gemma2:2b": (82, 61), "qwen2.5:0.5b": (81, 96)}.get(request.model, (81, 99))

    return usage


def _items(schema: dict[str, Any], score: Callable[[str], int], label: str) -> list[Any]:
    if "prefixItems" in schema:
        return [instance(_inherit(schema, part), score, label) for part in schema["prefixItems"]]
    item = _inherit(schema, schema.get("items", {}))
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        item = {**item["$defs"].get(name, {}), "$defs": item["$defs"]}
    labels = _labels(item)
    if labels:
        return [instance(item, score, each) for each in labels]
    return [instance(item, score, label)] * schema.get("minItems", 1)


def _labels(item: dict[str, Any]) -> list[str]:
    """The values of the enum that names an item, if one of its properties has one."""
    parts = [item, *item.get("properties", {}).values()]
    return next((list(map(str, part["enum"])) for part in parts if "enum" in part), [])


def _label_of(schema: dict[str, Any], label: str) -> str:
    """The one value that a property of the line may have; else the label so far."""
    parts = schema.get("properties", {}).values()
    fixed = [str(p["const"]) for p in parts if "const" in p]
    fixed += [str(p["enum"][0]) for p in parts if len(p.get("enum", ())) == 1]
    return fixed[0] if fixed else label


def _as_label(key: str) -> str:
    return key if re.fullmatch(r"[A-Z]", key) else ""


def _inherit(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "$defs": schema["$defs"]} if "$defs" in schema else part
