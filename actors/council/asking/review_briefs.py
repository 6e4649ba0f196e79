"""From a session's record to the calls of those who judge: reviewers, and the guard. Pure."""

from dataclasses import dataclass

from actors.council import deliberation
from actors.council.asking.anonymity import without_mentions
from actors.council.asking.briefs import (
    Limits,
    Room,
    call_id,
    in_order,
    label_of,
    question_in,
    shares_context,
    shown_to,
)
from actors.council.asking.context import Answer, Fitted, answer_budget, estimate_prompt, fit
from actors.council.asking.review_prompts import (
    ballot_messages,
    ballot_request,
    ballot_schema,
    critique_messages,
    repair_request,
)
from actors.council.judging import guard
from actors.council.session import Session
from actors.messages.calls import ChatMessage, FollowUp, GenerateCall, Generated
from actors.messages.requests import ModelOptions

TEMPERATURE = 0.2
"""A ballot is a judgement, not a draft: low, but not 0, where small models repeat themselves."""
SAID_KEPT = 4_000
"""Characters of what could not be read that are shown again: it may be endless."""
BALLOT_TOKENS, VOTE_TOKENS = 24, 48
"""What a ballot without reasons takes at most, and each of its votes, with the white space that
small models put in."""


@dataclass(frozen=True)
class Task:
    """One review: whose, and of which opinion (None = of all others at once)."""

    reviewer: str
    about: str | None = None


def votable(session: Session, task: Task) -> dict[str, str]:
    """label → agent_id of all that may be judged: everyone but oneself, or the one it is about."""
    return {
        label: agent_id
        for agent_id, label in label_of(session).items()
        if agent_id != task.reviewer and task.about in (None, agent_id)
    }


def shown(session: Session, task: Task) -> tuple[str, ...]:
    """Whose opinions the reviewer sees, in that order."""
    if task.about is not None:
        return (task.about,)
    return shown_to(session, task.reviewer, session.seat(task.reviewer).model)


def own_label(session: Session, task: Task) -> str | None:
    """The reviewer's own label, where it sees its own opinion."""
    seen = shares_context(session, task.reviewer, session.seat(task.reviewer).model)
    return label_of(session)[task.reviewer] if seen else None


def review_call(
    session: Session, task: Task, fitted: Fitted, limits: Limits, room: Room
) -> GenerateCall:
    """`fitted`: the answers as `fitted_answers` cut them for this room."""
    names, tokens = list(votable(session, task)), limits.review(room.num_ctx)
    seat, ballot = session.seat(task.reviewer), _ballot_tokens(len(names), tokens)
    then = FollowUp(
        ask=ballot_request(names), format=ballot_schema(names, False), num_predict=ballot
    )
    critique = session.procedure.critique
    return GenerateCall(
        call_id=call_id(session, "review", task.reviewer, task.about or ""),
        model=seat.model,
        messages=_asked(session, task, fitted, room.num_ctx),
        options=_options(session, task, tokens - ballot if critique else tokens),
        format=None if critique else ballot_schema(names, True),
        think=False,
        timeout_s=room.timeout_s,
        then=then if critique else None,
    )


def repair_call(
    session: Session,
    task: Task,
    said: Generated,
    why: tuple[str, ...],
    fitted: Fitted,
    limits: Limits,
    room: Room,
) -> GenerateCall:
    """The same conversation, gone on with: `said` could not be read as a ballot, for these
    reasons."""
    names = list(votable(session, task))
    turns = [
        *_asked(session, task, fitted, room.num_ctx),
        _turn("assistant", said.content[:SAID_KEPT]),
    ]
    if said.follow_up is not None:
        ballot = said.follow_up[:SAID_KEPT]
        turns += [_turn("user", ballot_request(names)), _turn("assistant", ballot)]
    return GenerateCall(
        call_id=call_id(session, "review", task.reviewer, f"{task.about or ''}again"),
        model=session.seat(task.reviewer).model,
        messages=(*turns, _turn("user", repair_request(names, why))),
        options=_options(session, task, _ballot_tokens(len(names), limits.review(room.num_ctx))),
        format=ballot_schema(names, False),
        think=False,
        timeout_s=room.timeout_s,
    )


def guard_call(
    session: Session, judge: str, first: guard.Side, share: float, room: Room
) -> GenerateCall:
    """One comparison of the draft with the best opinion, both cut alike to fit. `share` in (0, 1]:
    how much of the room may be used."""
    seat, seed = session.seat(judge), session.started.seed
    question = question_in(session, room.num_ctx)
    empty = estimate_prompt(guard.guard_messages(question, "", "", first, seed))
    budget = answer_budget(room.num_ctx, guard.REPLY_TOKENS, empty)
    texts = (Answer("", compared(session)), Answer("", session.text(deliberation.best(session))))
    synthesis, opinion = (one.text for one in fit(texts, round(budget * share)).answers)
    return GenerateCall(
        call_id=call_id(session, "guard", judge, first),
        model=seat.model,
        messages=guard.guard_messages(question, synthesis, opinion, first, seed),
        options=ModelOptions(
            temperature=TEMPERATURE, seed=seat.options.seed, num_predict=guard.REPLY_TOKENS
        ),
        format=guard.SCHEMA,
        think=False,
        timeout_s=room.timeout_s,
    )


def compared(session: Session) -> str:
    """The draft as the guard sees it: without the citations by which one would know it."""
    assert session.draft is not None
    written = session.draft.content
    return without_mentions(written, label_of(session).values()) or written


def _asked(session: Session, task: Task, fitted: Fitted, num_ctx: int) -> tuple[ChatMessage, ...]:
    question, seed = question_in(session, num_ctx), session.started.seed
    answers, names = in_order(session, fitted, shown(session, task)), list(votable(session, task))
    ask = critique_messages if session.procedure.critique else ballot_messages
    return ask(question, answers, names, own_label(session, task), seed)


def _options(session: Session, task: Task, num_predict: int) -> ModelOptions:
    seed = session.seat(task.reviewer).options.seed
    return ModelOptions(temperature=TEMPERATURE, seed=seed, num_predict=num_predict)


def _ballot_tokens(votes: int, review_tokens: int) -> int:
    """At most half of what a review may have."""
    return min(review_tokens // 2, BALLOT_TOKENS + VOTE_TOKENS * votes)


def _turn(role: str, content: str) -> ChatMessage:
    return ChatMessage.model_validate({"role": role, "content": content})
