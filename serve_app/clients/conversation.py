"""A conversation as chat clients send it, each time all of it, as a question to the council."""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.errors import InvalidRequest
from actors.messages.requests import Turn

BEGAN = "(The assistant began.)"
"""The question to an answer that nobody asked for, such as a greeting."""
INSTRUCTING = ("system", "developer")
TOLD = "(A tool told: {text})"


@dataclass(frozen=True)
class Conversation:
    """`instructions`: what the client's system messages say; `earlier` turns, oldest first."""

    query: str
    earlier: tuple[Turn, ...] = ()
    instructions: str | None = None


def conversation(messages: Iterable[tuple[str, str]]) -> Conversation:
    """(role, text) of every message, oldest first. Messages of one role in a row are one; what a
    tool told another model is part of that model's turn. Raises
    `InvalidRequest` for a role that a council cannot have, and where the user does not have the
    last word."""
    instructions: list[str] = []
    said: list[tuple[str, list[str]]] = []
    for number, (role, text) in enumerate(messages):
        if role == "tool":
            role, text = "assistant", TOLD.format(text=text)
        if role in INSTRUCTING:
            instructions.append(text)
        elif role not in ("user", "assistant"):
            raise _refused(f"A council has no message of the role {role!r}.", number)
        elif said and said[-1][0] == role:
            said[-1][1].append(text)
        else:
            said.append((role, [text]))
    if not said or said[-1][0] != "user":
        raise _refused("The last message has to be the user's: it is what the council is asked.")
    if not any(said[-1][1]):
        raise _refused("The last message is empty: it is what the council is asked.")
    return Conversation(
        query="\n\n".join(said[-1][1]),
        earlier=_turns([(role, "\n\n".join(filter(None, texts))) for role, texts in said[:-1]]),
        instructions="\n\n".join(filter(None, instructions)) or None,
    )


def _turns(said: list[tuple[str, str]]) -> tuple[Turn, ...]:
    """`said` ends with the assistant, and roles alternate."""
    if said and said[0][0] == "assistant":
        said = [("user", BEGAN), *said]
    pairs = zip(said[::2], said[1::2], strict=True)
    return tuple(Turn(query=query or BEGAN, answer=answer) for (_, query), (_, answer) in pairs)


def _refused(sentence: str, number: int | None = None) -> InvalidRequest:
    loc = ["messages"] if number is None else ["messages", number, "role"]
    return InvalidRequest(sentence, [{"loc": loc, "msg": sentence, "type": "value_error"}])
