"""The heart: what the council owes a question next, computed from what has been heard so far.

A session is the record of its events. `next_step` reads that record and returns the one thing to do
now; `record` adds an event. Nothing that can be computed is stored beside the record, so a crash is
harmless: fold the events again and go on. Knows nothing of models, PCs, time or storage.

The rules, in order:
1. Every seat owes an opinion, until it gave one or was noted absent.
2. With fewer opinions than the quorum (two, or one if only one was seated), seats whose PC has left
   the cluster are waited for, if with them there would be enough. Whoever is back owes an opinion
   again: the absence is struck out. Other absences are final.
3. Otherwise a session without an opinion closes with `no_opinions`, one with too few with
   `no_quorum`.
4. Every seat with an opinion owes a review of the others', if there are others (not in `fast`), in
   one call or one each. With `early_stop` nobody owes any more once it is certain who is first.
5. With `revision`, seats that may each be the first, by what the ranking says of its own sureness,
   owe their opinion once more.
6. The chairman owes the synthesis; if the chairman fails, the model of the best seat stands in; if
   that fails too, the best opinion stands as the answer. In `fast` it stands at once.
7. With `guard` the synthesis is a draft first: every seat with an opinion but the best one's author
   owes two blind comparisons of both; then the one that did not lose is the answer.
The best opinion is the best-ranked one; for a closed question, of those that say what most say.
"""

from collections.abc import Iterable
from typing import Literal

from actors.council.judging.ballots import certain_first, votes_of
from actors.council.judging.closed import Count, vote
from actors.council.judging.consensus import consensus
from actors.council.judging.ranking import Scores, counted, ranked, ranked_by
from actors.council.session import Session
from actors.council.steps import (
    FALLBACK_CHAIRMAN,
    AskGuard,
    AskOpinions,
    AskReviews,
    AskRevisions,
    AskSynthesis,
    AwaitPcs,
    Closed,
    Conclude,
    MakeRanking,
    Step,
    UseOpinion,
)
from actors.messages.events import CHAIRMAN, Stage
from actors.messages.judgement import Standing

ORDERS: tuple[Literal["synthesis", "opinion"], ...] = ("synthesis", "opinion")
"""What the guard shows first: each judge sees both orders."""
WAITING = "waiting_for_pc"
"""The notice that seats are waited for whose PC left."""
CERTAIN = "first_is_certain"
"""The notice that the reviews that were still owed are not waited for."""
AWAY = "node_gone"
"""The code of an absence that ends when a PC comes back."""


def next_step(session: Session) -> Step:
    """What the council owes the question now."""
    return (
        _end(session)
        or _opinions(session)
        or _away(session)
        or _too_few(session)
        or _reviews(session)
        or _revisions(session)
        or _guard(session)
        or _synthesis(session)
    )


def ranking(session: Session) -> tuple[Standing, ...]:
    """The seats with an opinion, best first: as it was recorded, else by the reviews read so far,
    or without any (`fast`) by how much each agrees with the others."""
    if session.ranked is not None:
        return session.ranked.ranking
    candidates = tuple(_in_seat_order(session, session.opinions))
    if session.procedure.mode == "fast":
        return ranked_by(consensus({a: session.text(a) for a in candidates}))
    return ranked(scores(session), candidates, session.started.ranking_method)


def scores(session: Session) -> Scores:
    """The votes that count of the reviews read so far."""
    return counted(votes_of(session.reviews), tuple(session.opinions))


def count(session: Session) -> Count | None:
    """What the opinions answer to a closed question; None for any other question."""
    opinions = {a: session.opinions[a].content for a in _in_seat_order(session, session.opinions)}
    return vote(session.started.request.query, opinions)


def best(session: Session) -> str:
    """Whose opinion is the best: the first of the ranking, for a closed question the first of those
    that say what most say."""
    counted_answers = count(session)
    order = [standing.agent_id for standing in ranking(session)]
    if counted_answers is None or counted_answers.winner is None:
        return order[0]
    agreeing = {a for a, said in counted_answers.answers.items() if said == counted_answers.winner}
    return next(agent_id for agent_id in order if agent_id in agreeing)


def subjects(session: Session, reviewer: str) -> tuple[str | None, ...]:
    """What the reviewer still owes a review of; None = all other opinions, in one call."""
    heard = {review.about for review in session.reviews.get(reviewer, ())}
    wanted: Iterable[str | None] = (None,)
    if session.procedure.review == "pairwise":
        wanted = (a for a in _in_seat_order(session, session.opinions) if a != reviewer)
    return tuple(subject for subject in wanted if subject not in heard)


def comparisons(session: Session, judge: str) -> tuple[Literal["synthesis", "opinion"], ...]:
    """What this judge of the guard still has to see first."""
    seen = {guard.first for guard in session.guards.get(judge, ())}
    return tuple(first for first in ORDERS if first not in seen)


def out_of_time(session: Session) -> Closed:
    """How the session closes when its deadline passes now."""
    if isinstance(next_step(session), AwaitPcs):
        return _closed("no_quorum", session, "and no PC that is missing came back in time")
    return Closed("deadline", "The session's deadline passed before the answer was ready.")


