"""The guard: who is preferred in both orders counts, everything else is a tie."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.guard import SCHEMA, Side, guard_messages, preferred, verdict
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import GuardHeard
from actors.messages.requests import Question

AT = datetime(2026, 1, 1, tzinfo=UTC)
Better = Literal["synthesis", "opinion", "tie"] | None


def heard(first: Side, better: Better) -> GuardHeard:
    return GuardHeard(
        session_id="s", at=AT, agent_id="agent_2", model="m", usage=TokenUsage(),
        timing=CallTiming(), started_at=AT, content="{}", first=first, better=better,
    )  # fmt: skip


def judge(one: Better, other: Better) -> tuple[GuardHeard, GuardHeard]:
    return heard("synthesis", one), heard("opinion", other)


def test_both_texts_are_shown_without_names_in_the_order_asked_for() -> None:
    for first, shown in (("synthesis", ("S!", "O!")), ("opinion", ("O!", "S!"))):
        _, user = guard_messages(Question(text="Why?"), "S!", "O!", first, 7)  # type: ignore[arg-type]
        one, _, two = user.content.partition("Answer 2:")
        assert (shown[0] in one, shown[1] in two) == (True, True)
        assert "synthesis" not in user.content and "chairman" not in user.content


@pytest.mark.parametrize(
    ("text", "first", "better"),
    [
        ('{"reason": "…", "better": "1"}', "synthesis", "synthesis"),
        ('{"reason": "…", "better": "1"}', "opinion", "opinion"),
        ('{"reason": "…", "better": "2"}', "synthesis", "opinion"),
        ('{"better": 2}', "opinion", "synthesis"),
        ('{"better": "Answer 2"}', "synthesis", "opinion"),
        ('{"better": "Tie"}', "opinion", "tie"),
        ('```json\n{"better": "1",}\n```', "synthesis", "synthesis"),
        ('{"better": "<1, 2 or tie>"}', "synthesis", None),
        ("Answer 1 is better.", "synthesis", None),
        ('["1"]', "synthesis", None),
        ("", "synthesis", None),
    ],
)
def test_what_a_judge_prefers(text: str, first: Side, better: Better) -> None:
    assert preferred(text, first) == better


@given(st.text(max_size=5000), st.sampled_from(["synthesis", "opinion"]))
def test_no_reply_raises(text: str, first: Side) -> None:
    assert preferred(text, first) in ("synthesis", "opinion", "tie", None)


def test_a_judge_that_favours_a_place_counts_as_a_tie() -> None:
    place = judge("synthesis", "opinion")
    found = verdict("agent_1", [place, place], "text")
    assert (found.for_synthesis, found.for_opinion, found.ties) == (0, 0, 2)
    assert (found.verdict, found.synthesis) == ("stands", None)


def test_the_opinion_is_the_answer_only_if_more_judges_are_for_it() -> None:
    for_it, against = judge("opinion", "opinion"), judge("synthesis", "synthesis")
    assert verdict("agent_1", [for_it, against], "text").verdict == "stands"
    lost = verdict("agent_1", [for_it, for_it, against], "text")
    assert (lost.verdict, lost.synthesis, lost.for_opinion) == ("lost", "text", 2)


def test_half_a_comparison_and_an_unreadable_one_are_ties() -> None:
    half, unread = (heard("synthesis", "opinion"),), judge("opinion", None)
    found = verdict("agent_1", [half, unread, judge(None, None)], "text")
    assert (found.for_opinion, found.ties) == (0, 3)


def test_where_the_deadline_came_first_the_synthesis_stands() -> None:
    found = verdict("agent_1", [judge("opinion", "opinion")], "text", finished=False)
    assert (found.verdict, found.synthesis) == ("unfinished", None)


def test_the_schema_leaves_no_other_choice() -> None:
    assert SCHEMA["properties"]["better"]["enum"] == ["1", "2", "tie"]
