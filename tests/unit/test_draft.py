"""The synthesis while it is written reads as it will in the end, in whatever pieces it comes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.asking.anonymity import labels, reveal
from actors.council.asking.quoting import fence_tag, unfenced
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import OpinionHeard, SessionStarted, SynthesisDelta
from actors.messages.procedure import Procedure
from actors.messages.requests import AnswerForm, CouncilRequest, Seat
from serve_app.clients import draft as draft_module
from serve_app.clients.draft import Draft

AT = datetime(2026, 1, 1, tzinfo=UTC)
SEATS = tuple(Seat(agent_id=f"agent_{n}", name=f"Expert_{n}", model="a:1") for n in (1, 2, 3))
PARTS = ("As ", "[A]", "[B, C]", " Response A ", "and B", "responses A, B and C", " says. ", "x[",
         "] ", "`[A]`", "```\n", "A word. ", "\n", "【C】", "Response ", "A", " ", "`as ", "B` ",
         "和", "，", "(x) ", "Word.\n", "B", "an", "d ",
         "and ", ", ", "(", "Re\u0301", "ponses ", "e", "x",
         f"<review-{fence_tag(7)}>\n", f"</a-{fence_tag(7)}>")  # fmt: skip


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


def delta(text: str, offset: int, thinking: bool = False) -> SynthesisDelta:
    return SynthesisDelta(
        session_id="s", at=AT, agent_id="chairman", text=text, offset=offset, thinking=thinking
    )


def drafted(pieces: list[str], form: AnswerForm | None = None) -> tuple[list[str], str]:
    """What there was to read after each piece, and what the answer reads."""
    draft, offset, seen = Draft(), 0, [""]
    draft.hear(started(CouncilRequest(query="?", answer=form)))
    for seat in SEATS[::-1]:
        draft.hear(opinion(seat.agent_id))
    for piece in pieces:
        draft.hear(delta(piece, offset))
        seen.append(draft.text)
        offset += len(piece)
    names = {label: agent.replace("agent", "Expert") for agent, label in
             labels([seat.agent_id for seat in SEATS], 7).items()}  # fmt: skip
    return seen, reveal(unfenced("".join(pieces), fence_tag(7)), names)


@given(st.lists(st.sampled_from(PARTS), max_size=30), st.integers(1, 9))
def test_it_only_grows_and_is_how_the_answer_begins(parts: list[str], size: int) -> None:
    text = "".join(parts)
    seen, whole = drafted([text[at : at + size] for at in range(0, len(text), size)])
    for before, after in pairwise([*seen, whole]):
        assert after.startswith(before)


def test_it_comes_at_once_but_for_what_may_become_a_citation() -> None:
    seen, whole = drafted(["It scatters, ", "as [", "A", ", B] say", ". So it ", "is"])
    assert seen[1] == "It scatters," and seen[2:5] == ["It scatters, as"] * 2 + [
        whole.removesuffix(". So it is")
    ]
    assert "[Expert_" in seen[4] and seen[-1] == whole
    assert drafted(["The Resp", "onse", " A", " says"])[0][1:4] == ["The"] * 3


def test_labels_in_code_are_none_once_it_is_seen_to_be_some() -> None:
    seen, _ = drafted(["Write `f [A] ", "x` and so ", "on"])
    assert seen[1:3] == ["Write", "Write `f [A] x` and so"]
    seen, whole = drafted(["`as [A]x[`as ", "on"])
    assert seen[1] and whole.startswith(seen[1])


def test_a_long_answer_is_not_read_from_its_beginning_for_each_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []

    def counted(text: str, names: Mapping[str, str]) -> str:
        looked_at.append(len(text))
        return reveal(text, names)

    monkeypatch.setattr(draft_module, "reveal", counted)
    seen, whole = drafted(["As [A] says, ", "and [B]. ", "So it is.\n"] * 200)
    assert seen[-1] == whole.rstrip() and len(whole) > 5_000
    assert max(looked_at) < 100


def test_languages_without_spaces_come_bit_by_bit() -> None:
    seen, _ = drafted(["天空是蓝", "色的，因为"])
    assert seen[1:] == ["天空是蓝", "天空是蓝色的，因为"]


def test_an_answer_in_a_format_has_no_citations() -> None:
    seen, _ = drafted(['{"a": ["x"], "b": [A] ', "}"], AnswerForm(format="json"))
    assert "[A]" in seen[-1]


def test_thinking_is_no_part_of_it_and_a_second_attempt_begins_anew() -> None:
    draft = Draft()
    draft.hear(started(CouncilRequest(query="?"), guard=True))
    draft.hear(delta("One two ", 0))
    draft.hear(delta("Hm ", 8, thinking=True))
    assert draft.text == "One two"
    draft.hear(delta("Other words ", 0))
    assert draft.text == "Other words" and not draft.is_whole
