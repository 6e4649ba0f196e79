"""A text as words and numbers that can be compared: case, accents, punctuation and the ways to
write a number make no difference. Knows nothing of what is right.
"""

import re
import unicodedata
from fractions import Fraction

Token = str | Fraction

_SUPERSCRIPTS = str.maketrans({sign: f"^{n}" for n, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_SIGNS = str.maketrans({"−": "-", "–": "-", "’": "'", "œ": "oe", "æ": "ae", "_": " "})

_TOKEN = re.compile(
    r"(?P<over>(?<![\w^./])\d+(?=\s?[/⁄]\s?\d))\s?[/⁄]\s?(?P<under>\d+)(?!\s?[/⁄]|[\d.,]\d)"
    r"|(?P<number>(?<![\w^])(?:(?:(?<=[\s(=:$€£])|^)-)?(?:"
    r"[1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?"  # 1,234.5
    r"|[1-9]\d{0,2}(?:[ ']\d{3})+(?!\d)(?:[.,]\d+)?"  # 1 234,5
    r"|[1-9]\d{0,2}(?:\.\d{3}){2,}(?!\d)(?:,\d+)?"  # 1.234.567,8
    r"|\d+(?:[.,]\d+)?"  # 3.5, 3,5, 42
    r"))(?:(?:st|nd|rd|th|ere?|e|eme)\b)?"
    r"|(?P<word>[^\W\d][\w]*)"
)
LONGEST = 60
"""Signs of a number; what is longer is none."""
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")

_WORDS = {
    "zero": 0, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "sept": 7, "huit": 8, "neuf": 9, "dix": 10,
    "onze": 11, "douze": 12, "treize": 13, "quatorze": 14, "quinze": 15, "seize": 16,
}  # fmt: skip
"""Without "one" and "un(e)", which are articles and pronouns."""
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
    "quatrevingt": 80,
}  # fmt: skip
_EIGHTY = re.compile(r"\bquatre[- ]vingts?\b")


def plain(text: str) -> str:
    """Small letters without accents; signs that look alike made one."""
    text = unicodedata.normalize("NFKC", text.translate(_SUPERSCRIPTS)).casefold()
    apart = unicodedata.normalize("NFKD", text.translate(_SIGNS))
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def tokens(text: str) -> tuple[Token, ...]:
    """Words in small letters, numbers as fractions: `"1,234"`, `"1 234"`, `"1234."` are one."""
    found: list[Token] = []
    before_was_tens = False
    for match in _TOKEN.finditer(_EIGHTY.sub("quatrevingt", plain(text))):
        token = _token(match)
        unit = isinstance(token, Fraction) and 0 < token < 20 and match["word"]
        if before_was_tens and (unit or token in ("one", "un", "une")):
            found[-1] += Fraction(1) if isinstance(token, str) else token  # type: ignore[operator]
            before_was_tens = False
            continue
        found.append(token)
        before_was_tens = match["word"] in _TENS
    return tuple(found)


def numbers(found: tuple[Token, ...]) -> tuple[Fraction, ...]:
    return tuple(token for token in found if isinstance(token, Fraction))


def _token(match: re.Match[str]) -> Token:
    if len(match[0]) > LONGEST:
        return match[0]
    if match["over"]:
        under = int(match["under"])
        return Fraction(int(match["over"]), under) if under else match[0]
    if match["number"]:
        return _value(match["number"])
    word = match["word"]
    number = _WORDS.get(word, _TENS.get(word))
    return word if number is None else Fraction(number)


def _value(written: str) -> Fraction:
    sign, written = (-1, written[1:]) if written.startswith("-") else (1, written)
    written = re.sub("[ ']", "", written)
    if _THOUSANDS.fullmatch(written):
        written = written.replace(",", "")
    elif written.count(".") > 1:
        written = written.replace(".", "")
    return sign * Fraction(written.replace(",", "."))
