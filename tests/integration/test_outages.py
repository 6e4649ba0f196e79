"""Model servers that are down, busy, slow, or all of them ill at once: rows 12, 14, 15 and 16, and
how much is asked of them then.

A whole council without Ray over scripted model servers on real sockets, as in `test_faults.py`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from actors.errors import NodeUnreachable, NoModelServer
from actors.messages.events import AbsenceNoted, AgentStarted
from actors.messages.requests import AgentSpec, CouncilRequest, WorkerRequest
from actors.ollama.deadlines import Deadlines, Patience
from actors.sessions import calls
from actors.sessions.retries import FLOOR, SHARE
from cluster.pool import PoolConfig
from tests.fakes import FakeOllama
from tests.fakes import replies as say
from tests.local_council import kept, kept_events
from tests.sittings import (
    ALPHA,
    BETA,
    CHAIR,
    CONNECT_S,
    REQUEST,
    SEATS,
    at,
    black_hole,
    chats,
    ended,
    sitting,
    until_connected,
)

pytestmark = pytest.mark.wire

AT_ONCE_S = CONNECT_S / 2
"""No attempt to connect was waited for, on a machine that computes two other things as well."""
NOT_LONG_S = 5 * CONNECT_S
"""The same, where attempts are waited for: few of them (which `attempts` says exactly)."""
BUSY = "server busy, please try again.  maximum pending requests exceeded"


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama([ALPHA, BETA, CHAIR]) as fake:
        yield fake


class TestRow12:
    """Ollama refuses, or is a black hole."""

    async def test_row_12_refused_in_mid_run(self, tmp_path: Path, fake: FakeOllama) -> None:
        async with sitting(tmp_path, fake) as council:
            await council.ask(REQUEST)
            await fake.stop()
            began = time.monotonic()
            session = await council.ask(REQUEST)
            took = time.monotonic() - began
        assert ended(session) == ("error", "no_opinions", True)
        assert {a.agent_id: a.code for a in session.absences} == dict.fromkeys(
            SEATS, "node_unreachable"
        )
        assert {a.attempts for a in session.absences} == {2} and took < NOT_LONG_S
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_12_a_black_hole_in_mid_run(self, tmp_path: Path, fake: FakeOllama) -> None:
        async with sitting(tmp_path, fake) as council:
            await council.ask(REQUEST)
            await fake.stop()
            with black_hole(fake.port):
                began = time.monotonic()
                session = await council.ask(REQUEST)
                took = time.monotonic() - began
        assert ended(session) == ("error", "no_opinions", True)
        assert {a.code for a in session.absences} == {"node_unreachable"}
        assert {a.attempts for a in session.absences} == {2}, "out of reach twice is enough"
        assert 2 * CONNECT_S * 0.9 < took < NOT_LONG_S

    async def test_row_12_the_breaker_opens_and_then_it_fails_fast(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        async with sitting(tmp_path, fake) as council:
            await council.ask(REQUEST)
            await fake.stop()
            await council.ask(REQUEST)  # three seats, two attempts each: the fifth failure opens it
            await fake.start()
            fake.requests.clear()
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(NodeUnreachable):
                    await council.generate(WorkerRequest(model=ALPHA, prompt="Why?"))
                assert time.monotonic() - began < AT_ONCE_S
            session = await council.ask(REQUEST)
        assert ended(session) == ("error", "no_opinions", True)
        assert session.latency_stats.total_duration_ms < AT_ONCE_S * 1000
        assert not fake.requests, "nobody is sent there while the breaker is open"

    async def test_row_12_the_version_is_probed_and_then_it_serves_again(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        pool = PoolConfig(report_s=0.2, watch_s=0.02)
        async with sitting(tmp_path, fake, pool=pool) as council:
            await council.ask(REQUEST)
            await fake.stop()
            await council.ask(REQUEST)
            with pytest.raises((NodeUnreachable, NoModelServer)):
                await council.generate(WorkerRequest(model=ALPHA, prompt="Why?"))
            await until_connected(council, 0)
            fake.requests.clear()
            await fake.start()
            await until_connected(council, 1)
            assert fake.requests[0].path == "/api/version"
            assert not fake.chats
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)

    async def test_row_12_nobody_there_before_the_start(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        await fake.stop()
        async with sitting(tmp_path, fake) as council:
            with pytest.raises(NoModelServer):
                await council.ask(REQUEST)
            assert await council.sessions(10, None, None) == ()

    async def test_row_12_the_other_pc_goes_on(self, tmp_path: Path, fake: FakeOllama) -> None:
        async with (
            FakeOllama([ALPHA, BETA, CHAIR]) as second,
            sitting(tmp_path, fake, second) as council,
        ):
            await council.ask(REQUEST)
            await fake.stop()
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)
        assert {o.node for o in session.opinions} == {"pc2"}


class TestRow14:
    """O3: the model server's queue of loads is full."""

    async def test_row_14_it_is_asked_again_after_a_pause_and_is_no_dead_pc(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        fake.script(at("opinions", BETA), *[say.error(503, BUSY)] * 2)
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
            (node,) = await council.nodes()
        assert ended(session) == ("complete", None, False)
        assert node.breaker == "closed"
        assert [o.attempts for o in session.opinions] == [1, 3, 1]
        events = await kept_events(tmp_path, session.session_id)
        formers = [e.former for e in events if isinstance(e, AgentStarted) and e.former]
        assert [former.code for former in formers] == ["server_busy"] * 2
        asked = [c.at for c in chats(fake, "opinions") if c.model == BETA]
        assert asked[1] - asked[0] < calls.BUSY_PAUSE_S + 1
        assert asked[2] - asked[1] < 2 * calls.BUSY_PAUSE_S + 1
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_14_who_stays_busy_is_an_absence(
        self, tmp_path: Path, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "BUSY_PAUSE_S", 0.05)
        fake.always(at("opinions", BETA), say.error(503, BUSY))
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, True)
        (absence,) = session.absences
        assert (absence.agent_id, absence.code) == ("agent_2", "server_busy")
        assert absence.attempts == 3
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_14_a_pause_that_would_pass_the_deadline_is_not_made(
        self, tmp_path: Path, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls.random, "random", lambda: 0.99)
        monkeypatch.setattr(calls, "BUSY_PAUSE_S", 60.0)
        fake.always(at("opinions", BETA), say.error(503, BUSY))
        async with sitting(tmp_path, fake, deadline_s=20.0) as council:
            began = time.monotonic()
            session = await council.ask(REQUEST)
        assert time.monotonic() - began < 10
        assert ended(session) == ("complete", None, True)
        assert [(a.code, a.attempts) for a in session.absences] == [("server_busy", 1)]


