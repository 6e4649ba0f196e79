"""What the council may owe a question next: the one thing to do now, as a value."""

from dataclasses import dataclass

FALLBACK_CHAIRMAN = "chairman_failed_best_agent_model_stood_in"
FALLBACK_OPINION = "chairman_failed_best_opinion_stands"


@dataclass(frozen=True)
class AskOpinions:
    """These seats owe an opinion; ask them all at once."""

    agent_ids: tuple[str, ...]


@dataclass(frozen=True)
class AwaitPcs:
    """Too few opinions while the PCs of these seats are gone: ask the seats once one is back.
    `told` = it was said that they are waited for."""

    agent_ids: tuple[str, ...]
    told: bool = False


@dataclass(frozen=True)
class AskReviews:
    """These seats owe a review of the others' opinions; ask them all at once, each for one after
    the other of its `subjects`."""

    agent_ids: tuple[str, ...]


@dataclass(frozen=True)
class MakeRanking:
    """The ballots are in, and what comes next goes by the ranking."""


@dataclass(frozen=True)
class AskRevisions:
    """Each of these seats may be the first: they owe their opinion once more."""

    agent_ids: tuple[str, ...]


@dataclass(frozen=True)
class AskSynthesis:
    """The chairman owes the final answer. `fallback` names why another model is in the chair."""

    model: str
    fallback: str | None = None


@dataclass(frozen=True)
class UseOpinion:
    """This seat's opinion stands as the answer. `fallback`: since no chairman is left."""

    agent_id: str
    fallback: str | None = FALLBACK_OPINION


@dataclass(frozen=True)
class AskGuard:
    """These seats owe their comparisons of the draft with the best opinion."""

    agent_ids: tuple[str, ...]


@dataclass(frozen=True)
class Conclude:
    """The draft was compared: the answer is what did not lose."""


@dataclass(frozen=True)
class Closed:
    """Nothing is owed any more. `code` and `sentence` say why, if there is no answer."""

    code: str | None = None
    sentence: str | None = None


Step = (
    AskOpinions
    | AwaitPcs
    | AskReviews
    | MakeRanking
    | AskRevisions
    | AskSynthesis
    | UseOpinion
    | AskGuard
    | Conclude
    | Closed
)
