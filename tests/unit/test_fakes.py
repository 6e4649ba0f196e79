"""The fake's own words: ballots that fit their schema, counts that add up. No socket."""

import json
from typing import Any

import pytest

from tests.fakes import seed_usage, texts
from tests.fakes.http import Request
from tests.fakes.shapes import FakeModel
from tests.fakes.speech import Habits, Speech, Wish

VOTE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["A", "C"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
        "reasoning": {"type": "string"},
    },
}
LIST = {"type": "object", "properties": {"rankings": {"type": "array", "items": VOTE}}}
REFERRED = {
    "$defs": {"Vote": VOTE},
    "type": "object",
    "properties": {"rankings": {"type": "array", "items": {"$ref": "#/$defs/Vote"}}},
}
KEYED = {
    "type": "object",
    "properties": {
        label: {"type": "object", "properties": {"score": {"type": "integer"}}} for label in "AC"
    },
}
SCORES = {"A": 3, "C": 9}


def request(model: str = "m", **body: Any) -> Request:
    asked = {"model": model, "messages": [{"role": "user", "content": "Why?"}]} | body
    return Request("POST", "/api/chat", {}, json.dumps(asked).encode())


@pytest.mark.parametrize("schema", [LIST, REFERRED])
def test_a_ballot_has_a_line_for_every_label(schema: dict[str, Any]) -> None:
    ballot = texts.instance(schema, SCORES.__getitem__)
    votes = [(vote["label"], vote["score"]) for vote in ballot["rankings"]]
    assert votes == [("A", 3), ("C", 9)]


def test_a_ballot_may_be_keyed_by_label() -> None:
    ballot = texts.instance(KEYED, SCORES.__getitem__)
    assert ballot == {"A": {"score": 3}, "C": {"score": 9}}


def test_a_ballot_is_spoken_as_json() -> None:
    habits = Habits(20, 0.0, None, lambda model, label: SCORES[label])
    speech = Speech(FakeModel("m"), request(format=LIST), Wish(), habits)
    ballot = json.loads("".join(message["content"] for message in speech.messages))
    assert [vote["score"] for vote in ballot["rankings"]] == [3, 9]


def test_the_seeds_table_adds_up() -> None:
    usage = seed_usage("phi3.5:mini")
    seats = ("gemma2:2b", "qwen2.5:0.5b", "llama3.2:1b")
    opinions = [usage(request(seat)) for seat in seats]
    reviews = [usage(request(seat, format=LIST)) for seat in seats]
    assert tuple(map(sum, zip(*opinions, strict=True))) == (244, 256)
    assert tuple(map(sum, zip(*reviews, strict=True))) == (1293, 594)
    assert usage(request("phi3.5:mini")) == (501, 352)


def test_an_essay_has_as_many_tokens_as_asked() -> None:
    assert len(texts.essay("m", 100)) == len(texts.essay("m", 100, "#Q1")) == 100


def test_an_answer_names_every_mark_that_it_was_shown() -> None:
    messages = [{"content": "#Q2 why? #Q11"}, {"content": "It was #Q2. (#3)"}]
    assert texts.marks({"messages": messages}) == "#Q11 #Q2"
    assert "".join(texts.essay("m", 9, "#Q11 #Q2")).startswith("m on #Q11 #Q2 says: The")
    assert "".join(texts.pieces("Some  words, here.")) == "Some  words, here."
