"""Whether a text gives an accepted answer. Strict rather than kind: what could be an accident, a
list of everything or "I do not know" is wrong, and every contestant is read by the same rules.

* An accepted answer must occur as whole words in what the text states in the end (`statement.py`),
  and as what is the case (`naming.py`).
* Without a line that names the answer, that is the last sentence; or the first one, where nothing
  that comes later concludes something else.
* A number must be the one that is stated: after the last `=`, and no other new one beside it
  (numbers of the question do not count as new).
* "Yes" and "no" must begin the statement; a letter (of a choice) must stand alone.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from serve_app.bench.items import Item
from serve_app.bench.naming import (
    EITHER,
    ENUMERATION,
    Name,
    denied,
    is_list,
    name_of,
    named,
    offered,
    others_named,
)
from serve_app.bench.statement import claim, said
from serve_app.bench.words import Token, numbers, plain, tokens

_UNSURE = re.compile(
    r"\b(?:(?:do not|don't|cannot|can't) (?:know|tell|say|determine|answer)|not sure|unsure"
    r"|ne (?:sais|peux) pas|(?:cannot|can't) be determined"
    r"|impossible (?:to|de) (?:say|know|dire))\b"
)
_LETTER = re.compile(
    r"\W*(?:(?:option|choice|choix)\s+)?([A-Za-z])(?=\W*$|\s*[).:,\-–—])"
    r"(?!\W*(?:(?:and|or|et|ou)\s+)?[B-Z](?:\W*$|\s*[,/&]|\s+(?:and|or|et|ou)\b))"
)
_CONCLUDES = re.compile(
    r"\W*(?:so|therefore|thus|hence|finally|but|however|actually|in conclusion"
    r"|donc|ainsi|alors|mais|cependant|finalement|en conclusion|en fait)\b"
)
FILLERS = {
    "so", "therefore", "thus", "hence", "well", "then", "donc", "ainsi", "alors", "eh", "bien",
}  # fmt: skip
OPPOSITES = {
    "yes": {"no", "non"}, "oui": {"no", "non"}, "no": {"yes", "oui"}, "non": {"yes", "oui"},
    "true": {"false", "faux"}, "vrai": {"false", "faux"},
    "false": {"true", "vrai"}, "faux": {"true", "vrai"},
}  # fmt: skip
AT_THE_HEAD = {"yes", "no", "oui", "non"}


def is_right(text: str, item: Item) -> bool:
    """For an item with `answers`."""
    heard = said(text)
    if heard.marked is not None:
        return _states(heard.marked, item, sure=True)
    own = [one for one in heard.sentences if not _echo(one, item)]
    if not own:
        return False
    first, *later = own
    if later and _states(later[-1], item, sure=False):
        return True
    return _states(first, item, sure=False) and not any(_other(one, item) for one in later)


def _echo(sentence: str, item: Item) -> bool:
    """Whether it asks, or repeats a sentence of the question."""
    repeats = len(tokens(sentence)) > ENUMERATION and plain(sentence) in plain(item.question)
    return sentence.endswith("?") or repeats


def _states(statement: str, item: Item, sure: bool) -> bool:
    """Whether the statement gives an accepted answer. `sure`: it is what the text calls its answer,
    so of several numbers or choices the first counts."""
    claimed = claim(statement)
    if _UNSURE.search(plain(statement)) or _other_choice(claimed, item, sure):
        return False
    return any(_gives(claimed, answer, item, sure) for answer in item.answers or ())


def _gives(statement: str, answer: str, item: Item, sure: bool) -> bool:
    wanted = name_of(answer)
    if len(answer.strip()) == 1 and answer.strip().isascii() and answer.strip().isalpha():
        letter = _LETTER.match(statement)
        return letter is not None and letter[1].upper() == answer.strip().upper()
    if len(wanted) == 1 and isinstance(wanted[0], Fraction):
        return _gives_number(statement, item, sure)
    if len(wanted) == 1 and wanted[0] in OPPOSITES:
        return _gives_side(tokens(statement), str(wanted[0]))
    return named(statement, wanted, _accepted(item))


def _gives_number(statement: str, item: Item, sure: bool) -> bool:
    if is_list(statement):
        return False
    result = statement.rpartition("=")[2]
    found = tokens(result) if numbers(tokens(result)) else tokens(statement)
    accepted, asked, stated = _numbers(item), numbers(tokens(item.question)), numbers(found)
    if any(_doubted(found, n, accepted) for n, token in enumerate(found) if token in accepted):
        return False
    fresh = [number for number in stated if number not in asked] or list(stated)
    if sure:
        return bool(fresh) and (fresh[0] in accepted or stated[0] in accepted)
    return bool(fresh) and all(number in accepted for number in fresh)


def _doubted(found: Sequence[Token], at: int, accepted: set[Fraction]) -> bool:
    return denied(found, at) or offered(found, at, at + 1, accepted)


def _gives_side(found: Sequence[Token], side: str) -> bool:
    """Yes or no, true or false."""
    if side in AT_THE_HEAD:
        head = [token for token in found if token not in FILLERS][:2]
        return head[:1] == [side] and not EITHER & set(head)
    sides = [token for n, token in enumerate(found) if token in OPPOSITES and not denied(found, n)]
    return side in sides and not OPPOSITES[side] & set(found)


def _other_choice(statement: str, item: Item, sure: bool) -> bool:
    choices = [name_of(choice) for choice in item.choices]
    return others_named(statement, _accepted(item), choices, sure)


def _other(sentence: str, item: Item) -> bool:
    """Whether a later sentence concludes, or states something else than what is accepted."""
    found = tokens(sentence)
    if _CONCLUDES.match(plain(sentence)) or _other_choice(sentence, item, sure=False):
        return True
    accepted = _numbers(item)
    known = accepted | set(numbers(tokens(item.question)))
    if accepted and any(number not in known for number in numbers(found)):
        return True
    sides = {str(side) for one in _accepted(item) for side in one if side in AT_THE_HEAD}
    return bool(found) and any(found[0] in OPPOSITES[side] for side in sides)


def _accepted(item: Item) -> set[Name]:
    return {name_of(answer) for answer in item.answers or ()}


def _numbers(item: Item) -> set[Fraction]:
    """The accepted numbers."""
    return {one[0] for one in _accepted(item) if len(one) == 1 and isinstance(one[0], Fraction)}
