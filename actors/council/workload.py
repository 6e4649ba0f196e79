"""What open questions still owe: calls and tokens by model, and how long such calls took lately.

Loads add up, so a backlog is summed in calls and tokens and turned into seconds of slot time only
at the end, by the newest experience. Before anything was heard of a model, the size of its file
says how fast it may be. Pure: no clock, no PCs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from actors.council.accounting import stage_of
from actors.council.deliberation import comparisons, next_step
from actors.council.session import Session
from actors.council.steps import AskGuard, AskSynthesis, Closed, Conclude, UseOpinion
from actors.council.table.model_names import canonical
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import AnswerEvent
from actors.messages.requests import ModelOptions, Seat

Lengths = Mapping[tuple[str, str], float]
"""(model, stage) → tokens of an answer."""

CHARACTERS_A_TOKEN = 4
PROMPT_TOKENS = {"opinions": 40, "review": 250, "revision": 120, "synthesis": 200, "guard": 150}
"""What our own words cost in a prompt, besides the question and the answers."""
ANSWER_TOKENS = {
    "opinions": 300.0,
    "review": 240.0,
    "revision": 300.0,
    "synthesis": 400.0,
    "guard": 30.0,
    "worker": 200.0,
}
"""How long an answer is taken to be before one was heard."""
BYTES_A_SECOND = 100e9
"""A model reads about its whole file for every token. A common PC's memory gives 30 to 60 GB/s, a
graphics card's some hundred: rather too much, since nobody should be refused by a guess."""
USUAL_BYTES = 1.3e9
PROMPT_SPEED = 8
"""Prompt tokens are read about that many times as fast as tokens are written."""
FORGET = 0.9
"""What each call leaves of the weight of those before it: about the last ten count."""


class Load(NamedTuple):
    """Calls, with the tokens they read and write."""

    calls: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0

    def plus(self, other: "Load", times: float = 1.0) -> "Load":
        return Load(
            self.calls + times * other.calls,
            self.prompt_tokens + times * other.prompt_tokens,
            self.completion_tokens + times * other.completion_tokens,
        )


Loads = Mapping[str, Load]
"""Canonical model name → what is owed by it."""


@dataclass(frozen=True)
class Pace:
    """How fast calls went lately: sums in which each call weighs less than the one after it."""

    calls: float = 0.0
    other_s: float = 0.0
    prompt_tokens: float = 0.0
    prompt_s: float = 0.0
    completion_tokens: float = 0.0
    completion_s: float = 0.0

    def after(self, usage: TokenUsage, timing: CallTiming) -> "Pace":
        """The pace with one more call in it. Loading the model is not part of it; time without
        tokens counts by the call."""
        prompt_s = timing.prompt_ms / 1000 if usage.prompt_tokens else 0.0
        completion_s = timing.generate_ms / 1000 if usage.completion_tokens else 0.0
        slot_s = max(0, timing.wall_ms - timing.load_ms) / 1000
        return Pace(
            calls=self.calls * FORGET + 1,
            other_s=self.other_s * FORGET + max(0.0, slot_s - prompt_s - completion_s),
            prompt_tokens=self.prompt_tokens * FORGET + usage.prompt_tokens,
            prompt_s=self.prompt_s * FORGET + prompt_s,
            completion_tokens=self.completion_tokens * FORGET + usage.completion_tokens,
            completion_s=self.completion_s * FORGET + completion_s,
        )

    def seconds(self, load: Load) -> float:
        """Slot time of that load."""
        return (
            load.calls * self.other_s / max(1.0, self.calls)
            + load.prompt_tokens * self.prompt_s / max(1.0, self.prompt_tokens)
            + load.completion_tokens * self.completion_s / max(1.0, self.completion_tokens)
        )


def supposed_pace(size: int) -> Pace:
    """The pace of a model nobody heard yet, from the bytes of its file (0 = unknown)."""
    speed = BYTES_A_SECOND / (size or USUAL_BYTES)
    return Pace(1.0, 0.05, PROMPT_SPEED * speed, 1.0, speed, 1.0)


