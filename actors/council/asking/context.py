"""How much fits into a model's context: counts tokens without a tokenizer, trims evenly, and says
what was trimmed. Knows nothing of prompts or models.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.messages.calls import ChatMessage

MESSAGE_TOKENS = 8
"""What a chat template puts around one message (role, turn tokens, line ends), rounded up."""

_PIECE = re.compile(
    r"(?P<word>[A-Z]?[a-z]+)"
    r"|(?P<capitals>[A-Z]+)"
    r"|(?P<free> (?=[A-Za-z]))"
    r"|(?P<run>([-=_*#~. \t])\5{3,})"
    r"|(?P<wide>[\u00c0-\u024f\u0590-\uabff\ud7b0-\uffff])"
    r"|(?P<hangul>[\uac00-\ud7af])"
    r"|(?P<single>[\x00-\uffff])"
    r"|(?P<astral>.)",
    re.DOTALL,
)
_ACCENTED = re.compile(r"[\u00c0-\u024f]")
_WEIGHTS = {"free": 0, "single": 1, "wide": 2, "hangul": 3, "astral": 4}
_LONG_WORD = 14
MOST_LETTERS = 6
"""Characters that one estimated token covers at most: five letters and the space before them."""


@dataclass(frozen=True)
class Answer:
    """One opinion as others see it: under its label, without its author."""

    label: str
    text: str


@dataclass(frozen=True)
class Fitted:
    """Answers that fit, in the order given; `trimmed` = labels of those that lost their middle."""

    answers: tuple[Answer, ...]
    trimmed: tuple[str, ...]


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, estimated high on purpose (English prose about a quarter too high).

    A word counts one token per five letters begun, in a text with accents (which small
    vocabularies know less well than English) per three; one of more than 14 letters and capitals
    one per two; a digit, sign or lone space one; a run of one sign one per four. A letter with an
    accent counts two, Greek and Cyrillic one, Arabic, Indic and CJK two, Korean three, emoji four
    (small vocabularies fall back to bytes). Held against SmolLM2's own tokenizer in
    `tests/unit/test_context.py`; behind it stand `truncate: false` and the engine's own count.
    """
    letters = 3 if _ACCENTED.search(text) else 5
    return sum(_weight(match, letters) for match in _PIECE.finditer(text))


def estimate_up_to(text: str, limit: int) -> int:
    """Tokens of `text`; where they are more than `limit`, any number above it. Reads no more of the
    text than it must: answers may have megabytes."""
    return estimate_tokens(text[: MOST_LETTERS * (max(0, limit) + 1)])


def _weight(match: re.Match[str], letters: int) -> int:
    length = match.end() - match.start()
    match match.lastgroup:
        case "word" if length <= _LONG_WORD:
            return -(-length // letters)
        case "word" | "capitals":
            return -(-length // 2)
        case "run":
            return -(-length // 4)
        case kind:
            return _WEIGHTS[str(kind)]


def estimate_prompt(messages: Iterable[ChatMessage]) -> int:
    """Tokens of a whole chat prompt, the template's share included."""
    return sum(estimate_tokens(message.content) + MESSAGE_TOKENS for message in messages)


def answer_budget(num_ctx: int, num_predict: int, fixed_tokens: int) -> int:
    """Tokens left for the answers: context − room for the reply − everything else. Never below 0.

    `fixed_tokens` = `estimate_prompt` of the same prompt with every answer's text empty.
    """
    return max(0, num_ctx - num_predict - fixed_tokens)


def fit(answers: Sequence[Answer], budget_tokens: int) -> Fitted:
    """The answers, trimmed so that together they fit `budget_tokens`: the longest first, evenly.

    A trimmed answer keeps its beginning and its end, with a marker between that says how much is
    missing. With a budget below the markers' own size, only the markers are left.
    """
    sizes = [estimate_up_to(answer.text, budget_tokens) for answer in answers]
    level = _water_level(sizes, budget_tokens)
    fitted = tuple(
        answer if size <= level else Answer(answer.label, _shorten(answer.text, level))
        for answer, size in zip(answers, sizes, strict=True)
    )
    trimmed = tuple(
        answer.label for answer, size in zip(answers, sizes, strict=True) if size > level
    )
    return Fitted(fitted, trimmed)


def _water_level(sizes: Sequence[int], budget: int) -> int:
    """The highest level with Σ min(size, level) ≤ budget."""
    left = max(0, budget)
    ordered = sorted(sizes)
    for index, size in enumerate(ordered):
        share = left // (len(ordered) - index)
        if size > share:
            return share
        left -= size
    return ordered[-1] if ordered else 0


def _shorten(text: str, tokens: int) -> str:
    """The longest beginning and end of `text` (3 : 2) that with the marker fit `tokens`."""
    best, low, high = _cut(text, 0), 1, min(len(text) - 1, MOST_LETTERS * tokens)
    while low <= high:
        kept = (low + high) // 2
        shorter = _cut(text, kept)
        if estimate_tokens(shorter) <= tokens:
            best, low = shorter, kept + 1
        else:
            high = kept - 1
    return best


def _cut(text: str, kept: int) -> str:
    tail = kept * 2 // 5
    head = kept - tail
    return (
        f"{text[:head]}\n[… {len(text) - kept} characters left out …]\n{text[len(text) - tail :]}"
    )
