"""What of a session is the answer for clients that are told one text while it is made, and what
only happens. Knows no protocol.

The synthesis is the answer as the chairman writes it. Nothing is taken back: where the guard then
prefers an opinion, or the chairman has to begin anew, a line and a sentence part what was told
from the answer that follows it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.errors import council_failed
from actors.messages.events import LiveEvent, SessionStarted, StoredEvent
from actors.messages.sessions import CouncilSession
from serve_app.clients.draft import Draft
from serve_app.clients.progress import Progress

ANEW = "The answer above broke off; it begins anew:"
LEAVES_TOOLS = "It was offered tools and calls none: a council answers by itself."
LEAVES_PICTURES = "Pictures of earlier messages are left out: a council reads only text."
CODE = "```"


@dataclass(frozen=True)
class Told:
    """A piece of the answer, or of what happens: lines, and where the answer is to be exact, what
    the chairman writes."""

    text: str
    is_answer: bool


def left_out(tools: bool, pictures: bool) -> list[str]:
    """What a council is told of its being asked with `tools`, and with `pictures` earlier on."""
    remarks = ((LEAVES_TOOLS, tools), (LEAVES_PICTURES, pictures))
    return [remark for remark, is_due in remarks if is_due]


class Telling:
    """Of one session: tell it every event, in order, and then how it ended. `exact`: the answer is
    the final one and nothing else, as it is for programs, who have asked for a format; then it
    comes in one piece, and what the chairman writes is part of what happens. `replaced`: something
    stands before the final answer. `page`: where a person can read all of it. `remarks` about
    what it was asked with."""

    def __init__(self, exact: bool, page: str, remarks: Iterable[str] = ()) -> None:
        self.replaced = False
        self._begins = "".join(f"{line}\n" for line in (f"Its page: {page}", *remarks))
        self._wants_exact = exact
        self._progress, self._draft = Progress(), Draft()
        self._said = ""
        self._in_line = False

    def pieces(self, events: Iterable[StoredEvent | LiveEvent]) -> list[Told]:
        """What these add, in order; neighbours of one kind are one piece."""
        told: list[Told] = []
        for event in events:
            self._draft.hear(event)
            for one in (self._line(event), self._written()):
                if told and one and told[-1].is_answer is one.is_answer:
                    one = Told(told.pop().text + one.text, one.is_answer)
                told += [one] if one else []
        return told

    def rest(self, session: CouncilSession) -> str:
        """What of the final answer was not told yet. Raises as `answer_of`."""
        answer = answer_of(session)
        return answer if self._exact else self._more(answer, _why(session))

    @property
    def _exact(self) -> bool:
        return self._wants_exact or self._draft.is_formatted

    def _line(self, event: StoredEvent | LiveEvent) -> Told | None:
        line = self._progress.line(event)
        if line is None:
            return None
        start, self._in_line = "\n" if self._in_line else "", False
        end = self._begins if isinstance(event, SessionStarted) else ""
        return Told(f"{start}{line}\n{end}", is_answer=False)

    def _written(self) -> Told | None:
        text = self._draft.text
        if not self._draft.is_whole and self._said.startswith(text):
            return None  # nothing new, or the same words as before it began anew
        more = self._more(text, ANEW)
        self._in_line = self._exact and bool(more or self._in_line)
        return Told(more, not self._exact) if more else None

    def _more(self, text: str, why: str) -> str:
        """What is to be said so that `text` is what was said last."""
        before, self._said = self._said, text
        if text.startswith(before):
            return text[len(before) :]
        self.replaced = not self._exact
        return f"{_code_end(before)}\n\n---\n\n{why}\n\n{text}"


def answer_of(session: CouncilSession) -> str:
    """Raises the `CouncilFailed` that says why there is none."""
    if session.final_answer is None:
        why = session.error or "The session ended without an answer."
        raise council_failed(session.error_code or "", why, session.session_id)
    return session.final_answer.content


def _why(session: CouncilSession) -> str:
    """Says whose answer the final one is, where another was told before it."""
    final = session.final_answer
    if final is None or final.basis == "synthesis":
        return ANEW
    by = {seat.agent_id: f"{seat.name} ({seat.model})" for seat in session.agents}
    whose = ", ".join(by.get(one, one) for one in final.sources_cited)
    if final.guard is not None:
        return f"The judges prefer this answer, by {whose}, to the one above:"
    return f"The answer above broke off; this is the opinion of {whose}:"


def _code_end(text: str) -> str:
    """Ends the block of code that `text` breaks off in, so that the line reads as one."""
    marks = sum(line.lstrip().startswith(CODE) for line in text.splitlines())
    return f"\n{CODE}" if marks % 2 else ""