def owed(session: Session) -> tuple[tuple[Stage, str, str], ...]:
    """Stage, seat and model of every call that is due now."""
    match next_step(session):
        case AskOpinions(agent_ids):
            return tuple(("opinions", a, session.seat(a).model) for a in agent_ids)
        case AskReviews(agent_ids):
            return tuple(("review", a, session.seat(a).model) for a in agent_ids)
        case AskRevisions(agent_ids):
            return tuple(("revision", a, session.seat(a).model) for a in agent_ids)
        case AskGuard(agent_ids):
            return tuple(("guard", a, session.seat(a).model) for a in agent_ids)
        case AskSynthesis(model):
            return (("synthesis", CHAIRMAN, model),)
        case _:
            return ()


def quorum(session: Session) -> int:
    """Opinions needed to go on: two, or one where only one was seated."""
    return min(2, len(session.seats))


def _in_seat_order(session: Session, chosen: Iterable[str]) -> Iterable[str]:
    wanted = set(chosen)
    return (seat.agent_id for seat in session.seats if seat.agent_id in wanted)


def _absent(session: Session, stage: str) -> set[str]:
    return {absence.agent_id for absence in session.absences if absence.stage == stage}


def _end(session: Session) -> Step | None:
    if session.closed is not None:
        return Closed(session.closed.error_code, session.closed.error)
    return Closed() if session.final is not None else None


def _opinions(session: Session) -> Step | None:
    done = session.opinions.keys() | _absent(session, "opinions")
    missing = tuple(seat.agent_id for seat in session.seats if seat.agent_id not in done)
    return AskOpinions(missing) if missing else None


def _away(session: Session) -> Step | None:
    if len(session.opinions) >= quorum(session):
        return None
    away = {a.agent_id for a in session.absences if (a.stage, a.code) == ("opinions", AWAY)}
    if len(session.opinions) + len(away) < quorum(session):
        return None
    told = any(notice.code == WAITING for notice in session.notices)
    return AwaitPcs(tuple(_in_seat_order(session, away)), told)


def _too_few(session: Session) -> Step | None:
    if not session.opinions:
        return _closed("no_opinions", session)
    return _closed("no_quorum", session) if len(session.opinions) < quorum(session) else None


def _closed(code: str, session: Session, more: str = "") -> Closed:
    """Too few opinions, with the cause of each that is missing."""
    heard = "No agent" if not session.opinions else "Only one agent of the council"
    causes = "; ".join(
        f"{absence.agent_id}: {absence.code} ({absence.detail})"
        for absence in session.absences
        if absence.stage == "opinions"
    )
    return Closed(code, f"{heard} gave an opinion{more and ', ' + more}. {causes}")


def _reviews(session: Session) -> Step | None:
    if len(session.opinions) < 2 or session.procedure.mode == "fast":
        return None
    absent = _absent(session, "review")
    missing = tuple(
        agent_id
        for agent_id in _in_seat_order(session, session.opinions)
        if agent_id not in absent and subjects(session, agent_id)
    )
    return AskReviews(missing) if missing and not is_certain(session) else None


def is_certain(session: Session) -> bool:
    """Whether no review that is still owed can change who is first, where that ends the reviews."""
    if not session.procedure.early_stop:
        return False
    absent = _absent(session, "review")
    judges = {a for a in session.opinions if a not in absent and subjects(session, a)}
    return certain_first(scores(session), tuple(session.opinions), judges) is not None


def _revisions(session: Session) -> Step | None:
    """Who may be first goes by the ranking that was recorded: revisions do not change it."""
    if not session.procedure.revision or len(session.opinions) < 2 or session.draft:
        return None
    if session.ranked is None:
        return MakeRanking()
    absent = _absent(session, "revision")
    maybe_first = [
        s.agent_id for s in session.ranked.ranking if s.interval and s.interval.best == 1
    ]
    if len(maybe_first) < 2:
        return None
    missing = (a for a in maybe_first if a not in session.revisions and a not in absent)
    owed_by = tuple(_in_seat_order(session, missing))
    return AskRevisions(owed_by) if owed_by else None


def _guard(session: Session) -> Step | None:
    if session.draft is None:
        return None
    author, absent = best(session), _absent(session, "guard")
    if session.draft.content.strip() == session.text(author).strip():
        return Conclude()  # nothing to choose between
    owed_by = tuple(
        agent_id
        for agent_id in _in_seat_order(session, session.opinions)
        if agent_id != author and agent_id not in absent and comparisons(session, agent_id)
    )
    return AskGuard(owed_by) if owed_by else Conclude()


def _synthesis(session: Session) -> Step:
    if session.procedure.mode == "fast":
        return UseOpinion(best(session), None)
    failed = [a.model for a in session.absences if a.agent_id == CHAIRMAN]
    chairman = session.started.chairman_model
    if chairman not in failed:
        return AskSynthesis(chairman)
    stands = best(session)
    stand_in = session.seat(stands).model
    if stand_in not in failed:
        return AskSynthesis(stand_in, FALLBACK_CHAIRMAN)
    return UseOpinion(stands)


def is_guarded(session: Session) -> bool:
    """Whether the synthesis is to be compared with the best opinion: there must be somebody else
    than its author to judge."""
    return session.procedure.guard and len(session.opinions) > 1
