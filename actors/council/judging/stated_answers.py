"""The answer that an opinion states to a closed question: a number, an option's label, yes or no.

It is the one that it says is the answer ("the answer is …", a box, a last line in bold); failing
that, the last number, the only label, the first word. In doubt it gives none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from actors.council.judging.plain_text import (
    LOOKED_AT,
    REFUSES,
    SHORT,
    bold,
    boxed,
    last_line,
    marked,
    options_of,
    plain,
    stated,
)
from actors.council.judging.stated_numbers import Found, numbers_in

Kind = Literal["number", "choice", "yes_no"]

_HEAD = 1024
"""Characters of the start of an opinion that are looked at."""
TRUE_FALSE = re.compile(r"\b(?:true or false|true/false|vrai ou faux|vrai/faux)\b")

_FOLLOWS = (
    r"(?=\W*$|\s*[,.;:!)*\]}\"'\n]|\s[-—]|\s(?:it|they|he|she|there|that|this|the|we|i|you|la|le"
    r"|les|il|elle|on|because|since|car|parce|is|est|which)\b)"
)
_YES_NO = re.compile(r"\W{0,8}(?:(?P<yes>yes|oui|yeah|ja)|(?P<no>no|non|nein|nope))" + _FOLLOWS)
_TRUTH = re.compile(r"\W{0,8}(?:(?P<yes>true|vrai)|(?P<no>false|faux))" + _FOLLOWS)
_LABEL = re.compile(
    r"[^\w\n]{0,8}(?i:(?:the|la|option|choice|choix|reponse|answer|letter|lettre)\s){0,3}"
    r"[^\w\n]{0,4}(?P<label>[A-J1-9](?![\w'])" + _FOLLOWS + r"|[a-j](?=[).:*\]\"]|\W*$))"
)
_ANOTHER = re.compile(
    r"[^\w\n]{0,4}(?:\b(?:and|or|et|ou|und|oder)\b|[&,/])\s?[^\w\n]{0,3}[A-Ja-j1-9](?![\w'])"
)
_CORRECT = re.compile(
    r"(?<![\w'])(?P<label>[A-J])(?:[).:][^\n]{0,80}?)?\W{0,3} (?:is|est)(?: the| la)?"
    r" (?:correct|right|bonne|best)\b"
)
_MARKED = re.compile(r"^[*\s>#(\[-]{0,6}(?P<label>[A-Ja-j1-9])(?:[).:\]*]|\W*$|\s[-—])", re.M)
_LONE = re.compile(r"\W*(?P<label>[A-Ja-j1-9])\W*")


def extract(kind: Kind, text: str, query: str) -> str | None:
    """The answer to `query` that `text` gives: a number in plain digits (`42`, `-3.5`), a label in
    small (`b`, `2`), `yes` or `no`. None where it gives none, or not clearly one. Never raises."""
    said = text.rpartition("</think>")[2].strip()
    if "<think>" in said[:_HEAD]:
        return None
    head, tail = plain(said[:_HEAD]), plain(said[-LOOKED_AT:])
    if kind == "number":
        return _first(numbers_in(head.casefold(), tail.casefold()))
    asked = plain(query[:LOOKED_AT]).strip()
    if kind == "choice":
        return _first(_labels_in(head, tail, options_of(asked)[1]))
    truth = TRUE_FALSE.search(asked.casefold()) is not None
    return _first([_yes_no_in(head.casefold(), tail.casefold(), truth)])


def _first(places: Iterable[Found]) -> str | None:
    """What is found in the first of the places that have anything, if it is one thing."""
    found = next((found for found in places if found), [None])
    return found[0] if len(set(found)) == 1 else None


def _labels_in(head: str, tail: str, options: Mapping[str, str]) -> Iterator[Found]:
    def known(label: str) -> str | None:
        return label.casefold() if label.casefold() in options else None

    def labels(rest: str) -> Found:
        match = _LABEL.match(rest)
        if match:
            return [known(match["label"]), *([None] if _ANOTHER.match(rest, match.end()) else [])]
        return _named(rest, options)

    yield from map(labels, (*marked(tail), *stated(tail)))
    yield [known(label) for label in _CORRECT.findall(tail)]
    yield from map(labels, bold(tail))
    if lone := _LONE.fullmatch(tail):
        yield [known(lone["label"])]
    yield [known(label) for label in _MARKED.findall(tail) if known(label)]
    if len(tail) <= SHORT and not REFUSES.match(head.casefold()):
        yield _named(tail, options)


def _named(text: str, options: Mapping[str, str]) -> Found:
    """Labels of the options whose words are in `text`."""
    folded = text.casefold()
    return [
        label
        for label, option in options.items()
        if option and re.search(rf"(?<!\w){re.escape(option.casefold())}(?!\w)", folded)
    ]


def _yes_no_in(head: str, tail: str, truth: bool) -> Found:
    """Every place that says so, since "Yes, … The answer is no." says neither."""
    says = next(([rest] for rest in stated(tail) if _said(rest, truth)), [])
    places = (
        *boxed(tail),
        *says,
        *bold(tail),
        *head.split("\n"),
        last_line(tail),
    )
    return [answer for place in places if (answer := _said(place, truth))]


def _said(place: str, truth: bool) -> str | None:
    match = _YES_NO.match(place) or (_TRUTH.match(place) if truth else None)
    return match.lastgroup if match else None
