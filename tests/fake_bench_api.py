"""The HTTP API as a benchmark sees it: sessions that end at once, with what a script says.

Sessions have the real shape (`CouncilSession`); `tests/real/test_bench.py` runs the same command
against the real API.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from actors.messages.calls import TokenUsage
from actors.messages.judgement import Standing, Vote
from actors.messages.sessions import (
    AgentLatency,
    AgentView,
    CouncilSession,
    FinalAnswer,
    Opinion,
    Review,
    SessionLatencyStats,
    SessionTokenUsage,
    StageLatencyStats,
    StageTokenUsage,
)

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ("Ada", "Bob")
Script = Callable[[str, str], tuple[str, str, str] | str]
"""(question, mode) → what Ada, Bob and the council say; or the error code of a failed session."""


class FakeBenchApi:
    """`refusals` are answered first, one a request that asks something. `verdicts`: what the judge
    writes, in order; the last one again and again. `events` may raise what a test wants."""

    def __init__(self, script: Script, *, verdicts: tuple[str, ...] = ()) -> None:
        self.script = script
        self.verdicts = list(verdicts)
        self.refusals: list[httpx.Response] = []
        self.asked: list[dict[str, Any]] = []
        self.judged: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cancelled: list[str] = []
        self.interrupt_at: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.keys.append(request.headers["Idempotency-Key"])
            if self.refusals:
                return self.refusals.pop(0)
            return self._posted(request.url.path, json.loads(request.content))
        if request.method == "DELETE":
            self.cancelled.append(request.url.path.rpartition("/")[2])
            return httpx.Response(200, json={})
        if request.url.path.endswith("/models"):
            return httpx.Response(200, json={})
        if request.url.path.endswith("/events"):
            return self._events()
        return httpx.Response(200, json=self._session(request.url.path.rpartition("/")[2]))

    def _posted(self, path: str, body: dict[str, Any]) -> httpx.Response:
        if path == "/api/generate":
            self.judged.append(body)
            said = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
            return httpx.Response(200, json={"model": body["model"], "content": said})
        self.asked.append(body)
        return httpx.Response(202, json=self._session(str(len(self.asked) - 1)))

    def _events(self) -> httpx.Response:
        if self.interrupt_at == len(self.asked):
            self.interrupt_at = None
            raise KeyboardInterrupt
        kinds = [("stage_started", "review"), ("ranking", ""), ("session_closed", "")]
        events = [
            {"kind": kind, "stage": stage, "seq": seq} for seq, (kind, stage) in enumerate(kinds, 1)
        ]
        return httpx.Response(200, text="".join(f"data: {json.dumps(e)}\n\n" for e in events))

    def _session(self, session_id: str) -> Any:
        asked = self.asked[int(session_id)]
        said = self.script(asked["query"].splitlines()[0], asked["mode"])
        return session(session_id, asked["query"], said, asked["mode"]).model_dump(mode="json")


def session(
    session_id: str, query: str, said: tuple[str, str, str] | str, mode: str
) -> CouncilSession:
    """Bob comes first in the ranking. In the mode `fast` nobody reviews."""
    failed = isinstance(said, str)
    agents = tuple(
        AgentView(agent_id=f"agent_{n}", name=name, model="m") for n, name in enumerate(NAMES, 1)
    )
    texts = ("", "", "") if isinstance(said, str) else said
    reviewed = not failed and mode != "fast"
    return CouncilSession(
        session_id=session_id,
        query=query,
        stage="error" if failed else "complete",
        created_at=T0,
        updated_at=T0,
        chairman_model="chair",
        agents=agents,
        opinions=() if failed else tuple(map(_opinion, agents, texts)),
        reviews=tuple(map(_review, agents)) if reviewed else (),
        ranking=() if failed else tuple(_standing(n) for n in (2, 1)),
        final_answer=None if failed else _final(texts[2]),
        token_usage=SessionTokenUsage(
            stage1_opinions=_tokens("opinions", 20),
            stage2_review=_tokens("review", 30) if reviewed else None,
            total_tokens=60,
        ),
        latency_stats=SessionLatencyStats(
            stage1_opinions=_times("opinions", 2000),
            stage2_review=_times("review", 3000) if reviewed else None,
            total_duration_ms=6000,
        ),
        absences=(),
        degraded=False,
        notices=(),
        error="It went wrong." if failed else None,
        error_code=str(said) if failed else None,
    )


def _opinion(agent: AgentView, text: str) -> Opinion:
    return Opinion(
        agent_id=agent.agent_id, agent_name=agent.name, model="m", content=text, prompt_tokens=4,
        completion_tokens=6, tokens_used=10, duration_ms=1500, node="pc1", truncated=False,
    )  # fmt: skip


def _review(agent: AgentView) -> Review:
    return Review(
        reviewer_id=agent.agent_id, reviewer_name=agent.name, model="m", prompt_tokens=4,
        rankings=(Vote(agent_id="agent_2", score=8, reasoning="Good."),), completion_tokens=6,
        tokens_used=10, duration_ms=1500,
    )  # fmt: skip


def _standing(number: int) -> Standing:
    return Standing(agent_id=f"agent_{number}", place=3 - number, mean_score=number, votes=1)


def _final(text: str) -> FinalAnswer:
    return FinalAnswer(
        content=text, chairman_model="chair", prompt_tokens=4, completion_tokens=6, tokens_used=10,
        duration_ms=1000, sources_cited=(), fallback=None,
    )  # fmt: skip


def _tokens(stage: str, total: int) -> StageTokenUsage:
    usage = TokenUsage(prompt_tokens=total - 6, completion_tokens=6, total_tokens=total)
    return StageTokenUsage(
        stage=stage, total_prompt_tokens=total - 6, total_completion_tokens=6, total_tokens=total,
        by_model={"m": usage},
    )  # fmt: skip


def _times(stage: str, total_ms: int) -> StageLatencyStats:
    late = AgentLatency(queue_ms=500, network_ms=0, load_ms=0, prompt_ms=0, generate_ms=1000)
    return StageLatencyStats(
        stage=stage, total_duration_ms=total_ms, by_model={"m": total_ms},
        by_agent={"agent_1": late, "agent_2": late},
    )  # fmt: skip
