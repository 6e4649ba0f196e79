"""The synthesis while it is written reads as it will in the end, in whatever pieces it comes."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from actors.council.asking.anonymity import labels, reveal
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import OpinionHeard, SessionStarted, SynthesisDelta
from actors.messages.procedure import Procedure
from actors.messages.requests import AnswerForm, CouncilRequest, Seat
from serve_app.clients.draft import Draft

AT = datetime(2026, 1, 1, tzinfo=UTC)
SEATS = tuple(Seat(agent_id=f"agent_{n}", name=f"Expert_{n}", model="a:1") for n in (1, 2, 3))
PARTS = ("As ", "[A]", "[B, C]", " Response A ", "and B", "responses A, B and C", " says. ", "x[",
         "] ", "`[A]`", "```\n", "A word. ", "\n", "【C】", "Response ", "A")  # fmt: skip


def started(request: CouncilRequest, guard: bool = False) -> SessionStarted:
    return SessionStarted(
        session_id="s", at=AT, request=request, seats=SEATS, chairman_model="a:1", seed=7,
        deadline_at=AT, procedure=Procedure(guard=guard),
    )  # fmt: skip


def opinion(agent_id: str) -> OpinionHeard:
    return OpinionHeard(
        session_id="s", at=AT, agent_id=agent_id, model="a:1", usage=TokenUsage(),
        timing=CallTiming(), started_at=AT, content="x",
    )  # fmt: skip


def drafted(pieces: list[str], form: AnswerForm | None = None) -> tuple[str, str]:
    """What was given out, and what the answer reads."""
    draft, offset, out = Draft(), 0, ""
    draft.piece(started(CouncilRequest(query="?", answer=form)))
    for seat in SEATS[::-1]:
        draft.piece(opinion(seat.agent_id))
    for piece in pieces:
        delta = SynthesisDelta(
            session_id="s", at=AT, agent_id="chairman", text=piece, offset=offset
        )
        out += draft.piece(delta)
        offset += len(piece)
    names = {label: agent.replace("agent", "Expert") for agent, label in
             labels([seat.agent_id for seat in SEATS], 7).items()}  # fmt: skip
    assert draft.said == out
    return out, reveal("".join(pieces), names)


@given(st.lists(st.sampled_from(PARTS), max_size=30), st.integers(1, 9))
def test_what_was_given_out_is_how_the_answer_begins(parts: list[str], size: int) -> None:
    text = "".join(parts)
    out, whole = drafted([text[at : at + size] for at in range(0, len(text), size)])
    assert whole.startswith(out)


def test_it_comes_word_by_word_with_names_for_labels() -> None:
    out, whole = drafted(["It scatters, ", "as [", "A", ", B] say", ". So it ", "is"])
    assert out == whole.removesuffix("is")
    assert "[Expert_" in out


def test_an_answer_in_a_format_has_no_citations() -> None:
    out, _ = drafted(['{"a": ["x"], "b": [A] ', "}"], AnswerForm(format="json"))
    assert "[A]" in out


def test_a_second_attempt_is_not_given_out_behind_the_first() -> None:
    draft = Draft()
    draft.piece(started(CouncilRequest(query="?"), guard=True))
    assert draft.may_be_replaced
    delta = SynthesisDelta(session_id="s", at=AT, agent_id="chairman", text="One two ", offset=0)
    assert draft.piece(delta) == "One two "
    assert draft.piece(delta.model_copy(update={"text": "Other words "})) == ""
    thought = delta.model_copy(update={"text": "Hm ", "thinking": True})
    assert draft.piece(thought) == ""
