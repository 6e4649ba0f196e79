"""A whole council over real sockets: the seed's table of tokens, times that add up, odd texts.

The council is the real one without Ray (`tests/local_council.py`); some questions come by HTTP.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.messages.events import COUNCIL_EVENT
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.messages.sessions import CouncilSession, StageLatencyStats
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.fakes import FakeOllama, seed_usage
from tests.fakes import replies as say
from tests.local_council import LocalCouncil, LocalPc, kept, local_council, stage_of

pytestmark = pytest.mark.wire

GEMMA, QWEN, LLAMA, PHI = "gemma2:2b", "qwen2.5:0.5b", "llama3.2:1b", "phi3.5:latest"
REQUEST = CouncilRequest(
    query="Why is the sky blue?",
    selected_agents=tuple(AgentSpec(model=model) for model in (GEMMA, QWEN, LLAMA)),
    chairman_model=PHI,
)
LATENCY_S = 0.06


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    """A model server that counts as the seed's did, and takes a while."""
    models = (GEMMA, QWEN, LLAMA, PHI)
    async with FakeOllama(
        models, usage=seed_usage(PHI), latency_s=LATENCY_S, load_s=0.05, max_loaded=4
    ) as fake:
        yield fake


@pytest.fixture
async def council(tmp_path: Path, fake: FakeOllama) -> AsyncIterator[LocalCouncil]:
    pc = LocalPc("pc1", fake.url, max_models=4, is_head=True)
    async with local_council(tmp_path, pc) as council:
        yield council


