"""What there is to say of a ranking: who is first, by how many judges, how sure that is.

As remarks, which a reader's own language can be made of, and as a sentence in English.
"""

from collections.abc import Iterator, Mapping, Sequence

from actors.council.judging.ranking import Scores
from actors.messages.judgement import Agreement, Remark, Standing

HARDLY = 0.3
"""Kendall's W below which judges are said to hardly agree (weak, in Schmidt 1997, table 2)."""
ALIKE = 0.5
"""A share of the ballots below which the effective votes are worth a word."""


def remarks(figures: Agreement, scores: Scores, standings: Sequence[Standing]) -> Iterator[Remark]:
    yield _who_is_first(scores, standings)
    if figures.kendall_w is not None and figures.kendall_w < HARDLY:
        yield Remark(code="hardly_agree")
    if _is_close(standings):
        yield Remark(code="close")
    votes = figures.effective_votes
    if votes is not None and figures.ballots > 2 and votes < ALIKE * figures.ballots:
        yield Remark(code="alike", counts=(figures.ballots, votes))


def sentence(found: Sequence[Remark], names: Mapping[str, str]) -> str:
    """`names`: agent_id → name."""
    return "; ".join(_in_words(remark, names) for remark in found) + "."


def _who_is_first(scores: Scores, standings: Sequence[Standing]) -> Remark:
    first = tuple(s.agent_id for s in standings if s.place == 1)
    if len(first) > 1:
        return Remark(code="shared_first", agent_ids=first)
    best = standings[0].agent_id
    ballots = [own for own in scores.values() if best in own and len(own) > 1]
    if not ballots:
        return Remark(code="uncompared_first", agent_ids=first)
    top = sum(own[best] == max(own.values()) for own in ballots)
    return Remark(code="first", agent_ids=first, counts=(top, len(ballots)))


def _is_close(standings: Sequence[Standing]) -> bool:
    if len(standings) < 2 or standings[1].place == 1:
        return False
    interval = standings[1].interval
    return interval is not None and interval.best == 1


def _in_words(remark: Remark, names: Mapping[str, str]) -> str:
    who = [names[agent_id] for agent_id in remark.agent_ids]
    match remark.code:
        case "shared_first":
            return f"{', '.join(who[:-1])} and {who[-1]} share the first place"
        case "uncompared_first":
            return f"{who[0]} is first by its mean score: no ballot compares it with another"
        case "first":
            return f"{_judges(*remark.counts)} {who[0]} first"
        case "hardly_agree":
            return "the judges hardly agree"
        case "close":
            return "first and second are too close to call"
        case _:
            ballots, votes = remark.counts
            return f"the {ballots:g} ballots are so alike that they may weigh as {votes:g}"


def _judges(top: float, all_of_them: float) -> str:
    if top == all_of_them > 1:
        return "Both judges put" if top == 2 else f"All {top:g} judges put"
    return f"{top:g} of {all_of_them:g} {'judge puts' if all_of_them == 1 else 'judges put'}"
