"""What was heard in a session, in order. The record of a session is the list of its stored events.

Past tense: each says what happened. `seq` counts stored events of a session from 1 without gaps.
Deltas are not stored: they carry the `seq` of the last stored event and the `offset` (in
characters) where their text belongs in the seat's text of this stage; `offset == 0` starts anew.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from actors.messages.calls import CallFailed, CallTiming, TokenUsage
from actors.messages.judgement import (
    Agreement,
    AnswerCount,
    GuardVerdict,
    OwnAnswer,
    RankingMethod,
    Rejection,
    Standing,
    Vote,
)
from actors.messages.message import Message
from actors.messages.procedure import Procedure
from actors.messages.requests import CouncilRequest, Origin, Seat

CHAIRMAN = "chairman"
"""The `agent_id` under which the chairman's absences and timings are kept."""

Stage = Literal["opinions", "review", "revision", "synthesis", "guard"]
"""The seed's three stages, and two that not every council has: `revision` before the synthesis,
`guard` after it."""


class Event(Message):
    session_id: str
    seq: int = 0
    at: datetime


class BootTime(Message):
    """Seconds since a PC's boot, asleep or not; comparable under the same `boot_id` only."""

    boot_id: str
    seconds: float


class SessionStarted(Event):
    """The question was accepted. `seed` drives every arbitrary choice (labels, order). `boot` is
    `at` by a clock that does not jump, where there is one."""

    kind: Literal["session_started"] = "session_started"
    request: CouncilRequest
    seats: tuple[Seat, ...]
    chairman_model: str
    seed: int
    deadline_at: datetime
    boot: BootTime | None = None
    ranking_method: RankingMethod = "borda"
    procedure: Procedure = Procedure()
    """Sessions that do not say were opened when there was no other."""
    origin: Origin = Origin()


class StageStarted(Event):
    kind: Literal["stage_started"] = "stage_started"
    stage: Stage


class FailedAttempt(Message):
    """How an attempt ended that was followed by another. `partial` is what was heard of it: for the
    log, never an answer."""

    code: str
    detail: str
    node: str = ""
    partial: str = ""

    @classmethod
    def of(cls, failure: CallFailed) -> "FailedAttempt":
        return cls(**failure.model_dump(include=set(cls.model_fields)))


class AgentStarted(Event):
    """A seat's call was sent (again, from attempt 2 on: `former` says why). `asked_at`: when the
    call was begun, waiting included; all that is sent for one answer shares it."""

    kind: Literal["agent_started"] = "agent_started"
    agent_id: str
    stage: Stage
    node: str
    attempt: int = 1
    former: FailedAttempt | None = None
    asked_at: datetime | None = None


class AnswerEvent(Event):
    """What every answer of a model brings with it. `cached`: the words of an earlier answer to the
    same call; no token was spent on them now, `saved` were spent then, on `node`."""

    agent_id: str
    model: str
    usage: TokenUsage
    timing: CallTiming
    started_at: datetime
    node: str = ""
    attempts: int = 1
    truncated: bool = False
    joules: float | None = None
    """The call's share of what its PC used meanwhile (`CouncilSession.joules` says how)."""
    cached: bool = False
    saved: TokenUsage | None = None


class OpinionHeard(AnswerEvent):
    kind: Literal["opinion"] = "opinion"
    content: str


class RevisionHeard(AnswerEvent):
    """A seat's opinion, written again after it had read what its judges found."""

    kind: Literal["revision"] = "revision"
    content: str


class ReviewHeard(AnswerEvent):
    """A review as it was read: votes that count, and what was rejected with the reason: in English,
    and in the same order by codes (`rejections`), which sessions of old have not. No vote =
    abstention. `content` is the model's own text. `about`: the one opinion that was judged, None =
    all others at once; `order`: whose opinions were shown, in that order; `labels`: agent_id → the
    letter by which its opinion goes here, for all judges the same; `repaired` = the ballot was
    asked for once more, since the first could not be read."""

    kind: Literal["review"] = "review"
    content: str
    rankings: tuple[Vote, ...]
    rejected: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    about: str | None = None
    own: OwnAnswer = "excluded"
    order: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    repaired: bool = False


