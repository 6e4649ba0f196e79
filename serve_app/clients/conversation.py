"""A conversation as chat clients send it, each time all of it, as a question to the council."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from actors.errors import InvalidRequest
from actors.messages.requests import Turn

BEGAN = "(The assistant began.)"
"""The question to an answer that nobody asked for, such as a greeting."""
INSTRUCTING = ("system", "developer")
TOLD = "(A tool told: {text})"
UNSEEN = "(A picture was shown that you do not see.)"
"""In an earlier message."""


class Said(NamedTuple):
    """A message."""

    role: str
    text: str
    shows_pictures: bool = False


@dataclass(frozen=True)
class Conversation:
    """`instructions`: what the client's system messages say; `earlier` turns, oldest first.
    `shows_pictures`: the question is about some, which no council sees."""

    query: str
    earlier: tuple[Turn, ...] = ()
    instructions: str | None = None
    shows_pictures: bool = False


def conversation(messages: Iterable[Said]) -> Conversation:
    """Every message, oldest first. Messages of one role in a row are one; what a tool told another
    model is part of that model's turn; of a picture in an earlier turn it is told that there was
    one. Raises `InvalidRequest` for a role that a council cannot have, and where the user does not
    have the last word."""
    instructions: list[str] = []
    turns: list[list[Said]] = []
    for number, said in enumerate(messages):
        if said.role == "tool":
            said = said._replace(role="assistant", text=TOLD.format(text=said.text))
        if said.role in INSTRUCTING:
            instructions.append(said.text)
        elif said.role not in ("user", "assistant"):
            raise _refused(f"A council has no message of the role {said.role!r}.", number)
        elif turns and turns[-1][0].role == said.role:
            turns[-1].append(said)
        else:
            turns.append([said])
    if not turns or turns[-1][0].role != "user":
        raise _refused("The last message has to be the user's: it is what the council is asked.")
    *earlier, question = turns
    if not any(said.text or said.shows_pictures for said in question):
        raise _refused("The last message is empty: it is what the council is asked.")
    return Conversation(
        query="\n\n".join(said.text for said in question),
        earlier=_turns([(turn[0].role, _told(turn)) for turn in earlier]),
        instructions="\n\n".join(filter(None, instructions)) or None,
        shows_pictures=any(said.shows_pictures for said in question),
    )


def _told(turn: list[Said]) -> str:
    texts = (text for said in turn for text in (said.text, said.shows_pictures and UNSEEN))
    return "\n\n".join(text for text in texts if text)


def _turns(said: list[tuple[str, str]]) -> tuple[Turn, ...]:
    """`said` ends with the assistant, and roles alternate."""
    if said and said[0][0] == "assistant":
        said = [("user", BEGAN), *said]
    pairs = zip(said[::2], said[1::2], strict=True)
    return tuple(Turn(query=query or BEGAN, answer=answer) for (_, query), (_, answer) in pairs)


def _refused(sentence: str, number: int | None = None) -> InvalidRequest:
    loc = ["messages"] if number is None else ["messages", number, "role"]
    return InvalidRequest(sentence, [{"loc": loc, "msg": sentence, "type": "value_error"}])
