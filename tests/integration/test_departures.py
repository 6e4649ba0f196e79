"""PCs that leave in the middle of a council and come back, and clocks that jump: rows 7, 3 and 29.

A whole council without Ray over scripted model servers on real sockets: what happens to a PC's
agents when it is unplugged is told as Ray tells it. On real PCs: `tests/cluster/`.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors import clock
from actors.council.deliberation import AWAY, WAITING
from actors.council.session import RETURNED
from actors.council.steps import FALLBACK_CHAIRMAN
from actors.messages.events import AbsenceNoted, AgentStarted, NoticeGiven, StoredEvent
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.messages.sessions import CouncilSession
from actors.ollama.deadlines import Deadlines
from actors.sessions import asking as calls_asked
from actors.sessions import hearing, judges
from cluster.pool import PoolConfig
from tests.fakes import FakeOllama
from tests.fakes import replies as say
from tests.local_council import LocalCouncil, LocalPc, kept, kept_events, local_council
from tests.sittings import ALPHA, BETA, CHAIR, at, chats, codes, ended

pytestmark = pytest.mark.wire

POOL = PoolConfig(return_s=0.3, report_s=0.1, watch_s=0.02)
"""A PC that left is waited for only a moment, so that no test waits long."""
PATIENT = Deadlines(connect_s=5, first_token_s=30, stall_s=30, generation_s=30)


class TwoPcs:
    """pc1 is the head and has ALPHA and the chairman's model, pc2 has BETA."""

    def __init__(self, home: Path, fake1: FakeOllama, fake2: FakeOllama) -> None:
        self.home, self.fake1, self.fake2 = home, fake1, fake2
        self.pc1 = LocalPc("pc1", fake1.url, num_parallel=3, is_head=True)
        self.pc2 = LocalPc("pc2", fake2.url, num_parallel=3)

    def council(self, *pcs: LocalPc, **config: Any) -> AbstractAsyncContextManager[LocalCouncil]:
        return local_council(
            self.home, *(pcs or (self.pc1, self.pc2)), deadlines=PATIENT, pool=POOL, **config
        )


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoPcs]:
    async with FakeOllama([ALPHA, CHAIR]) as fake1, FakeOllama([BETA]) as fake2:
        yield TwoPcs(tmp_path, fake1, fake2)


def asking(*models: str, chairman: str = CHAIR) -> CouncilRequest:
    seats = tuple(AgentSpec(model=model) for model in models)
    return CouncilRequest(query="Why?", selected_agents=seats, chairman_model=chairman)


async def heard(
    council: LocalCouncil, session_id: str, wanted: Callable[[object], bool], within_s: float = 20
) -> None:
    """Until such an event has been told."""
    async with asyncio.timeout(within_s), aclosing(council.events(session_id)) as events:  # type: ignore[type-var]
        async for event in events:
            if wanted(event):
                return
    raise AssertionError("the session ended before that")


def notice(code: str) -> Callable[[object], bool]:
    return lambda event: isinstance(event, NoticeGiven) and event.code == code


def notices(events: list[StoredEvent]) -> list[str]:
    return [event.code for event in events if isinstance(event, NoticeGiven)]


