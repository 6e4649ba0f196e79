"""Beneath an answer stands whose it is, upon what it rests, and what the guard said."""

from typing import Any

import pytest

from actors.council.telling.provenance import provenance
from actors.messages.judgement import GuardVerdict
from actors.messages.sessions import FinalAnswer

NAMES = {"agent_1": "Alpha", "agent_2": "Beta"}


def guard(verdict: Any, *votes: int) -> GuardVerdict:
    synthesis, opinion, ties = votes
    return GuardVerdict(
        verdict=verdict, opinion="agent_2", for_synthesis=synthesis, for_opinion=opinion, ties=ties
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({}, "By c:3b."),
        ({"sources_cited": ("agent_1", "agent_2")}, "By c:3b. Sources: Alpha, Beta."),
        ({"fallback": "x"}, "By c:3b. It stood in for the chairman."),
        ({"truncated": True, "cached": True}, "By c:3b. Cut at the output limit. From the cache."),
        (
            {"guard": guard("stands", 2, 1, 0)},
            "By c:3b. The guard let it stand: 2 for the synthesis, 1 for the opinion, "
            "0 for neither.",
        ),
        (
            {"guard": guard("stands", 0, 0, 0)},
            "By c:3b. The guard let it stand; it had no vote to count.",
        ),
        (
            {"basis": "opinion", "sources_cited": ("agent_2",), "guard": guard("lost", 1, 2, 0)},
            "The opinion of Beta. The guard put it in the place of the synthesis: "
            "1 for the synthesis, 2 for the opinion, 0 for neither.",
        ),
        (
            {"basis": "opinion", "sources_cited": ("agent_2",), "fallback": "x"},
            "The opinion of Beta. No chairman gave an answer.",
        ),
    ],
)
def test_what_an_answer_is(answer: dict[str, Any], told: str) -> None:
    plain = FinalAnswer(
        content="Air.", chairman_model="c:3b", prompt_tokens=1, completion_tokens=1, tokens_used=2,
        duration_ms=1, sources_cited=(), fallback=None,
    )  # fmt: skip
    shown = plain.model_copy(update=answer).model_dump(mode="json")
    assert " ".join(provenance(shown, NAMES)) == told
