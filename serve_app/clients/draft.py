"""The synthesis while the chairman writes it, as it will read: seats' names where it cites labels.

A citation may come in pieces, so a word is held back as long as it may still be part of one. Folds
a session's events; knows no protocol.
"""

import re

from actors.council.asking.anonymity import MENTION_WORD, labels, reveal
from actors.messages.events import (
    LiveEvent,
    OpinionHeard,
    SessionStarted,
    StoredEvent,
    SynthesisDelta,
)

_LABELS = r"(?:[A-Z]{1,2}(?:\s{0,3}[,;/&+]|\s{1,3}(?:and|et|und|y|e)\b)?\s{0,3})*"
_OPEN = re.compile(rf"(?:[\[【][^\]】\n]{{0,80}}|\b(?i:{MENTION_WORD})\s{{1,3}}{_LABELS})\Z")
"""What may still become a citation."""


class Draft:
    """Of one session: tell it every event, in order. `said`: all that was given out."""

    def __init__(self) -> None:
        self.said = ""
        self._text = ""
        self._started: SessionStarted | None = None
        self._opinions: set[str] = set()

    @property
    def may_be_replaced(self) -> bool:
        """Whether a guard compares it with the best opinion before it is the answer."""
        return self._started is None or self._started.procedure.guard

    def piece(self, event: StoredEvent | LiveEvent) -> str:
        """What there is more to read."""
        match event:
            case SessionStarted():
                self._started = event
            case OpinionHeard():
                self._opinions.add(event.agent_id)
            case SynthesisDelta(thinking=False):
                return self._more(event)
        return ""

    def _more(self, delta: SynthesisDelta) -> str:
        self._text = self._text[: delta.offset] + delta.text
        whole = self._text[: self._text.rfind(" ") + 1] or self._text[: self._text.rfind("\n") + 1]
        if held := _OPEN.search(whole):
            whole = whole[: held.start()]
        shown = reveal(whole, self._names())
        if not shown.startswith(self.said):
            return ""  # it began anew: the answer comes once it is whole
        piece, self.said = shown[len(self.said) :], shown
        return piece

    def _names(self) -> dict[str, str]:
        form = self._started and self._started.request.answer
        if self._started is None or (form and form.format):
            return {}  # what is in brackets there is no citation
        seats = {seat.agent_id: seat.name for seat in self._started.seats}
        given = labels(tuple(self._opinions), self._started.seed)
        return {label: seats[agent_id] for agent_id, label in given.items()}
