"""What a council used, end to end: counters of each PC, its agent, the pool's shares, HTTP.

The council is the real one without Ray, over real sockets; each chat with the fake model server
takes one joule of its PC.
"""

import asyncio
from pathlib import Path

import pytest

from actors.messages.requests import AgentSpec, CouncilRequest
from tests.fakes import FakeOllama
from tests.fakes.http import Exchange
from tests.fakes.replies import Answer
from tests.local_council import LocalPc, local_council
from tests.power import count_to, zone

pytestmark = pytest.mark.wire

MODEL, OTHER = "alpha:1b", "beta:1b"
MOST = 5_999_999
"""µJ: a council wraps such a counter around more than once."""


class Costly:
    """A chat that takes one joule."""

    def __init__(self, counter: Path) -> None:
        self.counter = counter
        self.chats = 0

    async def __call__(self, fake: FakeOllama, exchange: Exchange) -> None:
        self.chats += 1
        count_to(self.counter, self.chats * 1_000_000 % (MOST + 1))
        await fake.chat(exchange, Answer())


def question(*models: str) -> CouncilRequest:
    agents = tuple(AgentSpec(model=model) for model in models)
    return CouncilRequest(query="Why?", selected_agents=agents, chairman_model=MODEL)


@pytest.fixture(autouse=True)
def no_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


async def test_every_joule_is_counted_once_however_many_ask_at_once(tmp_path: Path) -> None:
    """One slot, so that no two calls run at once; two sessions ask for it in turns."""
    chat = Costly(zone(tmp_path, "intel-rapl:0", "package-0", 0, MOST))
    async with FakeOllama([MODEL]) as fake:
        fake.always("*", chat)
        pc = LocalPc("pc1", fake.url, is_head=True, powercap=tmp_path)
        async with local_council(tmp_path, pc) as council:
            asked = (council.ask(question(MODEL, MODEL)) for _ in range(2))
            sessions = await asyncio.gather(*asked)
            (report,) = await council.nodes()
    assert [session.stage for session in sessions] == ["complete"] * 2
    assert sum(session.joules or 0 for session in sessions) == pytest.approx(chat.chats)
    assert chat.chats > MOST // 1_000_000, "the counter began anew meanwhile"
    assert report.energy is not None


async def test_one_pc_that_does_not_tell_leaves_the_session_unknown(tmp_path: Path) -> None:
    chat = Costly(zone(tmp_path, "intel-rapl:0", "package-0", 0, MOST))
    async with FakeOllama([MODEL]) as fake, FakeOllama([OTHER]) as silent:
        fake.always("*", chat)
        pcs = (
            LocalPc("pc1", fake.url, is_head=True, powercap=tmp_path),
            LocalPc("pc2", silent.url, powercap=tmp_path / "nowhere"),
        )
        async with local_council(tmp_path, *pcs) as council:
            alone = await council.ask(question(MODEL, MODEL))
            both = await council.ask(question(MODEL, OTHER))
    assert alone.joules is not None and alone.joules > 0
    assert (both.stage, both.joules) == ("complete", None)
