"""Who gave whom what, and why: the judges' ballots, folded from a session's events. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_BALLOT = re.compile(r'^(?:```(?:json)?\s*)?\{\s*"rankings".*', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Ballots:
    """`given`: judge → judged → vote; `refused`: judge → why votes of its own do not count, or why
    it was absent; `words`: judge → what it wrote beside its ballot; `labels`: whose opinion went
    there by which label; `one_by_one`: each review is of one opinion. Seats by id."""

    given: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    one_by_one: bool = False

    @property
    def judges(self) -> set[str]:
        return {*self.given, *self.refused}

    def why_not(self, judge: str) -> str:
        """Why it gave no vote."""
        return "; ".join(self.refused.get(judge, ())) or "no reason given"


def cast(ballots: Ballots, review: Mapping[str, Any]) -> Ballots:
    """Several reviews of a judge are one ballot."""
    judge = str(review["agent_id"])
    votes = {str(vote["agent_id"]): vote for vote in review["rankings"]}
    ballots = replace(
        ballots,
        given={**ballots.given, judge: {**ballots.given.get(judge, {}), **votes}},
        words={**ballots.words, judge: _beside(ballots.words.get(judge, ""), review)},
        labels=review.get("labels") or ballots.labels,
        one_by_one=ballots.one_by_one or bool(review.get("about")),
    )
    return refuse(ballots, judge, *review.get("rejected", ()))


def _beside(before: str, review: Mapping[str, Any]) -> str:
    words = _BALLOT.sub("", str(review.get("content", ""))).strip()
    return "\n".join(filter(None, (before, words)))


def refuse(ballots: Ballots, judge: str, *reasons: str) -> Ballots:
    if not reasons:
        return ballots
    so_far = ballots.refused.get(judge, ())
    return replace(ballots, refused={**ballots.refused, judge: (*so_far, *reasons)})
