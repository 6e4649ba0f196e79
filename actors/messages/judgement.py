"""What judges say and what is made of it: votes, places, agreement, the verdict of the guard."""

from typing import Literal

from pydantic import Field

from actors.messages.message import Message

RankingMethod = Literal["adjusted", "borda", "copeland", "bradley_terry", "z_scores"]
"""How places are made of ballots (`actors/council/judging/ranking.py`)."""
OwnAnswer = Literal["hidden", "excluded"]
"""What a reviewer saw of its own opinion: nothing, or all of it (a context that it shares with
others) with the order not to judge it."""
Verdict = Literal["stands", "lost", "unfinished"]
"""Of the guard, on a synthesis."""


class Vote(Message):
    """One line of a ballot, labels already mapped back to seats. `score` 1 to 10."""

    agent_id: str
    score: int = Field(ge=1, le=10)
    reasoning: str = ""


class Rejection(Message):
    """Why a line of a ballot, or all of it, does not count. `values`: the label of the response
    that it judges, then the score, or the scores, that it gives; for `unknown_response` what it
    names instead, for `more` how many there are. A model's own words are short, in quotation marks.
    """

    code: Literal[
        "empty",
        "no_ballot",
        "no_object",
        "no_response",
        "unknown_response",
        "own_response",
        "no_score",
        "nested_score",
        "no_number",
        "other_scale",
        "no_whole_number",
        "out_of_range",
        "contradiction",
        "more",
    ]
    values: tuple[str, ...] = ()


class PlaceInterval(Message):
    """Between which places a seat comes out in 90 of 100 draws of the same judges."""

    best: int
    worst: int


class Standing(Message):
    """A seat's place in the ranking. Ties share a place (1, 2, 2, 4). `points` by the session's
    method; `borda` = share of the others that it beats on a ballot, whatever the method."""

    agent_id: str
    place: int
    mean_score: float
    votes: int
    borda: float = 0.0
    points: float = 0.0
    interval: PlaceInterval | None = None


class Dispute(Message):
    """Two seats of which judges do not agree who is better: how many say so of each."""

    agent_ids: tuple[str, str]
    votes: tuple[int, int]


class Remark(Message):
    """Something to say of a ranking. `first`: `counts` = how many judges put it first, of how many;
    `alike`: the ballots, and as how many they may weigh."""

    code: Literal["first", "shared_first", "uncompared_first", "hardly_agree", "close", "alike"]
    agent_ids: tuple[str, ...] = ()
    counts: tuple[float, ...] = ()


class Agreement(Message):
    """How far the judges agree. `kendall_w` 0 (opposite, or by chance) to 1 (one order), None where
    no two judges share two answers; `krippendorff_alpha` of the scores, 1 = equal, 0 = by chance;
    `effective_votes`: the independent ballots that these weigh as much as. `sentence`: the remarks
    in English."""

    ballots: int
    kendall_w: float | None = None
    krippendorff_alpha: float | None = None
    effective_votes: float | None = None
    disputes: tuple[Dispute, ...] = ()
    remarks: tuple[Remark, ...] = ()
    sentence: str


class AnswerCount(Message):
    """A closed question's answers, as they were read in the opinions, in a canonical form
    (agent_id → answer). `winner`: what most of them say, two at least; None where none does."""

    kind: Literal["number", "choice", "yes_no"]
    answers: dict[str, str]
    winner: str | None = None
    votes: int = 0


class GuardVerdict(Message):
    """How the synthesis did against the best-ranked opinion. A judge counts for the one that it
    prefers in both orders, else as a tie. `lost`: the opinion is the answer, `synthesis` what it
    would have been; `unfinished`: the deadline came first, the synthesis stands."""

    verdict: Verdict
    opinion: str
    for_synthesis: int
    for_opinion: int
    ties: int
    synthesis: str | None = None