@dataclass(frozen=True)
class Experience:
    """What calls were like lately: paces by (PC, model), lengths of answers by (model, stage)."""

    paces: Mapping[tuple[str, str], Pace] = field(default_factory=dict)
    lengths: Lengths = field(default_factory=dict)

    def after(
        self, stage: str, model: str, node: str, usage: TokenUsage, timing: CallTiming
    ) -> "Experience":
        name, tokens = canonical(model), float(usage.completion_tokens)
        pace = self.paces.get((node, name), Pace()).after(usage, timing)
        before = self.lengths.get((name, stage), tokens)
        length = before * FORGET + tokens * (1 - FORGET)
        return replace(
            self,
            paces={**self.paces, (node, name): pace},
            lengths={**self.lengths, (name, stage): length},
        )

    def heard(self, answers: Iterable[AnswerEvent]) -> "Experience":
        """With these answers in it. An opinion that stands as the answer took no call, nor did an
        answer from the cache."""
        known = self
        for answer in answers:
            if answer.timing.wall_ms and not answer.cached:
                known = known.after(
                    stage_of(answer), answer.model, answer.node, answer.usage, answer.timing
                )
        return known

    def length(self, model: str, stage: str) -> float:
        return self.lengths.get((canonical(model), stage), ANSWER_TOKENS[stage])


def still_owed(session: Session, known: Experience) -> Loads:
    """What models still owe the session. A call that runs just now is owed in full."""
    loads: dict[str, Load] = {}
    for model, load in _calls(session, known):
        name = canonical(model)
        loads[name] = loads.get(name, Load()).plus(load)
    return loads


def owed_by_worker(
    texts: Iterable[str], options: ModelOptions, model: str, known: Experience
) -> Loads:
    """A single generation whose prompt has these texts."""
    prompt = sum(map(_tokens, texts))
    wanted = min(known.length(model, "worker"), options.num_predict or float("inf"))
    return {canonical(model): Load(1.0, prompt, wanted)}


def _calls(session: Session, known: Experience) -> Iterator[tuple[str, Load]]:
    """Revisions are not foreseen: whether there are any is open until the ranking is made."""
    step = next_step(session)
    if isinstance(step, Closed | UseOpinion | Conclude):
        return
    asked = session.started.request
    question = _tokens(asked.query)
    question += sum(_tokens(turn.query) + _tokens(turn.answer) for turn in asked.earlier or ())
    gone = {(absence.agent_id, absence.stage) for absence in session.absences}
    speakers = [seat for seat in session.seats if (seat.agent_id, "opinions") not in gone]
    texts = dict[str, float]()
    for seat in speakers:
        heard = session.opinions.get(seat.agent_id)
        usual = known.length(seat.model, "opinions")
        tokens = min(usual, seat.options.num_predict or usual)
        texts[seat.agent_id] = _tokens(heard.content) if heard else tokens
        if not heard:
            prompt = PROMPT_TOKENS["opinions"] + question + _tokens(seat.system or "")
            yield seat.model, Load(1.0, prompt, tokens)
    if session.procedure.mode == "fast":
        return
    reviewers = [seat for seat in speakers if (seat.agent_id, "review") not in gone]
    if len(speakers) > 1 and session.draft is None and not isinstance(step, AskSynthesis):
        for seat in reviewers:
            yield from _reviews(session, seat, question, texts, known)
    written = question + sum(texts.values())
    model = step.model if isinstance(step, AskSynthesis) else session.started.chairman_model
    length = known.length(model, "synthesis")
    if session.draft is None:
        yield model, Load(1.0, PROMPT_TOKENS["synthesis"] + written, length)
    if session.procedure.guard and len(speakers) > 1:
        judges = step.agent_ids if isinstance(step, AskGuard) else list(texts)[1:]
        prompt = PROMPT_TOKENS["guard"] + question + length + written / max(1, len(texts))
        for judge in judges:
            left, by = len(comparisons(session, judge)), session.seat(judge).model
            yield by, Load(left, left * prompt, left * known.length(by, "guard"))


def _reviews(
    session: Session, seat: Seat, question: float, texts: Mapping[str, float], known: Experience
) -> Iterator[tuple[str, Load]]:
    """What a reviewer owes: a call for all that was said, or one for each it has not judged."""
    tokens, prompt = known.length(seat.model, "review"), PROMPT_TOKENS["review"] + question
    if session.procedure.review == "listwise":
        if seat.agent_id not in session.reviews:
            yield seat.model, Load(1.0, prompt + sum(texts.values()), tokens)
        return
    judged = {review.about for review in session.reviews.get(seat.agent_id, ())}
    for agent_id, length in texts.items():
        if agent_id != seat.agent_id and agent_id not in judged:
            yield seat.model, Load(1.0, prompt + length, tokens)


def _tokens(text: str) -> float:
    return len(text) / CHARACTERS_A_TOKEN
