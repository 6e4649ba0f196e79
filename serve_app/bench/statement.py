"""What a text states in the end: the part of a model's answer that is meant as the answer.

A line that says so (`Answer: …`, `The answer is …`, `\\boxed{…}`, `#### …`) is taken, the last one
of several. Without such a line all sentences are given, and `matching.py` looks at the last and the
first. Knows nothing of what is right.
"""

import re
from dataclasses import dataclass

from serve_app.bench.words import tokens

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\{([^{}]*)\}")
_CITED = re.compile(r"(?<=[\w.!?)]) ?\[[A-Z](?:, ?[A-Z])*\]")
_PLACEHOLDER = re.compile(r"<[^<>\n]{0,120}>")
_SIMPLER = (
    (re.compile(r"[^\S\n]+"), " "), (re.compile(r" ?\n[ \n]*"), "\n"),
    (_THOUGHT, ""), (_BOXED, r"\nAnswer: \1\n"), (_FRACTION, r"\1/\2"), (_LATEX, r"\1"),
    (re.compile(r"\\(?:times|cdot)"), "×"), (re.compile(r"(?<=\d)\s*\*\s*(?=\d)"), " × "),
    (re.compile(r"\\[,;!() \[\]]|[$`*]|\{|\}|\\(?=%)"), ""),
    (re.compile(r"^\s*####\s+", re.MULTILINE), "Answer: "),
    (re.compile(r"^[\s>#]+", re.MULTILINE), ""),
    (_CITED, ""), (_PLACEHOLDER, ""),
)  # fmt: skip
_MARK = re.compile(
    r"\b(?:answer|r[ée]ponse|antwort|respuesta|risposta)(?:\s+finale)?[ \t]*"
    r"(?:[:=：]|(?P<verb>\b(?:is|est|ist|es)\b)[ \t]*:?|\n)",
    re.IGNORECASE,
)
LONGEST = 12
"""Words behind "the answer is" that can be the answer; more of them are about it."""
_BULLET = re.compile(r"^(?:\d{1,2}[.)]|[-•–])[ \t]+(?=\S)")
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])(?<!\bSt\.)(?<!\bMt\.)(?<!\bDr\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bvs\.)(?<!\bca\.)"
    r"(?<!\b[A-Z]\.)\s+(?=\S)"
)
_COURTESY = re.compile(
    r"\b(?:hope (?:this|that) helps|let me know|feel free|any (?:other|more|further) questions"
    r"|n'h[ée]site[zr]? pas|j'esp[èe]re que|bonne journ[ée]e)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"(?:,?\s+(?:because|parce qu|puisqu)|,\s+(?:since|as|car)\b).*", re.IGNORECASE | re.DOTALL
)
_THEREFORE = re.compile(
    r"\A.*[,;]\s+(?:(?:and|et)\s+)?(?:so|therefore|thus|hence|donc)\b", re.IGNORECASE | re.DOTALL
)
_ASIDE = re.compile(r"(?<=\S)\s*\([^()]*\)")


@dataclass(frozen=True)
class Said:
    """`marked`: what is called the answer; None where nothing is. `sentences`: all of the text, a
    list of single words as one sentence."""

    marked: str | None
    sentences: tuple[str, ...]


def said(text: str) -> Said:
    for pattern, instead in _SIMPLER:
        text = pattern.sub(instead, text)
    return Said(_marked(text), tuple(_sentences(text)))


def claim(statement: str) -> str:
    """The statement without its reasons, before and behind, and asides."""
    return _ASIDE.sub("", _REASON.sub("", _THEREFORE.sub("", statement))).strip()


def _marked(text: str) -> str | None:
    """The rest of the line of the last mark that has one; of the next line after an empty one."""
    for mark in reversed(list(_MARK.finditer(text))):
        lines = text[mark.end() :].strip().splitlines()
        if not lines or not tokens(lines[0]):
            continue
        named = _SENTENCE_END.split(_BULLET.sub("", lines[0].strip()))[0]
        if not mark["verb"] or len(tokens(claim(named))) <= LONGEST:
            return named
    return None


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    listed: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if not tokens(line):
            continue
        words = _BULLET.sub("", line)
        if words != line and len(tokens(words)) <= 3:
            listed.append(words)
            continue
        found.extend(_as_one(listed))
        listed = []
        found.extend(_SENTENCE_END.split(words))
    found.extend(_as_one(listed))
    while len(found) > 1 and _COURTESY.search(found[-1]):
        found.pop()
    return found


def _as_one(listed: list[str]) -> list[str]:
    return [", ".join(listed)] if listed else []
