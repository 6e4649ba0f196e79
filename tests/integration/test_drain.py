"""Taking a PC out under a whole council: no call fails, nobody is asked twice, what was accepted is
answered, and only then the PC counts as drained.

The council is the real one without Ray (`tests/local_council.py`), with fakes of Ollama.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.errors import ModelNotInstalled, NoModelServer
from actors.messages.events import AgentStarted
from actors.messages.nodes import NodeStanding
from actors.messages.requests import AgentSpec, CouncilRequest, WorkerRequest
from cluster.drains import FILE
from tests.fakes import FakeOllama
from tests.local_council import PATIENT, LocalCouncil, LocalPc, kept_events, local_council

pytestmark = pytest.mark.wire

ALPHA, BETA = "alpha:latest", "beta:latest"
COUNCILS = 4


@pytest.fixture
async def ollama1() -> AsyncIterator[FakeOllama]:
    async with FakeOllama([ALPHA], latency_s=0.05) as fake:
        yield fake


@pytest.fixture
async def ollama2() -> AsyncIterator[FakeOllama]:
    """It has beta alone."""
    async with FakeOllama([ALPHA, BETA], latency_s=0.05) as fake:
        yield fake


def sitting(home: Path, ollama1: FakeOllama, ollama2: FakeOllama):  # type: ignore[no-untyped-def]
    pcs = (LocalPc("pc1", ollama1.url, is_head=True), LocalPc("pc2", ollama2.url))
    return local_council(home, *pcs, pool=replace(PATIENT, drains=home / FILE))


def question(*models: str) -> CouncilRequest:
    return CouncilRequest(
        query="Why is the sky blue?",
        selected_agents=tuple(AgentSpec(model=model) for model in models),
        chairman_model=models[0],
    )


async def standing(council: LocalCouncil) -> NodeStanding:
    return next(one for one in await council.standings() if one.name == "pc2")


async def drained(council: LocalCouncil) -> NodeStanding:
    async with asyncio.timeout(20):
        while (now := await standing(council)).state != "drained":  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.01)
    return now


async def test_a_pc_is_taken_out_under_load_without_failing_a_call(
    tmp_path: Path, ollama1: FakeOllama, ollama2: FakeOllama
) -> None:
    """Councils that need beta, which only PC2 has, sit on until their end; whoever comes later gets
    alpha from PC1 alone; at the end PC2 holds nothing."""
    async with sitting(tmp_path, ollama1, ollama2) as council:
        early = [await council.open(question(ALPHA, BETA)) for _ in range(COUNCILS)]
        await ollama2.until(lambda: any(chat.model == BETA for chat in ollama2.chats))

        begun = await council.drain("pc2")
        seen = len([chat for chat in ollama2.chats if chat.model == ALPHA])
        assert begun.state == "draining" and begun.owed == (BETA,)
        late = [await council.open(question(ALPHA, ALPHA)) for _ in range(COUNCILS)]
        with pytest.raises(ModelNotInstalled, match=r"beta.*Taken out .*pc2"):
            await council.open(question(ALPHA, BETA))
        with pytest.raises(ModelNotInstalled, match="pc2"):
            await council.generate(WorkerRequest(model=BETA, prompt="Who are you?"))
        sessions = [await council.wait(one.session_id) for one in (*early, *late)]
        empty = await drained(council)

        assert (empty.calls, empty.agents, empty.owed) == (0, (), ())
        assert {s.stage for s in sessions} == {"complete"}
        assert not any(s.degraded or s.absences or s.notices for s in sessions)
        for session in sessions[COUNCILS:]:
            assert {opinion.node for opinion in session.opinions} == {"pc1"}
        late_calls = len([chat for chat in ollama2.chats if chat.model == ALPHA])
        assert late_calls <= seen + 1, "alpha was given to PC2 no more, but what was under way"
        assert ollama2.memory.resident == {}
        assert set((await council.catalogue()).nodes) == {ALPHA}
    calls = [call for fake in (ollama1, ollama2) for call in fake.chats]
    assert all(call.finished for call in calls)
    assert len(calls) == 2 * COUNCILS * 5, "two opinions, two reviews, one synthesis each"
    for session in sessions:
        events = await kept_events(tmp_path, session.session_id)
        starts = Counter((e.stage, e.agent_id) for e in events if isinstance(e, AgentStarted))
        assert set(starts.values()) == {1}


async def test_a_pc_stays_out_over_a_restart_of_the_orchestrator(
    tmp_path: Path, ollama1: FakeOllama, ollama2: FakeOllama
) -> None:
    """Also one that was still being drained: its open session is resumed and served there first."""
    async with sitting(tmp_path, ollama1, ollama2) as council:
        opened = await council.open(question(ALPHA, BETA))
        await ollama2.until(lambda: any(chat.model == BETA for chat in ollama2.chats))
        await council.drain("pc2")

    async with sitting(tmp_path, ollama1, ollama2) as council:
        session = await council.wait(opened.session_id)
        assert session.stage == "complete" and not session.degraded
        assert {o.model: o.node for o in session.opinions}[BETA] == "pc2"
        await drained(council)

    async with sitting(tmp_path, ollama1, ollama2) as council:
        assert (await standing(council)).state == "drained"
        with pytest.raises(ModelNotInstalled):
            await council.open(question(BETA, BETA))
        await council.readmit("pc2")
        session = await council.ask(question(BETA, BETA))
        assert {o.node for o in session.opinions} == {"pc2"}


async def test_a_council_whose_last_pc_is_taken_out_says_so(
    tmp_path: Path, ollama1: FakeOllama, ollama2: FakeOllama
) -> None:
    async with sitting(tmp_path, ollama1, ollama2) as council:
        for name in ("pc1", "pc2"):
            await council.drain(name)
        with pytest.raises(NoModelServer, match=r"Taken out .*pc1, pc2"):
            await council.open(question(ALPHA))
        assert (await council.readiness())["agents"] is False
        await council.readmit("pc1")
        assert (await council.ask(question(ALPHA, ALPHA))).stage == "complete"
