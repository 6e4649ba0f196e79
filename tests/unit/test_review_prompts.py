"""What reviewers are asked: a critique in free words, a ballot after it, once more if need be."""

from actors.council.asking.context import Answer
from actors.council.asking.review_prompts import (
    ballot_messages,
    ballot_request,
    ballot_schema,
    critique_messages,
    repair_request,
)
from actors.council.judging.reviews import read_ballot
from actors.messages.requests import Question

QUESTION = Question(text="Why is the sky blue?")
ANSWERS = (Answer("A", "Rayleigh scattering."), Answer("B", "The sea."), Answer("C", "Magic."))
SEATS = {"A": "agent_1", "C": "agent_3"}


def test_a_reviewer_is_told_which_to_judge_and_which_not() -> None:
    task = ballot_messages(QUESTION, ANSWERS, ["A", "C"], "B", 7)[1].content.partition("Task:")[2]
    assert "A, C." in task
    assert '["A", "C"]' in task
    assert "Do not judge Response B." in task
    assert '{"rankings": [{"reasoning": "<explanation>", "agent_id": "<id>"' in task
    hidden = ballot_messages(QUESTION, ANSWERS[::2], ["A", "C"], None, 7)[1].content
    assert "Do not judge" not in hidden


def test_the_schema_asks_for_the_reasoning_first_and_for_each_votable_label_once() -> None:
    schema = ballot_schema(["A", "C"], with_reasoning=True)
    rankings = schema["properties"]["rankings"]
    votes = rankings["prefixItems"]
    assert [vote["properties"]["agent_id"]["enum"] for vote in votes] == [["A"], ["C"]]
    for vote in votes:
        assert list(vote["properties"]) == ["reasoning", "agent_id", "score"] == vote["required"]
        assert vote["properties"]["score"] == {"type": "integer", "minimum": 1, "maximum": 10}
        assert vote["properties"]["reasoning"]["maxLength"] > 0
        assert vote["additionalProperties"] is False
    assert (rankings["minItems"], rankings["maxItems"]) == (2, 2)
    assert "items" not in rankings, "llama.cpp would look at that and not at the prefix"
    assert schema["required"] == ["rankings"]
    assert schema["additionalProperties"] is False


def test_a_critique_is_free_text_and_the_ballot_after_it_has_votes_only() -> None:
    task = critique_messages(QUESTION, ANSWERS, ["A", "C"], "B", 7)[1].content.partition("Task:")[2]
    assert "JSON" not in task and "Do not judge Response B." in task
    assert "Response A: … Response C: …" in task
    asked = ballot_request(["A", "C"])
    assert (
        'Respond ONLY with valid JSON in the following format:\n{"rankings": [{"agent_id"' in asked
    )
    votes = ballot_schema(["A"], with_reasoning=False)["properties"]["rankings"]["prefixItems"]
    assert list(votes[0]["properties"]) == ["agent_id", "score"]


def test_a_repair_says_what_was_wrong_and_how_it_should_look() -> None:
    asked = repair_request(["A", "C"], ["Response A: the score 11 is not between 1 and 10"])
    assert "the score 11 is not between 1 and 10" in asked and '"rankings"' in asked
    assert len(repair_request(["A"], ["x" * 5000])) < 1000
    assert "no vote in it" in repair_request(["A"], [])


def test_nothing_that_is_asked_reads_as_a_ballot() -> None:
    """A model that echoes the request abstains."""
    for asked in (ballot_request(["A", "C"]), repair_request(["A", "C"], ["no ballot"])):
        assert not read_ballot(asked, SEATS, "B").votes
