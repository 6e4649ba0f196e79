"""What the fake says to one request, decided before a word of it is sent. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from tests.fakes import shapes, texts
from tests.fakes.http import Request
from tests.fakes.shapes import FakeModel

DEFAULT_CTX = 4096
CHARS_PER_TOKEN = 4


@dataclass(frozen=True)
class Wish:
    """What a script wants of a good answer. None = as the fake's defaults have it."""

    text: str | None = None
    thinking: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    done_reason: str | None = None
    latency_s: float | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True)
class Habits:
    """How the fake answers by default."""

    tokens: int
    latency_s: float
    usage: texts.Usage | None
    scores: texts.Scores


class Speech:
    """`messages` are the chunks, thinking first; `overflow` is the error if the prompt is longer
    than the context, else empty."""

    def __init__(self, model: FakeModel, request: Request, wish: Wish, habits: Habits) -> None:
        asked = request.json
        options = asked.get("options") or {}
        limit = options.get("num_predict")
        spoken = _text(model, asked, wish, habits)
        cut = limit is not None and len(spoken) > limit and not asked.get("format")
        self.model = model
        self.messages = [shapes.said("", thinking=t) for t in _thought(model, asked, wish)]
        self.messages += [shapes.said(piece) for piece in (spoken[:limit] if cut else spoken)]
        self.latency_s = habits.latency_s if wish.latency_s is None else wish.latency_s
        self._done_reason = wish.done_reason or ("length" if cut else "stop")
        self._cached = wish.cached_tokens
        counts = habits.usage(request) if habits.usage else (None, None)
        self._completion = _first(wish.completion_tokens, counts[1], len(self.messages))
        told = sum(len(str(message.get("content", ""))) for message in asked["messages"])
        needed = _first(wish.prompt_tokens, counts[0], 8 + told // CHARS_PER_TOKEN)
        num_ctx = options.get("num_ctx", DEFAULT_CTX)
        self._prompt = min(needed, num_ctx)
        self.overflow = shapes.overflow(needed, num_ctx) if needed > num_ctx else ""

    def chunks(self) -> list[dict[str, Any]]:
        return [shapes.chunk(self.model.name, message) for message in self.messages]

    def last(self, load_ns: int, speak_ns: int) -> dict[str, Any]:
        """The last line, with the counts."""
        share = speak_ns // (len(self.messages) + 1)
        cached = {} if self._cached is None else {"prompt_eval_cached_count": self._cached}
        return {
            **shapes.chunk(self.model.name, shapes.said("")),
            "done": True,
            "done_reason": self._done_reason,
            "total_duration": load_ns + speak_ns,
            "load_duration": load_ns,
            "prompt_eval_count": self._prompt,
            **cached,
            "prompt_eval_duration": share,
            "eval_count": self._completion,
            "eval_duration": speak_ns - share,
        }


def _thought(model: FakeModel, asked: dict[str, Any], wish: Wish) -> list[str]:
    if wish.thinking is not None:
        return texts.pieces(wish.thinking)
    thinks = "thinking" in model.capabilities and asked.get("think") is not False
    return texts.pieces("Let me think about that.") if thinks else []


def _text(model: FakeModel, asked: dict[str, Any], wish: Wish, habits: Habits) -> list[str]:
    if wish.text is not None:
        return texts.pieces(wish.text)
    wanted, about = asked.get("format"), texts.marks(asked)
    if isinstance(wanted, dict):
        ballot = texts.instance(wanted, lambda label: habits.scores(model.name, label))
        said = json.dumps(ballot)
        return texts.pieces(said.replace(" is sound", f" on {about} is sound") if about else said)
    if wanted:
        return texts.pieces('{"answer": 42}')
    return texts.essay(model.name, habits.tokens, about)


def _first(*counts: int | None) -> int:
    return next(count for count in counts if count is not None)
