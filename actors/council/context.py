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
    r"(?P<word>[A-Z]?[a-z]+|[A-Z]+)"
    r"|(?P<space>[ \t]{2,})"
    r"|(?P<blank> )"
    r"|(?P<single>[\x00-\u07ff])"
    r"|(?P<wide>[\u0800-\uffff])"
    r"|(?P<astral>.)",
    re.DOTALL,
)
_LONG_WORD = 16


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
    """Tokens of `text`, estimated high on purpose.

    A word counts one token per four letters begun (a long run of letters: one per two), a digit
    or sign one, indentation one per four columns; other alphabets one a character, CJK two, emoji
    four (small vocabularies fall back to bytes). Measured against SmolLM2's tokenizer in
    `tests/unit/test_context.py`; the guard behind it is `truncate: false` and the engine's count.
    """
    return sum(_weight(match) for match in _PIECE.finditer(text))


def _weight(match: re.Match[str]) -> int:
    length = match.end() - match.start()
    match match.lastgroup:
        case "word":
            return -(-length // 4) if length <= _LONG_WORD else -(-length // 2)
        case "space":
            return -(-length // 4)
        case "blank":
            return 0
        case "single":
            return 1
        case "wide":
            return 2
        case _:
            return 4


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
    sizes = [estimate_tokens(answer.text) for answer in answers]
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
    best, low, high = _cut(text, 0), 1, len(text) - 1
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
