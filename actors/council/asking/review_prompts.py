"""What a reviewer is asked: a critique in its own words, then a ballot in the same conversation.

Reasons that are written freely, before the score, are worth more than reasons in JSON (Tam et al.
2024, arXiv 2408.02442); the ballot that follows is short and held to a schema, and the server still
has the whole conversation in its cache. A ballot that cannot be read is asked for once more.
"""

import json
from collections.abc import Sequence
from typing import Any

from actors.council.asking.context import Answer
from actors.council.asking.prompts import shared_messages
from actors.messages.calls import ChatMessage
from actors.messages.requests import Question

REASONING_LIMIT = 400
"""Characters of reasoning that a vote of a ballot without a critique may have."""
SCALE = "from 1 (bad) to 10 (excellent). A better response gets a higher score."
REPAIR = "That ballot could not be read: {why}. Write it once more."


def ballot_messages(
    question: Question,
    answers: Sequence[Answer],
    votable: Sequence[str],
    own: str | None,
    seed: int,
) -> tuple[ChatMessage, ...]:
    """One review in one ballot, reasons inside. `own`: the reviewer's own label, where its answer
    is among those shown."""
    task = (
        f"{_subject(votable, own)}\n"
        "Is it correct? Is it complete? Is it clear? "
        f"First a short reasoning, then a score {SCALE}\n"
        f"{_format(votable, with_reasoning=True)} "
        "Write the reasoning in the language of the question."
    )
    return shared_messages(question, answers, seed, task)


def critique_messages(
    question: Question,
    answers: Sequence[Answer],
    votable: Sequence[str],
    own: str | None,
    seed: int,
) -> tuple[ChatMessage, ...]:
    """The review's first part."""
    example = " ".join(f"Response {label}: …" for label in votable[:2])
    task = (
        f"{_subject(votable, own)}\n"
        "Write a short critique of each: is it correct, what is wrong, what is missing? Begin each "
        f"with its name: {example} Give no scores yet. Write in the language of the question."
    )
    return shared_messages(question, answers, seed, task)


def ballot_request(votable: Sequence[str]) -> str:
    """The review's second part, in the same conversation."""
    return f"Now give each of these responses a score {SCALE}\n{_format(votable)}"


def repair_request(votable: Sequence[str], rejected: Sequence[str]) -> str:
    """The third, where the ballot could not be read. `rejected`: why."""
    why = "; ".join(rejected)[:300] or "there is no vote in it"
    return f"{REPAIR.format(why=why)}\n{_format(votable)}"


def ballot_schema(votable: Sequence[str], with_reasoning: bool) -> dict[str, Any]:
    """The JSON schema of a ballot on the labels in `votable` (at least one): a line for each, in
    that order. Left free, the smallest models now and then judge one label twice and no other."""
    rankings = {
        "type": "array",
        "prefixItems": [_vote_schema(label, with_reasoning) for label in votable],
        "minItems": len(votable),
        "maxItems": len(votable),
    }
    return {
        "type": "object",
        "properties": {"rankings": rankings},
        "required": ["rankings"],
        "additionalProperties": False,
    }


def _vote_schema(label: str, with_reasoning: bool) -> dict[str, Any]:
    reasoning = {"reasoning": {"type": "string", "maxLength": REASONING_LIMIT}}
    properties = {
        **(reasoning if with_reasoning else {}),
        "agent_id": {"type": "string", "enum": [label]},
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _subject(votable: Sequence[str], own: str | None) -> str:
    leave_out = f" Do not judge Response {own}." if own else ""
    return f"Task: judge these responses to the question: {', '.join(votable)}.{leave_out}"


def _format(votable: Sequence[str], with_reasoning: bool = False) -> str:
    reasoning = '"reasoning": "<explanation>", ' if with_reasoning else ""
    shape = f'{{"rankings": [{{{reasoning}"agent_id": "<id>", "score": <1-10>}}]}}'
    return (
        f"Respond ONLY with valid JSON in the following format:\n{shape}\n"
        f"One entry for each agent_id of {json.dumps(list(votable))}."
    )
