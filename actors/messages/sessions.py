"""A session as clients see it. Field names and nesting are the HTTP contract: add, never change."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from actors.messages.calls import TokenUsage
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
from actors.messages.prices import CloudCost
from actors.messages.procedure import Procedure
from actors.messages.requests import Metadata, Turn

SessionStage = Literal["pending", "opinions", "review", "synthesis", "complete", "error"]


class AgentView(Message):
    agent_id: str
    name: str
    model: str
    system: str | None = None


class Opinion(Message):
    """`cached`: an earlier answer to the same call, from `node`: no tokens were used for it now;
    `saved_tokens` were used then. The same in `Review` and `FinalAnswer`."""

    agent_id: str
    agent_name: str
    model: str
    content: str
    prompt_tokens: int
    completion_tokens: int
    tokens_used: int
    duration_ms: int
    node: str
    truncated: bool
    attempts: int = 1
    revision: str | None = None
    """The opinion as its author wrote it again, where judges did not agree who is first."""
    cached: bool = False
    saved_tokens: int = 0


class Review(Message):
    """Empty `rankings` = abstention; `rejected` says why, `rejections` the same by codes, where the
    session is not of old. `own_answer`: whether the reviewer's own
    opinion was hidden from it, or shown and not to be judged; `order`: whose opinions it was shown,
    in that order; `labels`: agent_id → the letter by which an opinion goes in the judges' words and
    in `rejected`; `repaired` = its ballot was asked for twice. `critique`: its own words.
    `cached` = all of its calls were."""

    reviewer_id: str
    reviewer_name: str
    model: str
    rankings: tuple[Vote, ...]
    prompt_tokens: int
    completion_tokens: int
    tokens_used: int
    duration_ms: int
    node: str = ""
    rejected: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    truncated: bool = False
    attempts: int = 1
    critique: str = ""
    own_answer: OwnAnswer = "excluded"
    order: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    repaired: bool = False
    cached: bool = False
    saved_tokens: int = 0


class FinalAnswer(Message):
    """`basis` `opinion`: no synthesis, but a seat's opinion as it stands (`sources_cited` has the
    seat), and `cached` is that opinion's. `guard` is set where the synthesis was compared with the
    best opinion."""

    content: str
    chairman_model: str
    prompt_tokens: int
    completion_tokens: int
    tokens_used: int
    duration_ms: int
    sources_cited: tuple[str, ...]
    fallback: str | None
    node: str = ""
    truncated: bool = False
    attempts: int = 1
    basis: Literal["synthesis", "opinion"] = "synthesis"
    guard: GuardVerdict | None = None
    cached: bool = False
    saved_tokens: int = 0


class StageTokenUsage(Message):
    stage: str
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int
    by_model: dict[str, TokenUsage]


class SessionTokenUsage(Message):
    """Tokens that were generated or read for this session. `saved_tokens`: what answers from the
    cache had taken when they were generated; in no sum."""

    stage1_opinions: StageTokenUsage | None = None
    stage2_review: StageTokenUsage | None = None
    stage3_synthesis: StageTokenUsage | None = None
    revision: StageTokenUsage | None = None
    guard: StageTokenUsage | None = None
    total_prompt_tokens: int = 0
    total_completion_tokens: int = 0
    total_tokens: int = 0
    saved_tokens: int = 0


class AgentLatency(Message):
    """One seat's time in a stage, apart. All in ms."""

    queue_ms: int
    network_ms: int
    load_ms: int
    prompt_ms: int
    generate_ms: int


class StageLatencyStats(Message):
    """`total_duration_ms` = wall time, first start to last end; `by_model` sums the calls."""

    stage: str
    total_duration_ms: int
    by_model: dict[str, int]
    by_agent: dict[str, AgentLatency]


class SessionLatencyStats(Message):
    stage1_opinions: StageLatencyStats | None = None
    stage2_review: StageLatencyStats | None = None
    stage3_synthesis: StageLatencyStats | None = None
    revision: StageLatencyStats | None = None
    guard: StageLatencyStats | None = None
    total_duration_ms: int = 0


class Absence(Message):
    agent_id: str
    stage: str
    code: str
    detail: str
    node: str
    attempts: int


class Notice(Message):
    """`values`: what `detail` names beside the seat `agent_id`, in its order; none in sessions of
    old."""

    code: str
    detail: str
    values: tuple[str, ...] = ()
    agent_id: str | None = None


class QueuePlace(Message):
    """Where a question waits that no PC has come to yet. `place` from 1: one more than the older
    questions for the same PCs; `eta_s`: seconds until a PC may come to it, by what calls took
    lately."""

    place: int
    eta_s: float


class CouncilSession(Message):
    session_id: str
    query: str
    stage: SessionStage
    created_at: datetime
    updated_at: datetime
    chairman_model: str
    agents: tuple[AgentView, ...]
    opinions: tuple[Opinion, ...]
    reviews: tuple[Review, ...]
    ranking: tuple[Standing, ...]
    final_answer: FinalAnswer | None
    token_usage: SessionTokenUsage
    latency_stats: SessionLatencyStats
    absences: tuple[Absence, ...]
    degraded: bool
    notices: tuple[Notice, ...]
    error: str | None
    error_code: str | None
    ranking_method: RankingMethod | Literal["consensus"] | None = None
    agreement: Agreement | None = None
    answer_count: AnswerCount | None = None
    procedure: Procedure = Procedure()
    queue: QueuePlace | None = None
    """Set while it is open and none of its calls was given to a PC."""
    follows: str | None = None
    """The session that this one goes on with."""
    earlier: tuple[Turn, ...] = ()
    """What was said before the question, oldest first; models see what fits their context."""
    metadata: Metadata = {}
    """What the client noted for itself."""
    cloud_cost: CloudCost | None = None
    """None before the first answer, and where there is no table of prices."""
    joules: float | None = Field(
        default=None,
        description="An estimate of the energy that the answers of this session took, so far. Each "
        "takes its share of what its PC used while it was made: all of the processor with its "
        "memory (RAPL) and of the NVIDIA cards (nvidia-smi), what they use when idle included, "
        "divided moment by moment by how many calls of this council ran there. Attempts that "
        "failed are not in it, nor disks, fans, screens and power supplies. null where one of the "
        "PCs does not tell.",
    )


class SessionSummary(Message):
    """A line of the history, newest first. `total_tokens` and `duration_ms` so far; `queue` as in
    the session."""

    session_id: str
    query: str
    stage: SessionStage
    degraded: bool
    created_at: datetime
    total_tokens: int
    duration_ms: int
    queue: QueuePlace | None = None
    follows: str | None = None
