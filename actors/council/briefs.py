"""From a session's record to the calls that its seats and its chairman are given. Pure."""

from dataclasses import dataclass

from actors.council import deliberation
from actors.council.agreement import divided
from actors.council.anonymity import labels
from actors.council.context import (
    Answer,
    Fitted,
    answer_budget,
    estimate_prompt,
    estimate_up_to,
    fit,
)
from actors.council.deliberation import Session
from actors.council.prompts import (
    opinion_messages,
    ranking_lines,
    review_messages,
    review_schema,
    synthesis_messages,
    worker_messages,
)
from actors.messages.calls import GenerateCall, LabelledAnswer, SynthesisBrief
from actors.messages.events import CHAIRMAN, Stage
from actors.messages.requests import ModelOptions, WorkerRequest

REVIEW_TEMPERATURE = 0.2
"""A ballot is a judgement, not a draft: low, but not 0, where small models repeat themselves."""
LONGEST_STANDING = "mean score 10.0 of 10, 10 votes"
CHAIRMAN_OPTIONS = ModelOptions(temperature=0.3)


@dataclass(frozen=True)
class Limits:
    """Tokens a reply may have: an opinion or the synthesis, and a review."""

    num_predict: int
    review_tokens: int

    def opinion(self, num_ctx: int) -> int:
        """At most half of the context, so that the question has room."""
        return min(self.num_predict, num_ctx // 2)

    def review(self, num_ctx: int) -> int:
        """At most a quarter: the answers that are judged need the room."""
        return min(self.review_tokens, num_ctx // 4)

    def synthesis(self, num_ctx: int) -> int:
        """At most a third: it is made of answers that must be in the context too."""
        return min(self.num_predict, num_ctx // 3)


@dataclass(frozen=True)
class Room:
    """What one attempt has to do with: the agent's context in tokens, and the seconds left."""

    num_ctx: int
    timeout_s: float


def label_of(session: Session) -> dict[str, str]:
    """agent_id → label of every opinion, in the one order in which all see them."""
    return labels(tuple(session.opinions), session.started.seed)


def votable(session: Session, reviewer: str) -> dict[str, str]:
    """label → agent_id of all that this reviewer may judge: everyone but itself."""
    return {
        label: agent_id for agent_id, label in label_of(session).items() if agent_id != reviewer
    }


def opinion_call(session: Session, agent_id: str, limits: Limits, room: Room) -> GenerateCall:
    seat = session.seat(agent_id)
    return GenerateCall(
        call_id=_call_id(session, "opinions", agent_id),
        model=seat.model,
        messages=opinion_messages(seat, session.started.request.query),
        options=_bounded(seat.options, limits.opinion(room.num_ctx)),
        timeout_s=room.timeout_s,
    )


def review_call(
    session: Session, agent_id: str, fitted: Fitted, limits: Limits, room: Room
) -> GenerateCall:
    """`fitted`: the answers as `fitted_answers` cut them for this room."""
    seat, own = session.seat(agent_id), label_of(session)[agent_id]
    query, seed = session.started.request.query, session.started.seed
    return GenerateCall(
        call_id=_call_id(session, "review", agent_id),
        model=seat.model,
        messages=review_messages(query, fitted.answers, own, seed),
        options=ModelOptions(
            temperature=REVIEW_TEMPERATURE,
            seed=seat.options.seed,
            num_predict=limits.review(room.num_ctx),
        ),
        format=review_schema(list(votable(session, agent_id))),
        think=False,
        timeout_s=room.timeout_s,
    )


def synthesis_brief(
    session: Session, model: str, fitted: Fitted, limits: Limits, room: Room
) -> SynthesisBrief:
    """The chairman's brief, with the answers as `fitted_answers` cut them for this room."""
    return SynthesisBrief(
        call_id=_call_id(session, "synthesis", CHAIRMAN),
        model=model,
        query=session.started.request.query,
        answers=tuple(LabelledAnswer(label=a.label, text=a.text) for a in fitted.answers),
        standings=_standing_lines(session),
        divided=divided(deliberation.scores(session)),
        seed=session.started.seed,
        num_predict=limits.synthesis(room.num_ctx),
        timeout_s=room.timeout_s,
    )


def synthesis_call(brief: SynthesisBrief) -> GenerateCall:
    """What the chairman asks of the model in its chair."""
    answers = tuple(Answer(a.label, a.text) for a in brief.answers)
    return GenerateCall(
        call_id=brief.call_id,
        model=brief.model,
        messages=synthesis_messages(
            brief.query, answers, brief.standings, brief.divided, brief.seed
        ),
        options=_bounded(CHAIRMAN_OPTIONS, brief.num_predict),
        timeout_s=brief.timeout_s,
    )


def worker_call(
    call_id: str, request: WorkerRequest, model: str, num_predict: int, timeout_s: float
) -> GenerateCall:
    """The stateless call (seed: `/api/generate`): exactly what the client sent."""
    wanted = request.options.num_predict or num_predict
    return GenerateCall(
        call_id=call_id,
        model=model,
        messages=worker_messages(request.system, request.prompt),
        options=request.options.model_copy(update={"num_predict": wanted}),
        format=request.format,
        timeout_s=timeout_s,
    )


def too_long(what: str, num_ctx: int) -> str:
    """What is said where nothing can be trimmed."""
    return (
        f"{what} alone is longer than the model's context of {num_ctx} tokens. "
        "Shorten it, or raise COUNCIL_NUM_CTX."
    )


def _standing_lines(session: Session) -> tuple[str, ...]:
    standings = deliberation.ranking(session)
    if not any(standing.votes for standing in standings):
        return ()
    return ranking_lines(standings, label_of(session))


def fitted_answers(session: Session, limits: Limits, num_ctx: int, share: float) -> Fitted:
    """The answers as all reviewers and the chairman see them in a context of `num_ctx` tokens: cut
    alike for whoever has the least room, so that all prompts begin alike (prefix cache). `share` in
    (0, 1]: how much of the room may be used, less after an overflow."""
    answers = tuple(
        Answer(label, session.opinions[agent_id].content)
        for agent_id, label in label_of(session).items()
    )
    empty = tuple(Answer(answer.label, "") for answer in answers)
    query, seed = session.started.request.query, session.started.seed
    longest = tuple(f"{n}. Response {a.label}: {LONGEST_STANDING}" for n, a in enumerate(answers))
    fixed = max(
        estimate_prompt(review_messages(query, empty, answers[0].label, seed)),
        estimate_prompt(synthesis_messages(query, empty, longest, True, seed)),
    )
    reply = max(limits.review(num_ctx), limits.synthesis(num_ctx))
    budget = answer_budget(num_ctx, reply, fixed)
    needed = sum(estimate_up_to(answer.text, budget) for answer in answers)
    return fit(answers, round(min(budget, needed) * share))


def _bounded(options: ModelOptions, num_predict: int) -> ModelOptions:
    wanted = options.num_predict or num_predict
    return options.model_copy(update={"num_predict": min(wanted, num_predict)})


def _call_id(session: Session, stage: Stage, agent_id: str) -> str:
    return f"{session.session_id}:{stage}:{agent_id}"
