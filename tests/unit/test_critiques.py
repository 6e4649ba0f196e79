"""A reviewer's own words, by the response that they are about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.critiques import KEPT, by_label, reasoned
from actors.messages.judgement import Vote


@pytest.mark.parametrize(
    "text",
    [
        "Response A: Right, but short.\nResponse B: Wrong.",
        "**Response A:** Right, but short.\n\n**Response B:** Wrong.",
        "### Response A\nRight, but short.\n### Response B\nWrong.",
        "A: Right, but short.\nB: Wrong.",
        "- **A.** Right, but short.\n- **B.** Wrong.",
        "Réponse A : Right, but short.\nRéponse B : Wrong.",
        "<think>Response A: hm</think>Response A - Right, but short.\nResponse B - Wrong.",
        "I compare them.\nResponse A: Right, but short.\nResponse B: Wrong.",
    ],
)
def test_each_response_has_its_critique(text: str) -> None:
    assert by_label(text, ["A", "B"]) == {"A": "Right, but short.", "B": "Wrong."}


def test_what_is_said_twice_is_put_together_and_other_names_are_no_headings() -> None:
    text = "Response A: One.\nResponse A: Two.\nResponse C: own.\nAs I see it: fine."
    assert by_label(text, ["A", "B"]) == {"A": "One.\nTwo.\nResponse C: own.\nAs I see it: fine."}


def test_a_text_about_the_only_one_needs_no_heading() -> None:
    assert by_label("It is right.", ["B"]) == {"B": "It is right."}
    assert by_label("It is right.", ["A", "B"]) == {}
    assert by_label("", ["B"]) == {}
    assert by_label("Response B:", ["B"]) == {}


def test_a_vote_keeps_its_own_reason_and_borrows_only_where_it_has_none() -> None:
    votes = (Vote(agent_id="agent_1", score=3, reasoning="mine"), Vote(agent_id="agent_2", score=9))
    text, votable = "Response A: Long.\nResponse B: Good.", {"A": "agent_1", "B": "agent_2"}
    assert [vote.reasoning for vote in reasoned(votes, text, votable)] == ["mine", "Good."]
    assert reasoned(votes, "", votable) == votes


@given(st.text(max_size=3000), st.sampled_from([("A",), ("A", "B"), ("A", "B", "AA")]))
def test_no_text_raises_and_none_is_kept_that_is_too_long(text: str, labels: tuple[str]) -> None:
    parts = by_label(text, labels)
    assert set(parts) <= set(labels)
    assert all(part and len(part) <= KEPT for part in parts.values())


def test_hostile_text_costs_no_more_than_its_length() -> None:
    for piece in ("**" * 20, "<think>", "Response ", "A:\n", "\n* * "):
        assert by_label(piece * 8_000, ["A"]) is not None
