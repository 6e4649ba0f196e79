"""How long a model server may be silent. Knows no clock: the time comes in, in seconds."""

from math import inf

from pydantic import Field

from actors.errors import CallTimeout
from actors.messages.message import Message

DRAIN_S = 1.0
"""After the answer's last line the stream should end at once; we wait this long for it."""


class Deadlines(Message):
    """Seconds. `first_token_s` covers a cold load, `stall_s` the silence between two chunks,
    `generation_s` (GENERATION_TIMEOUT) the whole answer counted from its first token."""

    connect_s: float = Field(default=10.0, gt=0)
    first_token_s: float = Field(default=300.0, gt=0)
    stall_s: float = Field(default=60.0, gt=0)
    generation_s: float = Field(default=120.0, gt=0)


class Patience:
    """One attempt's budgets: it ends at `until` if nothing more is heard.

    Only whole chunks count as progress, so a server that drips single bytes runs out of it.
    """

    def __init__(self, deadlines: Deadlines, now: float, ends_at: float) -> None:
        self._deadlines = deadlines
        self._ends_at = ends_at
        self._generated_by = inf
        self.until = min(ends_at, now + deadlines.first_token_s)

    def progress(self, now: float) -> None:
        """A whole chunk was heard (and handed on) at `now`."""
        if self._generated_by == inf:
            self._generated_by = now + self._deadlines.generation_s
        self.until = min(self._ends_at, self._generated_by, now + self._deadlines.stall_s)

    def finish(self, now: float) -> None:
        """The answer is complete: only the end of the stream is still owed."""
        self.until = min(self.until, now + DRAIN_S)

    def verdict(self, partial: str) -> CallTimeout:
        """The error for running out at `until`; says which budget that was."""
        limits = self._deadlines
        if self.until == self._ends_at:
            why = "the call's own time is used up"
        elif self.until == self._generated_by:
            why = f"not finished {limits.generation_s:g} s after the first token"
        elif self._generated_by < inf:
            why = f"silent for {limits.stall_s:g} s in mid-answer"
        else:
            why = f"no first token within {limits.first_token_s:g} s"
        return CallTimeout(f"The model server took too long: {why}.", partial)
