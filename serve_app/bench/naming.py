"""Whether words are named in a statement as what is the case: neither denied ("not Sydney"), nor
offered with others ("5 or 10"), nor one of a list. Knows nothing of questions.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from serve_app.bench.words import Token, plain, tokens

Name = tuple[Token, ...]

_PARTS = re.compile(r"[;\n]|(?<!\d),|,(?!\d)|\b(?:and|or|et|ou)\b")
ARTICLES = {"the", "a", "an", "le", "la", "les", "l", "un", "une"}
SMALL = ARTICLES | {"in", "at", "of", "by", "on", "en", "de", "du", "des", "d", "au", "par"}
DENIALS = {"not", "t", "never", "nor", "neither", "pas", "ni", "jamais", "except", "sauf", "unlike"}
DENIED_BY_TWO = {
    ("instead", "of"), ("rather", "than"), ("plutot", "que"), ("lieu", "de"), ("et", "non"),
}  # fmt: skip
EITHER = {"or", "ou"}
JOINED = EITHER | {"and", "et"} | SMALL
ENUMERATION = 3
"""Parts of at most that many words each, and so many of them, are a list."""


def name_of(text: str) -> Name:
    """The words, without an article in front."""
    return bare(tokens(text))


def bare(found: Name) -> Name:
    return found[1:] if len(found) > 1 and found[0] in ARTICLES else found


def named(statement: str, wanted: Name, accepted: Collection[Name]) -> bool:
    """Whether `wanted` stands in the statement; what is `accepted` may be offered beside it."""
    found = tokens(statement)
    return not is_list(statement, wanted) and any(
        not offered(found, n, n + len(wanted), {word for one in accepted for word in one})
        for n in places(found, wanted)
    )


def others_named(
    statement: str, accepted: Collection[Name], choices: Collection[Name], sure: bool
) -> bool:
    """Whether another of the choices is named as well; if it is `sure` what the statement is about,
    before an accepted one or joined to it."""
    found = tokens(statement)
    others = [c for c in choices if not any(list(_places(a, c)) for a in accepted)]
    there = [n for other in others for n in places(found, other)]
    if not sure or not there:
        return bool(there)
    ends = [n + len(one) for one in accepted for n in places(found, one)]
    if not ends or min(there) < min(ends):
        return True
    return any(not set(found[end:n]) - JOINED for n in there for end in ends if end <= n)


def places(found: Sequence[Token], wanted: Name) -> Iterator[int]:
    """Where `wanted` begins and is not denied."""
    return (n for n in _places(found, wanted) if not denied(found, n))


def denied(found: Sequence[Token], at: int) -> bool:
    before = [token for token in found[max(0, at - 5) : at] if token not in ARTICLES]
    if tuple(before[-2:]) in DENIED_BY_TWO:
        return True
    heavy = [token for token in before if token not in SMALL]
    return bool(heavy) and heavy[-1] in DENIALS


def offered(found: Sequence[Token], begin: int, end: int, accepted: Collection[Token]) -> bool:
    """Whether it stands beside an "or", with something that is not accepted on the other side."""
    before = found[begin - 2] if begin > 1 and found[begin - 1] in EITHER else None
    after = found[end + 1] if end + 1 < len(found) and found[end] in EITHER else None
    return any(other is not None and other not in accepted for other in (before, after))


def is_list(statement: str, wanted: Name = ()) -> bool:
    """Whether it enumerates, and not just what is wanted."""
    parts = [tokens(part) for part in _PARTS.split(plain(statement))]
    short = [part for part in parts if 0 < len(part) <= ENUMERATION]
    found = name_of(statement)
    return len(short) >= ENUMERATION and len(short) == sum(map(bool, parts)) and found != wanted


def _places(found: Sequence[Token], wanted: Name) -> Iterator[int]:
    length = len(wanted)
    return (n for n in range(len(found) - length + 1) if tuple(found[n : n + length]) == wanted)
