"""Whether a text gives an accepted answer. Strict rather than kind: what could be an accident, a
list of everything or "I do not know" is wrong, and every contestant is read by the same rules.

* An accepted answer must occur as whole words in what the text states in the end (`statement.py`).
* Without a line that names the answer, that is the last sentence; or the first one, where nothing
  that comes later concludes something else.
* A number must be the one that is stated: after the last `=`, and no other new one beside it
  (numbers of the question do not count as new).
* "Yes" and "no" must begin the statement; a letter (of a choice) must stand alone.
* What is denied ("not Sydney"), offered with another ("5 or 10") or enumerated is not stated.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from serve_app.bench.items import Item
from serve_app.bench.statement import claim, said
from serve_app.bench.words import Token, numbers, plain, tokens

_UNSURE = re.compile(
    r"\b(?:(?:do not|don't|cannot|can't) (?:know|tell|say|determine|answer)|not sure|unsure"
    r"|ne (?:sais|peux) pas|(?:cannot|can't) be determined"
    r"|impossible (?:to|de) (?:say|know|dire))\b"
)
_LETTER = re.compile(r"\W*(?:(?:option|choice|choix)\s+)?([A-Za-z])(?=\W*$|\s*[).:,\-–—])")
_CONCLUDES = re.compile(
    r"\W*(?:so|therefore|thus|hence|finally|but|however|actually|in conclusion"
    r"|donc|ainsi|alors|mais|cependant|finalement|en conclusion|en fait)\b"
)
_PARTS = re.compile(r"[;\n]|(?<!\d),|,(?!\d)|\b(?:and|or|et|ou)\b")
ARTICLES = {"the", "a", "an", "le", "la", "les", "l", "un", "une"}
SMALL = ARTICLES | {"in", "at", "of", "by", "on", "en", "de", "du", "des", "d", "au", "par"}
DENIALS = {"not", "t", "never", "nor", "neither", "pas", "ni", "jamais", "except", "sauf", "unlike"}
DENIED_BY_TWO = {
    ("instead", "of"), ("rather", "than"), ("plutot", "que"), ("lieu", "de"), ("et", "non"),
}  # fmt: skip
EITHER = {"or", "ou"}
FILLERS = {
    "so",
    "therefore",
    "thus",
    "hence",
    "well",
    "then",
    "donc",
    "ainsi",
    "alors",
    "eh",
    "bien",
}
OPPOSITES = {
    "yes": {"no", "non"}, "oui": {"no", "non"}, "no": {"yes", "oui"}, "non": {"yes", "oui"},
    "true": {"false", "faux"}, "vrai": {"false", "faux"},
    "false": {"true", "vrai"}, "faux": {"true", "vrai"},
}  # fmt: skip
AT_THE_HEAD = {"yes", "no", "oui", "non"}
ENUMERATION = 3
"""Parts of at most that many words each, and so many of them, are a list."""


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
    so of several numbers the first counts."""
    if _UNSURE.search(plain(statement)):
        return False
    claimed = claim(statement)
    return not _other_choice(claimed, item) and any(
        _gives(claimed, answer, item, sure) for answer in item.answers or ()
    )


def _gives(statement: str, answer: str, item: Item, sure: bool) -> bool:
    wanted = _bare(tokens(answer))
    if len(answer.strip()) == 1 and answer.strip().isascii() and answer.strip().isalpha():
        letter = _LETTER.match(statement)
        return letter is not None and letter[1].upper() == answer.strip().upper()
    if len(wanted) == 1 and isinstance(wanted[0], Fraction):
        return _gives_number(statement, item, sure)
    if len(wanted) == 1 and wanted[0] in OPPOSITES:
        return _gives_side(tokens(statement), str(wanted[0]))
    return _named(statement, wanted, item)


