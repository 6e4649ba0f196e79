"""From a session's record to the calls that its seats and its chairman are given. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.council import deliberation
from actors.council.asking.anonymity import labels, rotated
from actors.council.asking.context import (
    Answer,
    Fitted,
    answer_budget,
    estimate_prompt,
    estimate_tokens,
    estimate_up_to,
    fit,
)
from actors.council.asking.conversation import EARLIER_SHARE, remembered
from actors.council.asking.prompts import (
    Judged,
    opinion_messages,
    ranking_lines,
    revision_messages,
    synthesis_messages,
    worker_messages,
)
from actors.council.asking.review_prompts import ballot_messages, ballot_request
from actors.council.judging.agreement import divided
from actors.council.judging.ballots import votes_of
from actors.council.session import Session
from actors.messages.calls import GenerateCall, LabelledAnswer, SynthesisBrief
from actors.messages.events import CHAIRMAN, Stage
from actors.messages.requests import (
    NOWHERE,
    AnswerForm,
    ModelOptions,
    Origin,
    Question,
    WorkerRequest,
)

LONGEST_STANDING = "mean score 10.0 of 10, 10 votes"
LONGEST_COUNT = "10 of 10 responses give this answer: 1234567890. Depart from it only where " * 2
CRITIQUES_SHARE = 8
"""An eighth of the chairman's context is for what judges wrote: short reasons, long answers."""
CRITIQUE_FRAME = 40
"""Tokens around the critiques of one answer: its title and the block's tags."""
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
    """agent_id → label of every opinion: the same for all who see them."""
    return labels(tuple(session.opinions), session.started.seed)


def question_in(session: Session, num_ctx: int, share: float = 1.0) -> Question:
    """The question with what was said before it, cut to its share of the context, or to less."""
    room = num_ctx // EARLIER_SHARE * share
    request = session.started.request
    earlier = remembered(request.earlier or (), round(room))
    return Question(text=request.query, earlier=earlier, instructions=request.instructions)


def forgets(session: Session, num_ctx: int) -> bool:
    """Whether what was said before the question does not fit whole."""
    return question_in(session, num_ctx).earlier != (session.started.request.earlier or ())


def opinion_call(
    session: Session, agent_id: str, limits: Limits, room: Room, share: float = 1.0
) -> GenerateCall:
    """`share` in (0, 1]: how much of what was said before is told, less after an overflow."""
    seat = session.seat(agent_id)
    form = _form_of_opinions(session)
    return GenerateCall(
        call_id=call_id(session, "opinions", agent_id),
        model=seat.model,
        messages=opinion_messages(seat, question_in(session, room.num_ctx, share)),
        options=_bounded(_over(seat.options, form.options), limits.opinion(room.num_ctx)),
        format=form.format,
        timeout_s=room.timeout_s,
    )


def revision_call(
    session: Session, agent_id: str, limits: Limits, room: Room, share: float = 1.0
) -> GenerateCall:
    """The seat's opinion once more, after what judges wrote of it."""
    seat, question = session.seat(agent_id), question_in(session, room.num_ctx, share)
    written = [Answer("", reason) for _, reason in reasons_about(session, agent_id)]
    room_for_all = answer_budget(
        room.num_ctx,
        limits.opinion(room.num_ctx),
        estimate_prompt(
            revision_messages(
                seat, question, session.text(agent_id), [""] * len(written), session.started.seed
            )
        ),
    )
    critiques = [one.text for one in fit(written, room_for_all).answers]
    return GenerateCall(
        call_id=call_id(session, "revision", agent_id),
        model=seat.model,
        messages=revision_messages(
            seat, question, session.text(agent_id), critiques, session.started.seed
        ),
        options=_bounded(seat.options, limits.opinion(room.num_ctx)),
        timeout_s=room.timeout_s,
    )


def synthesis_brief(
    session: Session, model: str, fitted: Fitted, limits: Limits, room: Room
) -> SynthesisBrief:
    """The chairman's brief, with the answers as `fitted_answers` cut them for this room."""
    shown = in_order(session, fitted, shown_to(session, CHAIRMAN, model))
    return SynthesisBrief(
        call_id=call_id(session, "synthesis", CHAIRMAN),
        model=model,
        question=question_in(session, room.num_ctx),
        answers=tuple(LabelledAnswer(label=a.label, text=a.text) for a in shown),
        standings=_standing_lines(session),
        critiques=_critiques(session, room.num_ctx),
        divided=divided(deliberation.scores(session)),
        remarks=_remarks(session),
        form=session.started.request.answer,
        seed=session.started.seed,
        num_predict=limits.synthesis(room.num_ctx),
        timeout_s=room.timeout_s,
    )


def synthesis_call(brief: SynthesisBrief) -> GenerateCall:
    """What the chairman asks of the model in its chair."""
    form = brief.form or AnswerForm()
    judged = Judged(
        ranking=brief.standings,
        critiques=tuple(Answer(one.label, one.text) for one in brief.critiques),
        divided=brief.divided,
        remarks=brief.remarks,
        formatted=bool(form.format),
    )
    answers = tuple(Answer(a.label, a.text) for a in brief.answers)
    return GenerateCall(
        call_id=brief.call_id,
        model=brief.model,
        messages=synthesis_messages(brief.question, answers, judged, brief.seed),
        options=_bounded(_over(CHAIRMAN_OPTIONS, form.options), brief.num_predict),
        format=form.format,
        timeout_s=brief.timeout_s,
        origin=brief.origin,
    )


def worker_call(
    call_id: str,
    request: WorkerRequest,
    model: str,
    num_predict: int,
    timeout_s: float,
    origin: Origin = NOWHERE,
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
        origin=origin,
    )