class TestRow7:
    """PC2 is gone."""

    async def test_row_07_with_a_quorum_it_goes_on_on_what_is_left(self, two: TwoPcs) -> None:
        two.fake2.script(BETA, say.silence("The sky"))
        async with two.council() as council:
            opened = await council.open(asking(ALPHA, BETA, ALPHA))
            await two.fake2.until(lambda: two.fake2.chats)
            await council.hosts.unplug("pc2")
            session = await council.wait(opened.session_id)
            assert [node.name for node in await council.nodes()] == ["pc1"]
        assert ended(session) == ("complete", None, True)
        (absence,) = session.absences
        assert (absence.agent_id, absence.stage, absence.code) == ("agent_2", "opinions", AWAY)
        assert absence.attempts == 2
        assert [o.agent_id for o in session.opinions] == ["agent_1", "agent_3"]
        assert WAITING not in codes(session)
        assert len(session.reviews) == 2
        events = await kept_events(two.home, session.session_id)
        formers = [e.former for e in events if isinstance(e, AgentStarted) and e.former]
        assert [e.kind for e in events][-1] == "session_closed"
        assert not formers, "there was no PC for the second attempt"
        assert await kept(two.home, session.session_id) == session

    async def test_row_07_without_a_quorum_it_waits_and_asks_when_the_pc_is_back(
        self, two: TwoPcs
    ) -> None:
        two.fake2.script(BETA, say.silence("The sky"), say.silence("The sky"))
        async with two.council() as council:
            opened = await council.open(asking(ALPHA, BETA, BETA))
            await two.fake2.until(lambda: len(two.fake2.chats) == 2)
            pc2 = await council.hosts.unplug("pc2")
            await heard(council, opened.session_id, notice(WAITING))
            waiting = await council.session(opened.session_id)
            assert (waiting.stage, len(waiting.opinions)) == ("opinions", 1)
            assert {a.agent_id: a.code for a in waiting.absences} == dict.fromkeys(
                ("agent_2", "agent_3"), AWAY
            )
            asked = len(two.fake1.requests) + len(two.fake2.chats)
            stored = len(await kept_events(two.home, opened.session_id))
            await asyncio.sleep(20 * POOL.watch_s)  # time for a busy loop to show itself
            assert len(two.fake2.chats) + len(chats(two.fake1, "opinions")) <= asked
            assert len(await kept_events(two.home, opened.session_id)) == stored
            council.hosts.plug(pc2)
            session = await council.wait(opened.session_id)
        assert ended(session) == ("complete", None, False)
        assert session.absences == ()
        assert [o.node for o in session.opinions] == ["pc1", "pc2", "pc2"]
        assert len(session.reviews) == 3
        events = await kept_events(two.home, session.session_id)
        assert notices(events) == [WAITING, RETURNED, RETURNED]
        assert len([e for e in events if isinstance(e, AbsenceNoted)]) == 2, "the log keeps them"
        assert len([c for c in chats(two.fake1, "opinions") if c.model == ALPHA]) == 1
        assert await kept(two.home, session.session_id) == session

    async def test_row_07_without_a_quorum_until_the_deadline_it_is_no_quorum(
        self, two: TwoPcs
    ) -> None:
        two.fake2.script(BETA, say.silence("The sky"))
        async with two.council(deadline_s=4.0) as council:
            opened = await council.open(asking(ALPHA, BETA))
            began = time.monotonic()
            await two.fake2.until(lambda: two.fake2.chats)
            await council.hosts.unplug("pc2")
            session = await council.wait(opened.session_id)
            took = time.monotonic() - began
        assert ended(session) == ("error", "no_quorum", True)
        assert took > 3.5, "it waited until its deadline"
        assert session.error is not None
        # It is asked for in vain, or in the moment before the pool knew of it.
        gone = r"agent_2: node_gone \((The PC that had beta:1b left the cluster|pc2 is gone\.)"
        assert re.search(gone, session.error)
        assert [o.agent_id for o in session.opinions] == ["agent_1"], "what was heard is kept"
        assert WAITING in codes(session)
        assert await kept(two.home, session.session_id) == session

    async def test_row_07_one_of_the_seats_that_are_waited_for_is_enough(
        self, two: TwoPcs, tmp_path: Path
    ) -> None:
        """The third PC never comes back: with a quorum nobody waits for it."""
        gamma = "gamma:1b"
        async with FakeOllama([gamma]) as fake3:
            pc3 = LocalPc("pc3", fake3.url)
            two.fake2.script(BETA, say.silence("The sky"))
            fake3.script(gamma, say.silence("The sky"))
            async with two.council(two.pc1, two.pc2, pc3) as council:
                opened = await council.open(asking(ALPHA, BETA, gamma))
                await two.fake2.until(lambda: two.fake2.chats)
                await fake3.until(lambda: fake3.chats)
                pc2 = await council.hosts.unplug("pc2")
                await council.hosts.unplug("pc3")
                await heard(council, opened.session_id, notice(WAITING))
                council.hosts.plug(pc2)
                session = await council.wait(opened.session_id)
        assert ended(session) == ("complete", None, True)
        assert [a.agent_id for a in session.absences] == ["agent_3"]
        assert [o.agent_id for o in session.opinions] == ["agent_1", "agent_2"]

    async def test_row_07_a_wait_outlives_the_orchestrator(self, two: TwoPcs) -> None:
        two.fake2.script(BETA, say.silence("The sky"))
        async with two.council() as council:
            opened = await council.open(asking(ALPHA, BETA))
            await two.fake2.until(lambda: two.fake2.chats)
            await council.hosts.unplug("pc2")
            await heard(council, opened.session_id, notice(WAITING))
        async with two.council(two.pc1) as council:
            assert (await council.session(opened.session_id)).stage == "opinions"
            await council.nodes()
            council.hosts.plug(two.pc2)
            session = await council.wait(opened.session_id)
        assert ended(session) == ("complete", None, False)
        events = await kept_events(two.home, session.session_id)
        assert notices(events) == [WAITING, RETURNED], "it was said once"
        assert len([c for c in chats(two.fake1, "opinions")]) == 1

    async def test_row_07_an_orchestrator_that_never_saw_the_pc_waits_for_it_too(
        self, two: TwoPcs
    ) -> None:
        """It died before it had noted anybody absent; the new one knows PC1 alone."""
        two.fake2.script(BETA, say.silence("The sky"))
        async with two.council() as council:
            opened = await council.open(asking(ALPHA, BETA))
            await two.fake2.until(lambda: two.fake2.chats)
        async with two.council(two.pc1) as council:
            await heard(council, opened.session_id, notice(WAITING))
            council.hosts.plug(two.pc2)
            session = await council.wait(opened.session_id)
        assert ended(session) == ("complete", None, False)

    async def test_row_07_a_later_stage_goes_on_without_the_pc(self, two: TwoPcs) -> None:
        """Its ballot is missing, and its chairman is stood in for."""
        two.fake1.models[BETA], two.fake2.models[CHAIR] = (
            two.fake2.models[BETA],
            two.fake1.models.pop(CHAIR),
        )
        two.fake2.models.pop(BETA)
        two.fake2.script(CHAIR, say.silence("As cha"))
        async with two.council() as council:
            opened = await council.open(asking(ALPHA, BETA))
            await two.fake2.until(lambda: two.fake2.chats)
            await council.hosts.unplug("pc2")
            session = await council.wait(opened.session_id)
        assert ended(session) == ("complete", None, True)
        assert session.final_answer and session.final_answer.fallback == FALLBACK_CHAIRMAN
        assert [(a.agent_id, a.code) for a in session.absences] == [("chairman", AWAY)]
        assert "As cha" not in session.model_dump_json()
        assert await kept(two.home, session.session_id) == session


