"""The tolerant reader agrees with `json` on JSON, and reads on where `json` gives up."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.lenient_json import MAX_DEPTH, find_all

words = st.text(
    st.characters(exclude_categories=["Cs"]).filter(lambda char: char != "\ufeff"), max_size=6
)
documents = st.recursive(
    st.one_of(words, st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=6,
).filter(lambda document: isinstance(document, dict | list))


def as_text(value: Any) -> Any:
    """Numbers and words as the reader leaves them: text."""
    if isinstance(value, dict):
        return {key: as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return value if isinstance(value, str) else json.dumps(value)


@given(documents, st.booleans(), st.sampled_from([None, 2]))
def test_it_agrees_with_json_on_json(document: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    last = find_all(f"Well. {text} Done.")[-1]
    assert last.value == as_text(document)
    assert f"Well. {text} Done."[last.start : last.end] == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'It's good', 'b': 1,}", {"a": "It's good", "b": "1"}),
        ('{"a": "he said "no" twice", "b": 2}', {"a": 'he said "no" twice', "b": "2"}),
        ('{a: 8/10, "b": NaN, c: two words}', {"a": "8/10", "b": "NaN", "c": "two words"}),
        ("{“a”: “x”, ‘b’: ‘y’}", {"a": "x", "b": "y"}),
        ('{"a": "one"\n "b": "two"}', {"a": "one", "b": "two"}),
        ('{"a": , "b": }', {"a": None, "b": None}),
        ('{"a": [1, 2}', {"a": ["1", "2"]}),
        ('[{"a": ]', [{"a": None}]),
        ("[1], ]", ["1"]),
        ('\ufeff{\ufeff"a": 1}', {"a": "1"}),
        ('{"a": "x\\ny \\"z\\" \\u00e9"}', {"a": 'x\ny "z" é'}),
        ("{'a': 'it\\'s \\x'}", {"a": "it's \\x"}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ("[],", []),
        ("{}]", {}),
        ("(}) [1}]", ["1}".rstrip("}")]),
    ],
)
def test_it_reads_what_models_write(text: str, value: Any) -> None:
    assert find_all(text)[-1].value == value


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "{", "[[[", '{"a', '{"a": "x', "{x | y}", "{a b}", "[a: b", "{{{{", '{"a" 1}'],
)
def test_what_is_not_complete_is_not_found(text: str) -> None:
    assert find_all(text) == []


def test_it_goes_on_after_what_it_gave_up() -> None:
    text = 'the set {x | y} and [note: z] then {"a": 1}'
    assert [found.value for found in find_all(text)] == [{"a": "1"}]


def test_the_inside_of_a_string_is_never_an_object() -> None:
    found = find_all('{"a": "see {\'fake\': 1} there", "b": "cut off {\'fake\': 2}')
    assert found == []


def test_nested_ones_are_found_too_in_the_order_they_end() -> None:
    found = find_all('{"a": [{"b": 1}]}')
    assert [one.value for one in found] == [{"b": "1"}, [{"b": "1"}], {"a": [{"b": "1"}]}]


def test_too_deep_is_given_up_and_begun_anew() -> None:
    text = "[" * 1000 + '{"a": 1}' + "]" * 1000
    found = find_all(text)
    assert found[0].value == {"a": "1"}
    assert len(found) <= MAX_DEPTH


@given(st.text(alphabet="{}[]\"':,\\ a1\n“”", max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    for found in find_all(text):
        assert text[found.start] in "{["
        assert found.start < found.end <= len(text)
