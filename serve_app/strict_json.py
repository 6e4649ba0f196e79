"""JSON from strangers, read strictly. Pure; knows nothing of HTTP.

Python's own reader takes NaN, Infinity, repeated keys, lone surrogates, numbers without end, and
any depth until the stack runs out. Each of them is refused here, with a sentence that says what is
wrong and never repeats what was sent.
"""

import codecs
import json
import math
import re
from typing import Any, NoReturn

from actors.errors import MalformedBody

MAX_DEPTH = 64
_INT64 = range(-(2**63), 2**63)
_INT64_DIGITS = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STRING_OR_BRACKET = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL
)  # possessive, and an open string runs to the end: linear whatever is sent


def parse(raw: bytes) -> Any:
    """The value in `raw`. Raises `MalformedBody`."""
    text = _text(raw)
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"The body is not JSON: {error.msg} at {where}.") from None
    if "\\u" in text:
        _check_strings(value)
    return value


def _text(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedBody("The body starts with a byte order mark; send plain UTF-8.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8 at byte {error.start}.") from None
    if not text.strip():
        raise MalformedBody("The body is empty; send a JSON object.")
    return text


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        token = text[match.start()]  # a whole string may be megabytes
        if token in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedBody(f"The body is nested more than {MAX_DEPTH} deep.")
        elif token in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise MalformedBody("An object in the body has the same key twice.")
    return result


def _integer(digits: str) -> int:
    if len(digits) > _INT64_DIGITS or int(digits) not in _INT64:
        raise MalformedBody("An integer in the body does not fit in 64 bits.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise MalformedBody("A number in the body is too large.")
    return value


def _constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not JSON.")


def _check_strings(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _UNSTORABLE.search(item):
                raise MalformedBody("A text in the body has a NUL or half of a surrogate pair.")
        elif isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