class TestRow15:
    """Who waits for a slot waits no longer than it may."""

    async def test_row_15_waiting_at_the_model_server_ends_and_the_request_is_closed(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        """O4: somebody else uses the model, so Ollama keeps us waiting without a byte."""
        fake.num_parallel = 1
        fake.script(lambda r: b"Not ours" in r.body, say.Answer(latency_s=60))
        body = {"model": BETA, "messages": [{"role": "user", "content": "Not ours"}]}
        async with httpx.AsyncClient(timeout=60) as other, sitting(tmp_path, fake) as council:
            taken = asyncio.create_task(other.post(f"{fake.url}/api/chat", json=body))
            await fake.until(lambda: fake.chats)
            session = await council.ask(REQUEST)
            ours = [c for c in chats(fake, "opinions") if c.model == BETA][1:]
            await fake.until(lambda: all(c.cancelled for c in ours), within_s=1.0)
            assert not taken.done()
            taken.cancel()
            await asyncio.wait([taken])
        assert ended(session) == ("complete", None, True)
        assert [(a.agent_id, a.code, a.attempts) for a in session.absences] == [
            ("agent_2", "timeout", 3)
        ]
        assert len(ours) == 3
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_15_waiting_in_our_queue_ends_with_the_session(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        """Two seats share a slot; one speaks without end, the other never gets it."""
        fake.script(ALPHA, say.silence("The sky"))
        request = CouncilRequest(
            query="Why?", selected_agents=(AgentSpec(model=ALPHA),) * 2, chairman_model=CHAIR
        )
        patient = Deadlines(connect_s=5, first_token_s=60, stall_s=60, generation_s=60)
        async with sitting(
            tmp_path, fake, deadlines=patient, num_parallel=1, deadline_s=2.0
        ) as council:
            session = await council.ask(request)
            await fake.until(lambda: fake.chats[0].cancelled, within_s=1.0)
        assert ended(session) == ("error", "deadline", True)
        assert {a.agent_id: a.code for a in session.absences} == dict.fromkeys(
            ("agent_1", "agent_2"), "timeout"
        )
        assert len(fake.chats) == 1, "who waits in our queue is not sent"
        events = await kept_events(tmp_path, session.session_id)
        assert len([e for e in events if isinstance(e, AgentStarted)]) == 1
        assert len([e for e in events if isinstance(e, AbsenceNoted)]) == 2
        assert await kept(tmp_path, session.session_id) == session


class TestRow16:
    """A cold load takes 150 s."""

    async def test_row_16_a_load_may_last_half_the_time_to_the_first_token(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        """All times a hundredth: a load of 150 s, 300 s to the first token, a stall after 60 s."""
        scaled = Deadlines(connect_s=1, first_token_s=3.0, stall_s=0.6, generation_s=5.0)
        fake.memory.load_s = 1.5
        async with sitting(tmp_path, fake, deadlines=scaled) as council:
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)
        assert all(o.attempts == 1 for o in session.opinions)
        assert len(fake.memory.loads) == 3
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_16_the_same_where_ollama_loads_at_the_first_call(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        """It sent the model out of memory behind our back."""
        scaled = Deadlines(connect_s=1, first_token_s=3.0, stall_s=0.6, generation_s=5.0)
        async with sitting(tmp_path, fake, deadlines=scaled) as council:
            await council.ask(REQUEST)
            fake.memory.drop(BETA)
            fake.memory.load_s = 1.5
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)
        assert session.opinions[1].attempts == 1
        assert session.opinions[1].duration_ms >= 1500

    def test_row_16_the_times_that_are_set_by_default_allow_it(self) -> None:
        patience = Patience(Deadlines(), now=0.0, ends_at=600.0)
        assert patience.until >= 150.0
        patience.progress(150.0)
        assert patience.until > 150.0


class TestOutage:
    """Every PC is ill: trying again must not make it worse."""

    COUNCILS = 50

    async def test_row_12_an_outage_of_all_pcs_is_not_amplified(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        """Servers that answer with errors: no breaker helps there, the budget of retries does."""
        ill = say.error(500, "model runner has unexpectedly stopped, this may be due to …")
        names = [ALPHA, BETA, CHAIR]
        async with (
            FakeOllama(names) as second,
            FakeOllama(names) as third,
            sitting(tmp_path, fake, second, third) as council,
        ):
            servers = (fake, second, third)
            for server in servers:
                server.always("*", ill)
            sessions = await asyncio.gather(*(council.ask(REQUEST) for _ in range(self.COUNCILS)))
            sent = sum(len(server.chats) for server in servers)
        calls_of_seats = self.COUNCILS * len(SEATS)
        assert {ended(session) for session in sessions} == {("error", "no_opinions", True)}
        assert calls_of_seats < sent <= calls_of_seats * (1 + SHARE) + FLOOR
        absences = [a for session in sessions for a in session.absences]
        attempts = Counter(a.attempts for a in absences)
        assert sum(attempts.values()) == calls_of_seats
        given_up = [a for a in absences if calls.USED_UP in a.detail]
        assert given_up and all(a.attempts < 3 for a in given_up)
        assert sessions[-1].error and "agent_3: model_crashed" in sessions[-1].error
        assert await kept(tmp_path, sessions[-1].session_id) == sessions[-1]

    async def test_row_12_pcs_that_cannot_be_reached_are_left_alone(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        """All model servers are down: the breakers see to it that next to nothing is tried."""
        async with (
            FakeOllama([ALPHA, BETA, CHAIR]) as second,
            sitting(tmp_path, fake, second) as council,
        ):
            await council.ask(REQUEST)
            await fake.stop()
            await second.stop()
            sessions = await asyncio.gather(*(council.ask(REQUEST) for _ in range(self.COUNCILS)))
            one, two = await council.nodes()
        assert {ended(session) for session in sessions} == {("error", "no_opinions", True)}
        assert {a.code for s in sessions for a in s.absences} == {"node_unreachable"}
        assert (one.breaker, two.breaker) == ("open", "open")
