"""What one session brought: every text that somebody may be judged by, right or not, and its cost.

A line of `runs.jsonl`. Read from a session as the HTTP API shows it; knows no HTTP.
"""

from collections.abc import Callable, Mapping
from typing import Any

from actors.messages.message import Message

Mark = Callable[[str], bool | None]
"""Text → right or wrong; None = the judge gave no verdict."""


class Voice(Message):
    """A seat's opinion. `seconds` without the wait for a slot, which other seats cause."""

    agent_id: str
    text: str
    correct: bool | None
    tokens: int
    seconds: float


class SeatAsked(Message):
    agent_id: str
    name: str
    model: str


class Run(Message):
    """One item in one mode. An absent seat has no voice, a failed session no `answer`: both count
    as wrong. `best` is who came first in the ranking, by reviews if `reviewed`; it costs the first
    two stages. `joules` by stage, of the PC where the command ran; None where it is not
    told.
    """

    item_id: str
    mode: str
    session_id: str
    error_code: str | None
    seats: tuple[SeatAsked, ...]
    voices: tuple[Voice, ...]
    best: str | None
    reviewed: bool
    best_tokens: int
    best_seconds: float
    answer: str | None
    correct: bool | None
    tokens: int
    seconds: float
    joules: dict[str, float] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.item_id, self.mode

    @property
    def judged(self) -> bool:
        """Whether there is a verdict for every text."""
        return self.correct is not None and all(v.correct is not None for v in self.voices)

    def voice(self, agent_id: str | None) -> Voice | None:
        return next((voice for voice in self.voices if voice.agent_id == agent_id), None)


def run_of(
    session: Mapping[str, Any],
    item_id: str,
    mode: str,
    mark: Mark,
    joules: dict[str, float] | None = None,
) -> Run:
    """`session` as GET /api/council/sessions/{id} gives it, after its end."""
    final = session["final_answer"] if session["stage"] == "complete" else None
    marks: dict[str, bool | None] = {}

    def marked(text: str) -> bool | None:
        if text not in marks:
            marks[text] = mark(text)
        return marks[text]

    ranking = session["ranking"]
    return Run(
        item_id=item_id,
        mode=mode,
        session_id=session["session_id"],
        error_code=session["error_code"] or (None if final else "no_answer"),
        seats=tuple(SeatAsked(**_only(SeatAsked, seat)) for seat in session["agents"]),
        voices=tuple(_voice(opinion, session, marked) for opinion in session["opinions"]),
        best=ranking[0]["agent_id"] if ranking else None,
        reviewed=bool(session["reviews"]),
        best_tokens=sum(_of(session, "token_usage", stage, "total_tokens") for stage in FIRST_TWO),
        best_seconds=sum(
            _of(session, "latency_stats", stage, "total_duration_ms") for stage in FIRST_TWO
        )
        / 1000,
        answer=final["content"] if final else None,
        correct=marked(final["content"]) if final else False,
        tokens=session["token_usage"]["total_tokens"],
        seconds=session["latency_stats"]["total_duration_ms"] / 1000,
        joules=joules,
    )


FIRST_TWO = ("stage1_opinions", "stage2_review")


def _voice(opinion: Mapping[str, Any], session: Mapping[str, Any], mark: Mark) -> Voice:
    stage = session["latency_stats"].get("stage1_opinions") or {}
    waited = stage.get("by_agent", {}).get(opinion["agent_id"], {}).get("queue_ms", 0)
    return Voice(
        agent_id=opinion["agent_id"],
        text=opinion["content"],
        correct=mark(opinion["content"]),
        tokens=opinion["tokens_used"],
        seconds=max(0, opinion["duration_ms"] - waited) / 1000,
    )


def _of(session: Mapping[str, Any], what: str, stage: str, field: str) -> int:
    return int((session[what].get(stage) or {}).get(field, 0))


def _only(shape: type[Message], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in shape.model_fields}
