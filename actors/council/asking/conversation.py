"""What was said before the question: earlier turns of a conversation, cut to the room they have.

The newest turns are kept whole as far as they fit, the next older one is shortened in the middle,
those before it are left out. Who answers sees them as turns of a chat; who judges sees them quoted.
"""

from collections.abc import Sequence

from actors.council.asking.context import MESSAGE_TOKENS, Answer, estimate_up_to, fit
from actors.council.asking.quoting import fenced, neutralise
from actors.messages.calls import ChatMessage
from actors.messages.requests import Question, Turn

EARLIER_SHARE = 4
"""At most a quarter of a context is for what was said before: the question, the answers that are
judged and the reply need the rest."""
WORTH_IT = 64
"""A turn that would have to be cut to fewer tokens says nothing any more."""


def remembered(turns: Sequence[Turn], tokens: int) -> tuple[Turn, ...]:
    """The newest of `turns`, oldest first, that together take at most `tokens`."""
    kept: list[Turn] = []
    left = tokens - _frame()
    for turn in reversed(turns):
        size = estimate_up_to(turn.query, left) + estimate_up_to(turn.answer, left)
        if size > left:
            kept += [_shortened(turn, left)] if left >= WORTH_IT else []
            break
        kept.append(turn)
        left -= size + _frame()
    return tuple(reversed(kept))


def chat(question: Question) -> tuple[ChatMessage, ...]:
    """The conversation as a model that answers is told it. What the council answered is a model's
    text: it opens no turn of its own."""
    said: list[ChatMessage] = []
    for turn in question.earlier:
        said.append(ChatMessage(role="user", content=turn.query))
        said.append(ChatMessage(role="assistant", content=neutralise(turn.answer)))
    return (*said, ChatMessage(role="user", content=question.text))


def quoted(question: Question, tag: str) -> list[str]:
    """The conversation as one who judges is shown it: blocks, the question last."""
    blocks = []
    if question.instructions:
        wanted = fenced("question", question.instructions, tag)
        blocks.append(f"How the answer is to be written:\n{wanted}")
    for turn in question.earlier:
        blocks.append(f"Earlier question:\n{fenced('question', turn.query, tag)}")
        blocks.append(f"Answer that was given:\n{fenced('response', turn.answer, tag)}")
    return [*blocks, f"Question:\n{fenced('question', question.text, tag)}"]


def _frame() -> int:
    """What a turn takes beside its texts, as messages or as blocks."""
    return 6 * MESSAGE_TOKENS


def _shortened(turn: Turn, tokens: int) -> Turn:
    texts = (Answer("query", turn.query), Answer("answer", turn.answer))
    query, answer = (one.text for one in fit(texts, tokens).answers)
    return Turn(query=query, answer=answer)
