"""What is asked: questions with known answers, read from JSONL. Knows nothing of councils."""

import json
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from actors.messages.message import Message
from serve_app.bench.words import tokens

SHOWN = 5
"""Bad lines that are told at once."""
HINTS = {
    "en": "End with one line of this form: Answer: <the answer, in as few words as possible>",
    "fr": "Termine par une ligne de cette forme : Réponse : <la réponse, en aussi peu de mots que "
    "possible>",
}
"""Asked along with a question that has `answers`, so that what is meant as the answer is told apart
from the way to it."""


class BadItems(Exception):
    """`BadItems(sentence, …)`: a line each, with its number and what to mend."""


class Item(Message):
    """A question, and either the `answers` that are accepted (any of them, as
    `matching.is_right` reads a text) or how a `judge` model is to tell a right answer.

    `choices`: what the question offers; an answer that names another choice as well is wrong.
    """

    id: str = Field(min_length=1, max_length=200)
    question: str = Field(min_length=1)
    answers: tuple[str, ...] | None = Field(default=None, min_length=1)
    judge: str | None = Field(default=None, min_length=1)
    choices: tuple[str, ...] = ()
    kind: str | None = None
    language: str | None = None

    @model_validator(mode="after")
    def _one_way_to_tell(self) -> Self:
        if (self.answers is None) == (self.judge is None):
            raise ValueError('give either "answers" or "judge", one of the two')
        for answer in self.answers or ():
            if not tokens(answer):
                raise ValueError(f"the answer {answer!r} has no letter and no digit to look for")
        return self

    @property
    def query(self) -> str:
        """What the council is asked."""
        if self.judge is not None:
            return self.question
        return f"{self.question}\n\n{HINTS.get(self.language or 'en', HINTS['en'])}"


def read_items(lines: Iterable[str]) -> tuple[Item, ...]:
    """The items of a JSONL file; blank lines are passed over. Raises `BadItems`."""
    items: dict[str, tuple[int, Item]] = {}
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = _item(line)
        except ValueError as error:
            faults.extend(f"Line {number}: {fault}" for fault in _faults(error))
            continue
        if item.id in items:
            first = items[item.id][0]
            faults.append(f'Line {number}: the id "{item.id}" is that of line {first}, too.')
        items.setdefault(item.id, (number, item))
    if faults:
        more = len(faults) - SHOWN
        raise BadItems(*faults[:SHOWN], *([f"And {more} more."] if more > 0 else []))
    if not items:
        raise BadItems("There is no question in it.")
    return tuple(item for _, item in items.values())


def drawn(items: Sequence[Item], seed: int, limit: int | None) -> tuple[Item, ...]:
    """The first `limit` of the items in an order by chance: a greater limit adds to a smaller."""
    shuffled = list(items)
    Random(seed).shuffle(shuffled)
    return tuple(shuffled[:limit])


def _item(line: str) -> Item:
    """Raises ValueError (which JSON's and pydantic's errors are)."""
    return Item.model_validate_json(json.dumps(json.loads(line)))


def _faults(error: ValueError) -> Iterator[str]:
    if isinstance(error, ValidationError):
        yield from map(_sentence, error.errors(include_url=False))
    elif isinstance(error, json.JSONDecodeError):
        yield f"this is not JSON ({error.msg}, column {error.colno}). Each line is one object."
    else:
        yield f"{error}."


def _sentence(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    match fault["type"]:
        case "missing":
            return f'"{where}" is missing.'
        case "extra_forbidden":
            known = ", ".join(Item.model_fields)
            return f'"{where}" is no field of a question ({known}).'
        case "model_type" | "model_attributes_type":
            return 'it is no object: write {"id": …, "question": …, "answers": […]}.'
        case _:
            what = str(fault["msg"]).removeprefix("Value error, ")
            return f'"{where}": {what}.' if where else f"{what}."