def _gives_number(statement: str, item: Item, sure: bool) -> bool:
    accepted = _accepted_numbers(item)
    if _is_list(statement, ()):
        return False
    stated = statement.rpartition("=")[2] if tokens(statement.rpartition("=")[2]) else statement
    found = tokens(stated)
    places = [n for n, token in enumerate(found) if isinstance(token, Fraction)]
    if any(found[n] in accepted and (_denied(found, n) or _offered(found, n, n + 1, accepted))
           for n in places):  # fmt: skip
        return False
    asked = set(numbers(tokens(item.question)))
    stated_numbers = numbers(found)
    fresh = [number for number in stated_numbers if number not in asked] or list(stated_numbers)
    if sure:
        return bool(fresh) and (fresh[0] in accepted or stated_numbers[0] in accepted)
    return bool(fresh) and all(number in accepted for number in fresh)


def _gives_side(found: Sequence[Token], side: str) -> bool:
    """Yes or no, true or false."""
    if side in AT_THE_HEAD:
        return next((token for token in found if token not in FILLERS), None) == side
    return any(
        token == side and not _denied(found, n) for n, token in enumerate(found)
    ) and not OPPOSITES[side] & set(found)


def _named(statement: str, wanted: Sequence[Token], item: Item) -> bool:
    """Whether these words stand in the statement, neither denied nor offered with others."""
    if _is_list(statement, wanted):
        return False
    found = tokens(statement)
    accepted = {_bare(tokens(answer)) for answer in item.answers or ()}
    return any(
        not _denied(found, n) and not _offered(found, n, n + len(wanted), accepted)
        for n in _places(found, wanted)
    )


def _places(found: Sequence[Token], wanted: Sequence[Token]) -> Iterable[int]:
    length = len(wanted)
    return (n for n in range(len(found) - length + 1) if tuple(found[n : n + length]) == wanted)


def _denied(found: Sequence[Token], at: int) -> bool:
    before = [token for token in found[max(0, at - 5) : at] if token not in ARTICLES]
    if tuple(before[-2:]) in DENIED_BY_TWO:
        return True
    heavy = [token for token in before if token not in SMALL]
    return bool(heavy) and heavy[-1] in DENIALS


def _offered(found: Sequence[Token], begin: int, end: int, accepted: Iterable[object]) -> bool:
    """Whether it stands beside an "or", with something that is not accepted on the other side."""
    known = {word for one in accepted for word in (one if isinstance(one, tuple) else (one,))}
    before = found[begin - 2] if begin > 1 and found[begin - 1] in EITHER else None
    after = found[end + 1] if end + 1 < len(found) and found[end] in EITHER else None
    return any(other is not None and other not in known for other in (before, after))


def _is_list(statement: str, wanted: Sequence[Token]) -> bool:
    """Whether it enumerates, and not just what is wanted."""
    parts = [tokens(part) for part in _PARTS.split(plain(statement))]
    short = [part for part in parts if 0 < len(part) <= ENUMERATION]
    found = _bare(tokens(statement))
    return len(short) >= ENUMERATION and len(short) == sum(map(bool, parts)) and found != wanted


def _other_choice(statement: str, item: Item) -> bool:
    """Whether another choice than the accepted ones is named, too."""
    accepted = {_bare(tokens(answer)) for answer in item.answers or ()}
    found = tokens(statement)
    others = {_bare(tokens(choice)) for choice in item.choices} - accepted
    inside = [other for other in others if not any(list(_places(a, other)) for a in accepted)]
    return any(not _denied(found, n) for other in inside for n in _places(found, other))


def _other(sentence: str, item: Item) -> bool:
    """Whether a later sentence concludes, or states something else than what is accepted."""
    found = tokens(sentence)
    if _CONCLUDES.match(plain(sentence)) or _other_choice(sentence, item):
        return True
    accepted = _accepted_numbers(item)
    known = accepted | set(numbers(tokens(item.question)))
    if accepted and any(number not in known for number in numbers(found)):
        return True
    sides = {str(side) for a in item.answers or () for side in tokens(a) if side in AT_THE_HEAD}
    return bool(found) and any(found[0] in OPPOSITES[side] for side in sides)


def _accepted_numbers(item: Item) -> set[Fraction]:
    found = [_bare(tokens(answer)) for answer in item.answers or ()]
    return {one[0] for one in found if len(one) == 1 and isinstance(one[0], Fraction)}


def _bare(found: tuple[Token, ...]) -> tuple[Token, ...]:
    """Without an article in front."""
    return found[1:] if len(found) > 1 and found[0] in ARTICLES else found
