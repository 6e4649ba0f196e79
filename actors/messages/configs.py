"""What the head's actors are told when they are created. Paths are on the head's own disk."""

from pathlib import Path

from actors.messages.judgement import RankingMethod
from actors.messages.message import Message
from actors.messages.prices import PriceTable
from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import ModelName


class OrchestratorConfig(Message):
    """Limits and defaults of the council. `max_query` in characters, times in seconds, the rest in
    tokens: `num_predict` bounds an opinion and the synthesis, `review_tokens` a review. A question
    is refused where it would wait for more than `max_queue_s`, as far as is known, or where
    `max_open` questions and single generations are open. `ranking_method` and `procedure` for new
    sessions. `prices`: what sessions are compared with when they are looked at; None = nothing.
    `cache_ttl_s`: how long an answer may stand for the next one to the same model call; 0
    = never."""

    store_path: Path
    models: tuple[ModelName, ...] = ()
    chairman_model: ModelName | None = None
    max_agents: int = 5
    max_query: int = 32_000
    deadline_s: float = 600.0
    num_predict: int = 1024
    review_tokens: int = 768
    max_queue_s: float = 300.0
    max_open: int = 500
    ranking_method: RankingMethod = "adjusted"
    procedure: ProcedureDefaults = ProcedureDefaults()
    prices: PriceTable | None = None
    cache_ttl_s: float = 0.0