class TestRow29:
    """The wall's clock jumps by an hour in the middle of a council."""

    @pytest.fixture(params=[3600, -3600], ids=["ahead", "back"])
    def jump(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[], None]]:
        """Sets the clock, once it is called."""

        def jumped() -> datetime:
            return datetime.now(UTC) + timedelta(seconds=request.param)

        def leap() -> None:
            for module in (clock, hearing, calls_asked, judges):
                monkeypatch.setattr(module, "now", jumped)

        yield leap

    async def test_row_29_nothing_expires_while_a_council_sits(
        self, two: TwoPcs, jump: Callable[[], None]
    ) -> None:
        """Not its deadline, not a call's, nor who waits for a PC."""
        two.fake2.script(BETA, say.silence("The sky"))
        async with two.council(deadline_s=60.0) as council:
            opened = await council.open(asking(ALPHA, BETA))
            other = await council.open(asking(ALPHA, ALPHA))
            await two.fake2.until(lambda: two.fake2.chats)
            jump()
            pc2 = await council.hosts.unplug("pc2")
            await heard(council, opened.session_id, notice(WAITING))
            council.hosts.plug(pc2)
            sessions = [await council.wait(s.session_id) for s in (opened, other)]
        for session in sessions:
            assert ended(session) == ("complete", None, False)
            assert not session.absences
            assert CouncilSession.model_validate_json(session.model_dump_json()) == session
            assert await kept(two.home, session.session_id) == session

    async def test_row_29_nor_a_session_that_is_taken_up_again(
        self, two: TwoPcs, jump: Callable[[], None]
    ) -> None:
        two.fake1.script(at("opinions", ALPHA), say.silence("The sky"))
        async with two.council(deadline_s=60.0) as council:
            opened = await council.open(asking(ALPHA, BETA))
            await two.fake1.until(lambda: two.fake1.chats)
        jump()
        async with two.council(deadline_s=60.0) as council:
            session = await council.wait(opened.session_id)
        assert ended(session) == ("complete", None, False)

    async def test_row_29_the_deadline_is_as_far_as_before(
        self, two: TwoPcs, jump: Callable[[], None]
    ) -> None:
        two.fake2.always(BETA, say.silence("The sky"))
        async with two.council(deadline_s=3.0) as council:
            began = time.monotonic()
            opened = await council.open(asking(ALPHA, BETA))
            await two.fake2.until(lambda: two.fake2.chats)
            jump()
            session = await council.wait(opened.session_id)
        assert 2.9 < time.monotonic() - began < 10
        assert ended(session) == ("error", "deadline", True)
