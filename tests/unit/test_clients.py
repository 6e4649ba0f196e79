"""What the protocols of other people's clients share."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import InvalidRequest
from actors.messages.events import CHAIRMAN
from actors.messages.requests import Turn
from serve_app.clients.conversation import BEGAN, UNSEEN, Conversation, Said, conversation
from serve_app.clients.council_models import is_council, mode_of
from serve_app.clients.progress import Progress
from tests.scripted import ScriptedPool
from tests.unit.test_modes import council, request


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([("user", "Why?")], Conversation("Why?")),
        (
            [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c")],
            Conversation("c", (Turn(query="a", answer="b"),), "Be brief."),
        ),
        (
            [("assistant", "Hello!"), ("user", "a"), ("user", "b"), ("developer", "In French.")],
            Conversation("a\n\nb", (Turn(query=BEGAN, answer="Hello!"),), "In French."),
        ),
        (
            [("user", "a"), ("assistant", ""), ("tool", "7"), ("assistant", "b"), ("user", "c")],
            Conversation("c", (Turn(query="a", answer="(A tool told: 7)\n\nb"),)),
        ),
        (
            [("user", "Who is it?", True), ("assistant", "A cat."), ("user", "Its name?")],
            Conversation("Its name?", (Turn(query=f"Who is it?\n\n{UNSEEN}", answer="A cat."),)),
        ),
        ([("user", "", True)], Conversation("", shows_pictures=True)),
        ([("user", "a", True), ("user", "b")], Conversation("a\n\nb", shows_pictures=True)),
    ],
)
def test_a_conversation_is_a_question_with_what_was_said_before(
    messages: list[tuple[Any, ...]], told: Conversation
) -> None:
    assert conversation(Said(*message) for message in messages) == told


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "last message"),
        ([("system", "x")], "last message"),
        ([("user", "a"), ("assistant", "b")], "last message"),
        ([("user", "a"), ("assistant", ""), ("tool", "b")], "last message"),
        ([("user", "a"), ("critic", "b"), ("user", "c")], "role 'critic'"),
    ],
)
def test_what_is_no_question_is_refused(messages: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        conversation(Said(*message) for message in messages)


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text(max_size=9)), max_size=9
    )
)
def test_no_word_is_lost(messages: list[tuple[str, str]]) -> None:
    asked = conversation(Said(*message) for message in [*messages, ("user", "last")])
    whole = "\n".join(
        [asked.instructions or "", *(f"{t.query}\n{t.answer}" for t in asked.earlier), asked.query]
    )
    assert all(text in whole for _, text in messages)


def test_the_councils_names_say_the_mode() -> None:
    assert is_council("council") and is_council("council-fast:latest")
    assert not is_council("council-standard") and not is_council("llama3.2:1b")
    assert mode_of("council:latest") is None and mode_of("council-thorough") == "thorough"


async def test_progress_tells_who_answered_who_judged_whom_and_who_is_first(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pool = ScriptedPool(("a:1", "b:1", "c:1", "d:1"))
    progress = Progress()
    async with council(tmp_path, pool) as orchestrator:
        opened = await orchestrator.open(request("standard"))
        batches = [batch async for batch in orchestrator.events(opened.session_id)]
    lines = [line for batch in batches for event in batch if (line := progress.line(event))]
    told = "\n".join(lines)
    assert lines[0].startswith("The council sits: Expert_Alpha (a:1), ")
    for part in ("Opinions …", "Expert_Beta on pc1 has answered.", "Expert_Alpha gives Expert_",
                 "Ranking: 1. Expert_", "Synthesis …", "The guard compares"):  # fmt: skip
        assert part in told
    assert CHAIRMAN not in told and "agent_" not in told