def too_long(what: str, num_ctx: int) -> str:
    """What is said where nothing can be trimmed."""
    return (
        f"{what} alone is longer than the model's context of {num_ctx} tokens. "
        "Shorten it, or raise COUNCIL_NUM_CTX."
    )


def shown_to(session: Session, who: str, model: str) -> tuple[str, ...]:
    """Whose opinions are shown to a reviewer or the chairman, in the order of showing.

    A row of the Latin square for each model at the table: reviewers of one model share one order,
    and the context that goes with it, so that the server reads it once; and no seat profits from
    its place over all of them. Who shares a context sees its own opinion too, others do not."""
    models = tuple(dict.fromkeys(session.seat(a).model for a in label_of(session)))
    row = models.index(model) if model in models else 0
    order = rotated(tuple(label_of(session)), row)
    return order if shares_context(session, who, model) else tuple(a for a in order if a != who)


def shares_context(session: Session, who: str, model: str) -> bool:
    """Whether another call of the same model begins with the same opinions."""
    if who == CHAIRMAN:
        return True
    if session.procedure.review == "pairwise":
        return False
    others = (session.seat(a).model for a in session.opinions if a != who)
    return model in others or model == session.started.chairman_model


def in_order(session: Session, fitted: Fitted, shown: Sequence[str]) -> tuple[Answer, ...]:
    """These seats' answers as they were cut."""
    by_label, of_seat = {answer.label: answer for answer in fitted.answers}, label_of(session)
    return tuple(by_label[of_seat[agent_id]] for agent_id in shown)


def reasons_about(session: Session, agent_id: str) -> list[tuple[int, str]]:
    """(score, reason) of every vote on that seat's opinion that gives a reason."""
    return [
        (vote.score, vote.reasoning)
        for votes in votes_of(session.reviews).values()
        for vote in votes
        if vote.agent_id == agent_id and vote.reasoning
    ]


def _standing_lines(session: Session) -> tuple[str, ...]:
    standings = deliberation.ranking(session)
    if not any(standing.votes for standing in standings):
        return ()
    return ranking_lines(standings, label_of(session))


def _critiques(session: Session, num_ctx: int) -> tuple[LabelledAnswer, ...]:
    """What judges wrote of each answer, cut so that all of it fits its share of the context."""
    written = []
    for agent_id, label in label_of(session).items():
        lines = [f"{score}/10: {reason}" for score, reason in reasons_about(session, agent_id)]
        written += [Answer(label, "\n".join(lines))] if lines else []
    cut = fit(written, num_ctx // CRITIQUES_SHARE - CRITIQUE_FRAME * len(written))
    return tuple(LabelledAnswer(label=one.label, text=one.text) for one in cut.answers)


def _remarks(session: Session) -> str:
    """What most opinions say to a closed question, and which were written again since."""
    count, labels = deliberation.count(session), label_of(session)
    remarks = []
    if count is not None and count.winner is not None:
        remarks.append(
            f"{count.votes} of {len(count.answers)} responses give this answer: {count.winner}. "
            "Depart from it only where it is clearly wrong."
        )
    if again := sorted(labels[agent_id] for agent_id in session.revisions):
        remarks.append(f"Written again after the reviews: Response {', '.join(again)}.")
    return " ".join(remarks)


def fitted_answers(session: Session, limits: Limits, num_ctx: int, share: float) -> Fitted:
    """The answers as all reviewers and the chairman see them in a context of `num_ctx` tokens: cut
    alike for whoever has the least room, so that all prompts begin alike (prefix cache). `share` in
    (0, 1]: how much of the room may be used, less after an overflow."""
    answers = tuple(
        Answer(label, session.text(agent_id)) for agent_id, label in label_of(session).items()
    )
    empty = tuple(Answer(answer.label, "") for answer in answers)
    names = [answer.label for answer in answers]
    question, seed = question_in(session, num_ctx), session.started.seed
    longest = tuple(f"{n}. Response {name}: {LONGEST_STANDING}" for n, name in enumerate(names))
    judged = Judged(longest, (), True, LONGEST_COUNT)
    asked = ballot_messages(question, empty, names, names[0], seed)
    fixed = max(
        limits.review(num_ctx) + estimate_prompt(asked) + estimate_tokens(ballot_request(names)),
        limits.synthesis(num_ctx)
        + estimate_prompt(synthesis_messages(question, empty, judged, seed))
        + (num_ctx // CRITIQUES_SHARE if session.procedure.mode != "fast" else 0),
    )
    budget = answer_budget(num_ctx, 0, fixed)
    needed = sum(estimate_up_to(answer.text, budget) for answer in answers)
    return fit(answers, round(min(budget, needed) * share))


def _form_of_opinions(session: Session) -> AnswerForm:
    """Where there is no chairman, an opinion is the answer, in the form that was asked for."""
    form = session.started.request.answer
    return form if form and session.procedure.mode == "fast" else AnswerForm()


def _over(options: ModelOptions, wanted: ModelOptions) -> ModelOptions:
    """`options` with those that are `wanted` in their place."""
    return options.model_copy(update=wanted.model_dump(exclude_none=True))


def _bounded(options: ModelOptions, num_predict: int) -> ModelOptions:
    wanted = options.num_predict or num_predict
    return options.model_copy(update={"num_predict": min(wanted, num_predict)})


def call_id(session: Session, stage: Stage, agent_id: str, part: str = "") -> str:
    """The name of a step; `part` where a seat has several in a stage."""
    return ":".join((session.session_id, stage, agent_id, *((part,) if part else ())))
