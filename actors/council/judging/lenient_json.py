"""Reads JSON-like objects out of any text in linear time. Knows nothing of ballots.

Models write single quotes, trailing commas, bare words, unescaped quotes, and stop in mid-object.
One pass with an explicit stack; what was read once is never read again, so hostile text costs no
more than its length, and the inside of a string is never taken for an object. (json-repair, the
usual library, needs 12 s for 64 KB of braces, recurses, and invents values.) On valid JSON this
agrees with `json`, but that numbers and words stay text, for the caller to judge.
"""

import json
import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_DEPTH = 32

Value: TypeAlias = "str | None | dict[str, Value] | list[Value]"

_OPEN = re.compile(r"[{\[]")
_NOT_SPACE = re.compile(r"[^\s\ufeff]")
_WORD_END = re.compile(r"[{}\[\],:\"\n]")
_STRING_END = {
    '"': re.compile(r'\\.|"', re.DOTALL),
    "'": re.compile(r"\\.|'", re.DOTALL),
    "“": re.compile(r"\\.|”", re.DOTALL),
    "‘": re.compile(r"\\.|’", re.DOTALL),
}
_PLAIN_KEY = re.compile(r'"([^"\\]*)"[ \t]*:')
_PLAIN_VALUE = re.compile(r'"([^"\\]*)"(?=[ \t]*[,}])')
"""Strings as they should be, in one step; whatever they do not match is read sign by sign."""
_DECODER = json.JSONDecoder(strict=False)
_AFTER_KEY = frozenset(":")
_AFTER_VALUE = frozenset(",}]")


@dataclass(frozen=True)
class Found:
    """An object or array that was read to its end: `text[start:end]`."""

    value: "dict[str, Value] | list[Value]"
    start: int
    end: int


@dataclass
class _Frame:
    """An object or array that is open. `key`: waits for its value; an array has none."""

    start: int
    value: "dict[str, Value] | list[Value]"
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    def put(self, value: Value) -> None:
        if isinstance(self.value, list):
            self.value.append(value)
        else:
            self.value[str(self.key)] = value
            self.key = None


def find_all(text: str) -> list[Found]:
    """Every object and array in `text`, nested ones too, in the order in which they end."""
    reader = _Reader(text)
    while reader.step():
        pass
    return reader.found


class _Reader:
    """Where the reading stands. Every step goes on in `text` or gives up what is open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.stack: list[_Frame] = []
        self.found: list[Found] = []

    def step(self) -> bool:
        """Reads one piece; False at the end of the text."""
        if not self.stack:
            return self._seek()
        self.at = self._after_space(self.at)
        if self.at >= len(self.text):
            return False
        match self.text[self.at]:
            case "{" | "[":
                self._open()
            case "}" | "]" as mark:
                self.at += 1
                self._close(dict if mark == "}" else list)
            case ",":
                self.at += 1
                if self.stack[-1].key is not None:
                    self.stack[-1].put(None)
            case ":":
                self.stack.clear()
            case _:
                self._scalar()
        return True

    def _seek(self) -> bool:
        if not (opening := _OPEN.search(self.text, self.at)):
            return False
        self.at = opening.start()
        self._open()
        return True

    def _open(self) -> None:
        """Opens what stands at `at`; where nothing may open, gives up and starts anew there."""
        if len(self.stack) == MAX_DEPTH or (self.stack and self.stack[-1].wants_key):
            self.stack.clear()
        self.stack.append(_Frame(self.at, {} if self.text[self.at] == "{" else []))
        self.at += 1

    def _close(self, kind: type) -> None:
        """Closes the nearest open `kind`, and what was left open inside it."""
        if not any(isinstance(frame.value, kind) for frame in self.stack):
            return
        while True:
            frame = self.stack.pop()
            if frame.key is not None:
                frame.put(None)
            self.found.append(Found(frame.value, frame.start, self.at))
            if self.stack:
                self.stack[-1].put(frame.value)
            if isinstance(frame.value, kind):
                return

    def _scalar(self) -> None:
        frame = self.stack[-1]
        wants_key = frame.wants_key
        if plain := (_PLAIN_KEY if wants_key else _PLAIN_VALUE).match(self.text, self.at):
            self.at = plain.end()
            if wants_key:
                frame.key = plain[1]
            else:
                frame.put(plain[1])
            return
        if not wants_key:
            frame.put(self._read(_AFTER_VALUE))
            return
        key = self._read(_AFTER_KEY)
        self.at = self._after_space(self.at)
        if self.text.startswith(":", self.at):
            self.at += 1
            frame.key = key
        else:
            self.stack.clear()

    def _read(self, after: frozenset[str]) -> str:
        """The string or bare word at `at`."""
        if pattern := _STRING_END.get(self.text[self.at]):
            return self._read_string(pattern, after)
        start, end = self.at, _WORD_END.search(self.text, self.at)
        self.at = end.start() if end else len(self.text)
        return self.text[start : self.at].strip()

    def _read_string(self, pattern: re.Pattern[str], after: frozenset[str]) -> str:
        """A quote ends the string only where something may follow; else it belongs to it."""
        start = self.at + 1
        for quote in pattern.finditer(self.text, start):
            if quote.group()[0] != "\\" and self._may_end(quote.end(), after):
                self.at = quote.end()
                return _unescaped(self.text[start : quote.start()])
        self.at = len(self.text)
        return _unescaped(self.text[start:])

    def _may_end(self, at: int, after: frozenset[str]) -> bool:
        """Whether what follows fits the end of a string; a forgotten comma at a line's end does."""
        following = self._after_space(at)
        if following == len(self.text) or self.text[following] in after:
            return True
        return self.text[following] in _STRING_END and "\n" in self.text[at:following]

    def _after_space(self, at: int) -> int:
        if " " < self.text[at : at + 1] < "\x7f":
            return at
        following = _NOT_SPACE.search(self.text, at)
        return following.start() if following else len(self.text)


def _unescaped(body: str) -> str:
    if "\\" not in body:
        return body
    try:
        return str(_DECODER.decode(f'"{body}"'))
    except ValueError:
        return body.replace("\\'", "'").replace('\\"', '"').replace("\\n", "\n")
