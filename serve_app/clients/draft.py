"""The synthesis while the chairman writes it, as it will read: seats' names where it cites labels.

A citation may come in pieces, so what may still be part of one is held back. Folds a
session's events; knows no protocol.
"""

import re

from actors.council.asking.anonymity import MENTION_WORD, begins_mention, labels, reveal
from actors.council.asking.quoting import fence_tag, untagged
from actors.messages.events import (
    LiveEvent,
    OpinionHeard,
    SessionStarted,
    StoredEvent,
    SynthesisDelta,
    SynthesisDrafted,
)

_JOIN = r"(?:\s{0,3}[,;/&+])?(?:\s{0,3}\b(?:and|et|und|y|e)\b)?\s{0,3}"
_OPEN = re.compile(
    r"(?:[\[【][^\]】\n]{0,80}[\]】]?"
    rf"|\b(?i:{MENTION_WORD})\s{{1,3}}(?:[A-Z]{{1,2}}{_JOIN})*)\Z"
)
"""What may still become a citation."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|(?P<open>`[^`\n]*)\Z", re.DOTALL)
"""Labels in code are none; of a line's code the end has to be seen before it is some."""
_TAG = re.compile(r"<[^<>\s]*\Z")
_LAST_WORD = re.compile(r"(?:(?<![^\W\d_])|(?<=\u0301))(?=((?:[^\W\d_]|\u0301)+)\Z)")
"""Where the last word begins; an accent of its own is part of it, and may end the one before."""
_LINES = re.compile(r".*[.!?:)}\"*|]\n", re.DOTALL)
"""Lines that end with what is in no citation, and so reads the same whatever comes next."""


class Draft:
    """Of one session: tell it every event, in order. `text`: what there is to read, without spaces
    around it; it may begin anew. `is_whole`: all of it, and a guard is to compare it."""

    def __init__(self) -> None:
        self.text = ""
        self.is_whole = False
        self._written = ""
        self._done, self._read = 0, ""  # so much of it needs no second look, and reads so
        self._started: SessionStarted | None = None
        self._opinions: set[str] = set()

    @property
    def is_formatted(self) -> bool:
        """Whether the answer is to be read by a program: what is in brackets is no citation."""
        form = self._started and self._started.request.answer
        return bool(form and form.format)

    def hear(self, event: StoredEvent | LiveEvent) -> None:
        match event:
            case SessionStarted():
                self._started = event
            case OpinionHeard():
                self._opinions.add(event.agent_id)
            case SynthesisDelta(thinking=False):
                self._write(event)
            case SynthesisDrafted():
                self.text, self.is_whole = self._readable(event.content), True

    def _write(self, delta: SynthesisDelta) -> None:
        """Looks at the last lines only: a long answer comes in thousands of pieces."""
        if delta.offset < self._done:
            self._done, self._read = 0, ""
        self._written = self._written[: delta.offset] + delta.text
        tail = _settled(self._plain(self._written)[self._done :])
        text = (self._read + self._readable(tail)).strip()
        if not delta.offset or not self.text.startswith(text):
            self.text = text
        if lines := _whole_lines(tail):
            self._done, self._read = self._done + len(lines), self._read + self._readable(lines)

    def _plain(self, text: str) -> str:
        return untagged(text, fence_tag(self._started.seed)) if self._started else ""

    def _readable(self, text: str) -> str:
        if self._started is None or self.is_formatted:
            return text
        return reveal(text, self._names(self._started))

    def _names(self, started: SessionStarted) -> dict[str, str]:
        seats = {seat.agent_id: seat.name for seat in started.seats}
        given = labels(tuple(self._opinions), started.seed)
        return {label: seats[agent_id] for agent_id, label in given.items()}


def _settled(text: str) -> str:
    """As much of it as reads the same whatever comes next."""
    whole = text
    if tag := _TAG.search(whole):
        whole = whole[: tag.start()]
    code_end = 0
    for found in _CODE.finditer(whole):
        if found["open"] is not None:
            whole = whole[: found.start()]
            break
        code_end = found.end()
    words = [found[1] for found in _LAST_WORD.finditer(whole, code_end)]
    if mention := next(filter(begins_mention, words), None):
        whole = whole.removesuffix(mention)
    held = _OPEN.search(whole, code_end)
    return whole[: held.start()] if held else whole


def _whole_lines(text: str) -> str:
    """As much of it as need not be looked at again: up to the end of a line that is not in code."""
    lines = _LINES.match(text)
    whole = lines.group() if lines else ""
    in_code = any(found.end() == len(whole) for found in _CODE.finditer(whole))
    return "" if in_code else whole