class AbsenceNoted(Event):
    """A seat (or the chairman) gave nothing in a stage, after all attempts. `partial` is what was
    heard of the last one: for the log, never an answer."""

    kind: Literal["absence"] = "absence"
    agent_id: str
    stage: Stage
    code: str
    detail: str
    node: str = ""
    attempts: int = 1
    model: str = ""
    partial: str = ""


class RankingMade(Event):
    """`method` `consensus`: there was no review, places go by how much an opinion agrees with the
    others (`points`, 0 to 1). `count` for closed questions only."""

    kind: Literal["ranking"] = "ranking"
    ranking: tuple[Standing, ...]
    method: RankingMethod | Literal["consensus"] = "borda"
    agreement: Agreement | None = None
    count: AnswerCount | None = None


class SynthesisDrafted(AnswerEvent):
    """The chairman's text, that the guard is to compare. Answers stand under their labels."""

    kind: Literal["synthesis"] = "synthesis"
    content: str
    fallback: str | None = None


class GuardHeard(AnswerEvent):
    """One blind comparison of the synthesis with the best opinion. `first` = which of them was
    shown first; `better` None = it could not be read."""

    kind: Literal["guard_ballot"] = "guard_ballot"
    content: str
    first: Literal["synthesis", "opinion"]
    better: Literal["synthesis", "opinion", "tie"] | None


class FinalAnswerGiven(AnswerEvent):
    """The synthesis, or an opinion that stands as the answer (`basis`). `fallback` says what stood
    in for the chairman, if anything did."""

    kind: Literal["final_answer"] = "final_answer"
    content: str
    sources_cited: tuple[str, ...] = ()
    fallback: str | None = None
    basis: Literal["synthesis", "opinion"] = "synthesis"
    guard: GuardVerdict | None = None


class NoticeGiven(Event):
    """Something the reader should know. `degrades` = the answer is less than it could have been.
    `values`: what `detail` names, in its order; sessions of old have none."""

    kind: Literal["notice"] = "notice"
    code: str
    detail: str
    values: tuple[str, ...] = ()
    agent_id: str | None = None
    degrades: bool = False


class SessionClosed(Event):
    """The end. `outcome` `complete`, or `error` with a code and a sentence."""

    kind: Literal["session_closed"] = "session_closed"
    outcome: Literal["complete", "error"]
    error_code: str | None = None
    error: str | None = None


class DeltaEvent(Event):
    agent_id: str
    text: str
    offset: int
    thinking: bool = False


class OpinionDelta(DeltaEvent):
    kind: Literal["opinion_delta"] = "opinion_delta"


class ReviewDelta(DeltaEvent):
    kind: Literal["review_delta"] = "review_delta"


class RevisionDelta(DeltaEvent):
    kind: Literal["revision_delta"] = "revision_delta"


class SynthesisDelta(DeltaEvent):
    kind: Literal["synthesis_delta"] = "synthesis_delta"


StoredEvent = Annotated[
    SessionStarted
    | StageStarted
    | AgentStarted
    | OpinionHeard
    | ReviewHeard
    | RevisionHeard
    | AbsenceNoted
    | RankingMade
    | SynthesisDrafted
    | GuardHeard
    | FinalAnswerGiven
    | NoticeGiven
    | SessionClosed,
    Field(discriminator="kind"),
]
LiveEvent = OpinionDelta | ReviewDelta | RevisionDelta | SynthesisDelta
CouncilEvent = Annotated[StoredEvent | LiveEvent, Field(discriminator="kind")]

STORED_EVENT: TypeAdapter[StoredEvent] = TypeAdapter(StoredEvent)
"""Reads a stored event back from JSON."""
COUNCIL_EVENT: TypeAdapter[StoredEvent | LiveEvent] = TypeAdapter(CouncilEvent)
"""Reads any event from JSON."""
