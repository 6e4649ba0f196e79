"""Following an earlier session: the same council, unless the request names another, and what was
said so far."""

import re
from collections.abc import Collection

from actors.council.session import Session
from actors.errors import FieldReason, InvalidRequest, SessionRunning
from actors.messages.requests import CouncilRequest, Turn

TURNS, CHARACTERS = 50, 200_000
"""How much of a conversation a session keeps; what a model is shown of it is cut to its context."""


def following(request: CouncilRequest, former: Session) -> CouncilRequest:
    """`request` with what it leaves out taken from the session that it follows, and that session's
    conversation. Raises `SessionRunning`, and `InvalidRequest` where there is no answer."""
    if former.closed is None:
        raise SessionRunning("The session to follow is still running; wait for its answer.")
    if former.final is None:
        raise _refused("no_answer", "The session to follow has no answer; ask its question again.")
    if request.earlier:
        raise _refused("both_earlier", "Give `follows` or `earlier`, not both.")
    asked = former.started.request
    return request.model_copy(
        update={
            "selected_agents": request.selected_agents or asked.selected_agents,
            "chairman_model": request.chairman_model or asked.chairman_model,
            "mode": request.mode or asked.mode,
            "earlier": _bounded((*(asked.earlier or ()), _turn(former))),
        }
    )


def no_such_session() -> InvalidRequest:
    """What `follows` names is not there (any more)."""
    sentence = "There is no session with that id; list them: GET /api/council/sessions."
    return _refused("no_session", sentence)


def _turn(session: Session) -> Turn:
    """What was asked and answered, without the citations of seats that sit there no more."""
    assert session.final is not None
    answer = session.final.content
    names = [seat.name for seat in session.seats]
    return Turn(query=session.started.request.query, answer=without_names(answer, names) or answer)


def without_names(text: str, names: Collection[str]) -> str:
    """`text` without its citations of these seats: `[Name]`, `[Name, Other]`, `[One and Other]`."""
    one = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    joined = r"(?:\s?[,;/&+]\s?|\s(?:and|et|und|y|e)\s)"
    return re.sub(rf"[ \t]*\[(?:{one})(?:{joined}(?:{one}))*\](?!\()", "", text)


def _bounded(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The newest turns, within the bounds; one at least."""
    kept: list[Turn] = []
    characters = 0
    for turn in reversed(turns[-TURNS:]):
        characters += len(turn.query) + len(turn.answer)
        if kept and characters > CHARACTERS:
            break
        kept.append(turn)
    return tuple(reversed(kept))


def _refused(reason: FieldReason, sentence: str) -> InvalidRequest:
    error = {"loc": ["follows"], "msg": sentence, "type": "value_error", "reason": reason}
    return InvalidRequest(sentence, [error])
