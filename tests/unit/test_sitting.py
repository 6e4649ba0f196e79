"""A stream of an answer, while the council is lost and found, and while its reader sleeps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from actors.errors import CouncilUnavailable
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import CouncilSession
from serve_app import streams
from serve_app.clients import following
from serve_app.clients.sitting import Sitting, sitting
from serve_app.clients.telling import Telling, Told
from tests.fake_council import AnyEvent, FakeCouncil, delta


async def begun(council: FakeCouncil) -> tuple[str, Sitting]:
    session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
    return session_id, sitting(session_id, council, Telling(exact=False, page=""), heartbeat_s=0.01)


async def test_a_council_that_is_lost_meanwhile_is_waited_for_and_not_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.0)
    council = FakeCouncil(held=True)
    session_id, sits = await begun(council)
    async with aclosing(sits):
        assert isinstance(await anext(sits), Told)
        council.failure = CouncilUnavailable("The head is gone.")
        await council.sittings[session_id].hear(delta(session_id, "Blue"))
        while await anext(sits) is not None:  # signs of life while it is away
            pass
        council.failure = None
        await council.finish(session_id)
        *told, session = [one async for one in sits]
    answer = "".join(one.text for one in told if isinstance(one, Told) and one.is_answer)
    assert isinstance(session, CouncilSession) and session.stage == "complete"
    assert answer == "It scatters."


async def test_a_reader_that_sleeps_does_not_lose_its_council(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More happens than is kept for it; it goes on where it was."""
    monkeypatch.setattr(streams, "SLOW_S", 0.01)
    monkeypatch.setattr(streams, "READY_AT_ONCE", 2)
    monkeypatch.setattr(following, "PAUSE_S", 0.0)
    council = FakeCouncil(held=True)
    session_id, sits = await begun(council)
    async with aclosing(sits):
        assert isinstance(await anext(sits), Told)
        for _ in range(9):
            await council.sittings[session_id].hear(delta(session_id, "Blue"))
        async with asyncio.timeout(5):
            await council.left.wait()
        await council.finish(session_id)
        *_, session = [one async for one in sits]
    assert isinstance(session, CouncilSession) and session.stage == "complete"


async def test_signs_of_life_come_also_while_opinions_are_written() -> None:
    """Their tokens are not told, and a proxy cuts a line on which nothing comes."""
    alive = asyncio.Event()

    class Chatty(FakeCouncil):
        async def events(self, session_id: str, after: int = 0) -> AsyncIterator[AnyEvent]:
            while not alive.is_set():
                yield delta(session_id, "Blue")
                await asyncio.sleep(0)
            async for event in super().events(session_id, after):
                yield event

    _, sits = await begun(Chatty())
    async with asyncio.timeout(5), aclosing(sits):
        assert await anext(sits) is None
        alive.set()
        *_, session = [one async for one in sits]
    assert isinstance(session, CouncilSession)
