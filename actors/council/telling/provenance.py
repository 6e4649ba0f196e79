"""Whose an answer is, upon what it rests, and what the guard said of it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

SAID = {
    "stands": "The guard let it stand",
    "lost": "The guard put it in the place of the synthesis",
    "unfinished": "The deadline came before the guard had ended; the synthesis stands",
}


def provenance(answer: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """Sentences. `answer`: a session's final answer as the HTTP interface has it; `names` of seats
    by id."""
    sources = ", ".join(names.get(one, one) for one in answer["sources_cited"])
    if answer["basis"] == "opinion":
        yield f"The opinion of {sources}."
        if answer["fallback"]:
            yield "No chairman gave an answer."
    else:
        yield f"By {answer['chairman_model']}."
        if answer["fallback"]:
            yield "It stood in for the chairman."
        if sources:
            yield f"Sources: {sources}."
    if answer["truncated"]:
        yield "Cut at the output limit."
    if answer["cached"]:
        yield "From the cache."
    if answer["guard"]:
        yield _verdict(answer["guard"])


def _verdict(guard: Mapping[str, Any]) -> str:
    said = SAID[guard["verdict"]]
    synthesis, opinion, neither = guard["for_synthesis"], guard["for_opinion"], guard["ties"]
    if not synthesis + opinion + neither:
        return f"{said}; it had no vote to count."
    votes = f"{synthesis} for the synthesis, {opinion} for the opinion, {neither} for neither"
    return f"{said}: {votes}."
