"""The numbers that an opinion gives, in plain digits: how it writes them, and which one is meant.
Knows no questions. In doubt it is none of them.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

from actors.council.judging.plain_text import REFUSES, SENTENCES, SHORT, bold, marked, stated

_NUMBER = re.compile(
    r"(?<![a-z0-9])(?<![0-9][.,:/^])(?<![a-z^]-)(?<!\^)"
    r"(?P<digits>-?(?>[0-9]{1,3}(?: [0-9]{3}){1,12}(?:[.,][0-9]{1,40})?(?![0-9])"
    r"|[0-9]{1,40}(?:[.,:/^'-][0-9]{1,40}){0,12}))(?!(?:st|nd|rd|th|e[0-9]+)\b|[0-9])"
    r"(?P<power>\s?(?:x|\*|×|\\times)\s?10\s?\^)?"
    r"(?:[ -]?(?P<scale>thousand|mille|k|millions?|milliards?|billions?|trillions?)\b)?"
)
_SCALES = {"thousand": 3, "mille": 3, "k": 3, "million": 6, "milliard": 9, "billion": 9}
_PLAIN = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
_GROUPED = re.compile(
    r"-?[0-9]{1,3}(?:(?:,[0-9]{3})+(?:\.[0-9]+)?|(?:(?:\.[0-9]{3}){2,}|\.[0-9]{3}(?=,))(?:,[0-9]+)?"
    r"|(?:[ '][0-9]{3})+(?:[.,][0-9]+)?)"
)
_SMALL = {
    word: number
    for words in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        " fifteen sixteen seventeen eighteen nineteen twenty",
        "zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze"
        " seize dix-sept dix-huit dix-neuf vingt",
        "null eins zwei drei vier funf sechs sieben acht neun zehn",
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez",
    )
    for number, word in enumerate(words.split())
    if word != "null"
}
_TENS = {
    word: 10 * number
    for words in (
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "vingt trente quarante cinquante soixante",
    )
    for number, word in enumerate(words.split(), 2)
}
_LONGEST_FIRST = "|".join(sorted(_SMALL, key=len, reverse=True))
_WORD = re.compile(
    rf"(?<![\w-])(?:(?P<tens>{'|'.join(_TENS)})(?:[- ](?:et[- ])?(?P<units>{_LONGEST_FIRST}))?"
    rf"|(?P<small>{_LONGEST_FIRST}))(?![\w-])"
    r"(?! (?:hundred|thousand|cents?|mille|millions?|billions?|milliards?)\b)"
)
_ARTICLES = ("one", "un", "uno")

_LISTED = re.compile(r"^ ?1[.)] ", re.M)
_MARKER = re.compile(r"^ ?[0-9]{1,2}[.)] |\b(?:step|etape|schritt|paso) [0-9]+", re.M)
_BEFORE = re.compile(
    r"\W*(?:approximately|about|around|exactly|just|only|environ|exactement|a total of"
    r"|un total de)?\W*"
)
_RANGE = re.compile(r"\W{0,3}(?:-|to|or|a|ou|oder|bis|and|et)\W{0,3}")

Found = list[str | None]
"""Answers found in one place; None: something that could be one, but which?"""


def numbers_in(head: str, tail: str) -> Iterator[Found]:
    """What each place gives where a number may stand, the likeliest first. In small letters."""
    for mark in marked(tail):
        yield _stated_number(mark) or [None]
    yield from map(_stated_number, (*stated(tail), *bold(tail)))
    if REFUSES.match(head):
        return
    unlisted = _MARKER.sub(" ", tail) if _LISTED.search(tail) else tail
    for sentence in reversed(SENTENCES.split(unlisted)):
        sentence = _unbracketed(sentence)
        found = list(_NUMBER.finditer(sentence))
        between = sentence[found[-2].end() : found[-1].start()] if len(found) > 1 else ""
        yield [None] if _RANGE.fullmatch(between) else list(map(_value, found[-1:]))
    articles = _ARTICLES if len(tail) > SHORT // 4 else ()
    yield [_word(word) for word in _WORD.finditer(tail) if word.group() not in articles]


def _stated_number(rest: str) -> Found:
    """`42 apples`, `12 * 7 = 84`, `there are 42`, `8849 m (29032 ft)`; not `3 to 5`."""
    rest = _unbracketed(rest).rpartition("=")[2]
    found = list(_NUMBER.finditer(rest))
    if not found:
        return [_word(word) for word in _WORD.finditer(rest)]
    leads = _BEFORE.fullmatch(rest[: found[0].start()])
    if len(found) > 1 and leads and not _RANGE.fullmatch(rest[found[0].end() : found[1].start()]):
        found = found[:1]
    return list(map(_value, found))


def _unbracketed(sentence: str) -> str:
    """Without brackets at its end that explain the number before them."""
    before, _, behind = sentence.rpartition(" (")
    ends = behind.rstrip(" .!*").endswith(")")
    return before if ends and re.search("[0-9]", before) else sentence


def _value(found: re.Match[str]) -> str | None:
    """In plain digits. `1,234` is a thousand and more, `3,5` and `0,125` are parts, `1.234` too."""
    digits = found["digits"]
    if found["power"] or found["scale"] in ("trillion", "trillions"):
        return None
    if _PLAIN.fullmatch(digits) and not (
        _GROUPED.fullmatch(digits) and digits.strip("-")[0] != "0"
    ):
        number = digits.replace(",", ".")
    elif _GROUPED.fullmatch(digits):
        point = re.search(r"[.,](?=[0-9]*$)", digits)
        cut = point.start() if point and _is_point(digits, point.start()) else len(digits)
        number = re.sub(r"[^-0-9]", "", digits[:cut]) + "." + digits[cut + 1 :]
    else:
        return None
    scale = _SCALES[(found["scale"] or "").removesuffix("s")] if found["scale"] else 0
    return _canonical(Decimal(f"{number.rstrip('.')}e{scale}"))


def _is_point(digits: str, at: int) -> bool:
    """Whether the last sign of grouped digits parts the whole from its fraction."""
    return digits.count(digits[at]) == 1 and (
        len(set(re.sub("[-0-9]", "", digits))) > 1 or len(digits) - at != 4
    )


def _canonical(number: Decimal) -> str:
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _word(found: re.Match[str]) -> str:
    small = found["small"] or found["units"]
    return str(_TENS.get(found["tens"] or "", 0) + (_SMALL[small] if small else 0))
