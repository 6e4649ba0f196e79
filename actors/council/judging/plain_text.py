"""Plain text of questions and opinions: no accents, no LaTeX, and where options and answers stand.
Knows no kinds of questions. Whatever the text is, reading it takes linear time.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping

LOOKED_AT = 8 * 1024
"""Characters of a question (a longer one is taken for open) and of the end of an opinion."""
SHORT = 200
"""Characters of a text that says one thing only, most likely."""

_ACCENTS = re.compile("[\u0300-\u036f]+")
_SIGNS = str.maketrans(
    "\u00a0\u202f\u2009\r\u2019\u2212\u2013\u2248\u2243_\uff1a\uff1f", "   \n'--== :?", "`\u00bf"
)
_LATEX = re.compile(r"\\[()\[\],!;]|\\(?:text|mathrm|mathbf|textbf)(?=\{)|\\(?=[%$])|\$")
_FRACTION = re.compile(r"\\d?frac ?\{([0-9]{1,20})\}\{([0-9]{1,20})\}")
_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n[ \n]*")
SENTENCES = re.compile(r"(?<=[.?!]) |(?<=[\u3002])|\n")

_LETTERED = re.compile(
    r"(?:^|(?<=[\s(]))[(\[]?(?:\*\*)?(?P<label>[A-Ja-j])(?:[)\]]|(?<=[A-J])[.:])(?:\*\*)?[ \t]?"
    r"(?=\S)",
    re.M,
)
_NUMBERED = re.compile(r"(?:^|(?<=[\s(]))[(]?(?P<label>[1-9])[).][ \t]+(?=\S)", re.M)

_BOXED = re.compile(r"\\boxed ?\{[{ ]{0,4}([^{}\n]{1,60})")
_HASHED = re.compile(
    r"^#{4} ?((?:[^\w\n]{0,3}[0-9][0-9.,' ]{0,30}|\(?[A-Ja-j]\)?)[^\w\n]{0,3})$", re.M
)
_LEAD = re.compile(
    r"\b(?:(?:correct|right|best) (?:option|choice)"
    r"|answers?|reponses?|antwort|respuesta|resultat|result|ergebnis|resultado|solution)\b"
    r"[^\n.:=]{0,80}?(?:\b(?:is|est|ist|es|equals)\b|[:=])[\s*:\"'(\[]{0,12}",
    re.I,
)
_MOST_LEADS = 20
_REST = 200
"""Characters of a statement, and statements, that are looked at."""
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
REFUSES = re.compile(
    r"\W*(?:(?:i'?m |i am |je suis )?(?:sorry|desole)|as an ai|i (?:do not|don't) (?:know|have)"
    r"|i (?:cannot|can't)|i(?:'| a)m (?:unable|not (?:able|sure))|je ne (?:sais|peux) pas)\b"
)


def plain(text: str) -> str:
    """`text` without accents, LaTeX and runs of white space, its signs those of a keyboard."""
    if not text.isascii():
        text = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    text = _LATEX.sub(" ", text.translate(_SIGNS).replace("{,}", ","))
    text = _FRACTION.sub(r"\1/\2", text)
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", text))


def options_of(text: str) -> tuple[str, Mapping[str, str]]:
    """The question around its options, and label → option. No options: those of fewer than two."""
    for pattern, labels in ((_LETTERED, "abcdefghij"), (_NUMBERED, "123456789")):
        marks: list[re.Match[str]] = []
        for mark in pattern.finditer(text):
            if mark["label"].casefold() == labels[len(marks) : len(marks) + 1]:
                marks.append(mark)
        if len(marks) > 1:
            end = text.find("\n", marks[-1].end())
            end = len(text) if end < 0 else end
            ends = [*(mark.start() for mark in marks[1:]), end]
            options = (text[mark.end() : stop] for mark, stop in zip(marks, ends, strict=True))
            stem = text[: marks[0].start()] + text[end:]
            return stem, {labels[n]: option.strip(" \n,;.?*") for n, option in enumerate(options)}
    return text, {}


def boxed(tail: str) -> list[str]:
    """What stands in the last box; empty without one, as the others."""
    return _BOXED.findall(tail)[-1:]


def marked(tail: str) -> list[str]:
    """What stands in the last box and in the last line that begins with `####`."""
    return [*boxed(tail), *_HASHED.findall(tail)[-1:]]


def stated(tail: str) -> Iterator[str]:
    """What follows "the answer is", the last first, a sentence each."""
    for lead in list(_LEAD.finditer(tail))[: -_MOST_LEADS - 1 : -1]:
        rest = tail[lead.end() : lead.end() + _REST].strip()
        yield SENTENCES.split(rest, maxsplit=1)[0]


def last_line(tail: str) -> str:
    return tail[tail.strip().rfind("\n") + 1 :].strip()


def bold(tail: str) -> list[str]:
    """What is last in bold in the last line."""
    return _BOLD.findall(last_line(tail))[-1:]
