"""Strict JSON: what Python's reader would take and we do not (faults.md, row 37)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MalformedBody
from serve_app.strict_json import MAX_DEPTH, parse

SECRET = "hunter2"

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=20,
)


@given(values, st.booleans())
def test_ordinary_json_comes_back_as_it_was(value: object, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"hunter2", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": "hunter2', "not JSON"),
        (b'{"a": "\\', "not JSON"),
        (b'{"a": 1} {}', "not JSON"),
        (b'{"a": "\x00"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "byte order mark"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "twice"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": ["\\u0000"]}', "NUL"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[" + b"9" * 100_000 + b"]", "64 bits"),
        (b"[" * 500_000, "deep"),
        (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, "deep"),
    ],
)
def test_is_refused_with_a_sentence_that_repeats_nothing(body: bytes, says: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        parse(body)
    assert says in caught.value.detail
    assert SECRET not in caught.value.detail
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_depth_is_counted_outside_strings_only() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    parse(deep)
    assert parse(b'["' + b"[" * 1_000 + b'\\"[{"]') == ["[" * 1_000 + '"[{']
    with pytest.raises(MalformedBody):
        parse(b"[" + deep + b"]")


def test_whole_surrogate_pairs_are_letters() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize("piece", [b'\\"', b'a\\"', b'"', b"\\\\", b'",'])
def test_a_hostile_string_costs_no_more_than_its_length(piece: bytes) -> None:
    """Half a megabyte of escaped quotes in a string that never ends: quadratic would be minutes."""
    with pytest.raises(MalformedBody):
        parse(b'["' + piece * 250_000)