def by_http(council: LocalCouncil) -> httpx.AsyncClient:
    app = build_api(council, ApiConfig("1", "3.11", "2.60"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


class TestTheSeedsTable:
    async def test_tokens(self, council: LocalCouncil) -> None:
        """500 + 1,887 + 853 = 3,240, of which 2,038 in and 1,202 out."""
        session = (await council.ask(REQUEST)).model_dump(mode="json")
        told = {
            stage: usage for stage, usage in session["token_usage"].items() if usage is not None
        }
        assert told == {
            "stage1_opinions": {
                "stage": "opinions",
                "total_prompt_tokens": 244,
                "total_completion_tokens": 256,
                "total_tokens": 500,
                "by_model": {
                    GEMMA: counts(82, 61),
                    QWEN: counts(81, 96),
                    LLAMA: counts(81, 99),
                },
            },
            "stage2_review": {
                "stage": "review",
                "total_prompt_tokens": 1_293,
                "total_completion_tokens": 594,
                "total_tokens": 1_887,
                "by_model": {model: counts(431, 198) for model in (GEMMA, QWEN, LLAMA)},
            },
            "stage3_synthesis": {
                "stage": "synthesis",
                "total_prompt_tokens": 501,
                "total_completion_tokens": 352,
                "total_tokens": 853,
                "by_model": {PHI: counts(501, 352)},
            },
            "total_prompt_tokens": 2_038,
            "total_completion_tokens": 1_202,
            "total_tokens": 3_240,
            "saved_tokens": 0,
        }
        assert [opinion["tokens_used"] for opinion in session["opinions"]] == [143, 177, 180]
        assert session["final_answer"]["tokens_used"] == 853

    async def test_two_seats_of_a_model_are_summed_by_model(self, council: LocalCouncil) -> None:
        twice = tuple(AgentSpec(model=model) for model in (GEMMA, GEMMA, QWEN))
        session = await council.ask(REQUEST.model_copy(update={"selected_agents": twice}))
        opinions = session.token_usage.stage1_opinions
        assert opinions is not None
        assert opinions.by_model[GEMMA].model_dump() == counts(164, 122)
        assert opinions.total_tokens == 2 * 143 + 177

    async def test_times(self, council: LocalCouncil, tmp_path: Path) -> None:
        session = await council.ask(REQUEST)
        times = session.latency_stats
        stages = (times.stage1_opinions, times.stage2_review, times.stage3_synthesis)
        calls = (session.opinions, session.reviews, (session.final_answer,))
        for stage, answers in zip(stages, calls, strict=True):
            assert stage is not None
            durations = [answer.duration_ms for answer in answers if answer]
            assert stage.total_duration_ms >= max(durations) - 2
            queued = sum(parts.queue_ms for parts in stage.by_agent.values())
            assert sum(stage.by_model.values()) == sum(durations) - queued
            assert sorted(whole(stage)) == pytest.approx(sorted(durations), abs=5)
            assert all(parts.generate_ms >= LATENCY_S * 800 for parts in stage.by_agent.values())
        assert times.total_duration_ms >= sum(s.total_duration_ms for s in stages if s) - 3
        assert await kept(tmp_path, session.session_id) == session

    async def test_a_seat_that_waits_for_a_slot_waits_in_the_queue(
        self, council: LocalCouncil
    ) -> None:
        three = (AgentSpec(model=QWEN),) * 3
        await council.ask(REQUEST)  # all models are loaded
        session = await council.ask(REQUEST.model_copy(update={"selected_agents": three}))
        stage = session.latency_stats.stage1_opinions
        assert stage is not None
        queued = sorted(parts.queue_ms for parts in stage.by_agent.values())
        lap = LATENCY_S * 1000
        assert queued[0] < lap / 2 < queued[1] < 1.9 * lap < queued[2]
        assert stage.total_duration_ms >= 3 * lap

    async def test_a_cold_load_is_not_counted_as_the_models_own_time(
        self, council: LocalCouncil
    ) -> None:
        """An agent loads its model before it is leased: who waits for it waits in the queue."""
        stage = (await council.ask(REQUEST)).latency_stats.stage1_opinions
        assert stage is not None
        assert all(parts.queue_ms >= 50 for parts in stage.by_agent.values())
        assert all(parts.load_ms < 10 for parts in stage.by_agent.values())


def counts(prompt: int, completion: int) -> dict[str, int]:
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def whole(stage: StageLatencyStats) -> list[int]:
    return [sum(parts.model_dump().values()) for parts in stage.by_agent.values()]


ODD_TEXTS = {
    "half a surrogate": "The sky \ud83d is blue",
    "the other half": "\udc18",
    "NUL": "The \x00 sky",
    "control characters": "a\x1b[31mred\x07\x7f\x85\u2028b",
    "right to left": "\u202eeulb si yks ehT\u202c مرحبا",
    "frames of its own": "blue\n\nevent: session_closed\ndata: {}\n\n",
    "1 MB": "The sky is blue. " * 61_681,
    "1 MB without a space": "蓝" * 350_000,
}


class TestOddTexts:
    """What a model may say without breaking the session, its JSON, or its stream of events."""

    @pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
    async def test_everywhere(
        self, council: LocalCouncil, fake: FakeOllama, tmp_path: Path, text: str
    ) -> None:
        fake.always("*", said(text))
        async with by_http(council) as http:
            body = json.loads(REQUEST.model_dump_json(exclude_none=True))
            answer = await http.post("/api/council/query", json=body)
            assert answer.status_code == 200, answer.text[:300]
            session = answer.json()
            where = f"/api/council/sessions/{session['session_id']}"
            streamed = await heard(http, f"{where}/events")
            minutes = await http.get(f"{where}/export?format=md")
        assert session["stage"] == "complete"
        sound = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert [opinion["content"] for opinion in session["opinions"]] == [sound] * 3
        assert [e["seq"] for e in streamed] == list(range(1, len(streamed) + 1))
        told = [e["content"] for e in streamed if e["kind"] == "opinion"]
        assert told == [sound] * 3
        assert [e["kind"] for e in streamed].count("session_closed") == 1
        assert minutes.status_code == 200 and minutes.text.startswith("# Council")
        again = await kept(tmp_path, session["session_id"])
        assert again == CouncilSession.model_validate(session)

    async def test_live(self, council: LocalCouncil, fake: FakeOllama) -> None:
        fake.always("*", say.Answer(text="The sky \ud83d is \x00 blue"))
        session = await council.open(REQUEST)
        pieces: dict[str, str] = {}
        async for event in council.events(session.session_id):
            COUNCIL_EVENT.validate_json(event.model_dump_json())
            if event.kind == "opinion_delta":
                assert event.offset == len(pieces.get(event.agent_id, ""))
                pieces[event.agent_id] = pieces.get(event.agent_id, "") + event.text
        assert set(pieces.values()) == {"The sky \ufffd is \x00 blue"}


async def test_every_prompt_asks_for_the_questions_language(
    council: LocalCouncil, fake: FakeOllama
) -> None:
    session = await council.ask(REQUEST.model_copy(update={"query": "Pourquoi le ciel est bleu ?"}))
    assert session.stage == "complete"
    assert {stage_of(chat) for chat in fake.chats} == {"opinions", "review", "synthesis"}
    for chat in fake.chats:
        prompt = "\n".join(message["content"] for message in chat.json["messages"])
        assert "in the language of the question" in prompt
        assert "Pourquoi le ciel est bleu ?" in prompt


def said(text: str) -> say.Reply:
    """The text in a few chunks, whatever the limit was."""
    size = 300_000
    chunks = [{"message": {"content": text[at : at + size]}} for at in range(0, len(text), size)]
    return say.lines(*chunks, {"done": True, "done_reason": "stop", "eval_count": 9})


async def heard(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """The events of an SSE stream that has ended, each one frame."""
    stream = await http.get(path)
    frames = [frame for frame in stream.text.split("\n\n") if "\ndata: " in frame]
    return [json.loads(frame.split("\ndata: ", 1)[1]) for frame in frames]
