"""Two hundred forced reconnects, by SSE and by WebSocket: no event is missed and none comes twice.

The council is the real one without Ray, over real sockets; its model server is a fake. Connections
are cut without a farewell, in mid-stage, wherever a seeded chance has it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.fakes import FakeOllama
from tests.http_council import SESSIONS, served
from tests.local_council import kept_events

pytestmark = pytest.mark.wire

MODELS, CHAIR = ("alpha:1b", "beta:1b", "gamma:1b"), "chair:1b"
QUESTION = {
    "query": "Why is the sky blue?",
    "selected_agents": [{"model": model} for model in MODELS],
    "chairman_model": CHAIR,
}
STAGE_OF = {"opinion_delta": "opinions", "review_delta": "review", "synthesis_delta": "synthesis"}
ANSWERS = {"opinion": "opinions", "final_answer": "synthesis"}
RECONNECTS = 200
COUNCILS = 12
"""More than enough of them: then something is stuck."""

Seat = tuple[str, str]
Events = AsyncIterator[dict[str, Any]]


@dataclass
class Follower:
    """A client that is cut off again and again, and what it was told by then."""

    listen: Callable[[int], Any]
    chance: Random
    told: list[dict[str, Any]] = field(default_factory=list)
    texts: dict[Seat, str] = field(default_factory=dict)
    fresh: set[Seat] = field(default_factory=set)
    """Seats whose text came in the present connection."""
    cuts: int = 0

    async def follow(self) -> None:
        while not (self.told and self.told[-1]["kind"] == "session_closed"):
            self.fresh.clear()
            frames, until = 0, self.chance.randint(1, 25)
            async with self.listen(len(self.told)) as events:
                async for event in events:
                    self._hear(event)
                    frames += 1
                    if frames == until:
                        self.cuts += 1
                        break

    def _hear(self, event: dict[str, Any]) -> None:
        if stage := STAGE_OF.get(event["kind"]):
            return self._piece((stage, event["agent_id"]), event["offset"], event["text"])
        assert event["seq"] == len(self.told) + 1, "a gap or a repeat"
        self.told.append(event)
        if stage := ANSWERS.get(event["kind"]):
            self._answer((stage, event["agent_id"]), event["content"])

    def _piece(self, seat: Seat, offset: int, text: str) -> None:
        """The first piece in a connection is the text so far, the next one goes on where it was."""
        before = self.texts.get(seat, "") if seat in self.fresh else ""
        assert offset == len(before)
        whole = before + text
        assert whole.startswith(self.texts.get(seat, "")), "what was told is not told otherwise"
        self.texts[seat] = whole
        self.fresh.add(seat)

    def _answer(self, seat: Seat, content: str) -> None:
        text = self.texts.get(seat, "")
        assert text == content if seat in self.fresh else content.startswith(text)


@asynccontextmanager
async def by_sse(http: httpx.AsyncClient, path: str, after: int) -> AsyncIterator[Events]:
    headers = {"Last-Event-ID": str(after)} if after else {}

    async def events(answer: httpx.Response) -> Events:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line[5:])

    async with http.stream("GET", f"{path}/events", headers=headers) as answer:
        assert answer.status_code == 200
        async with aclosing(events(answer)) as heard:  # type: ignore[type-var]
            yield heard


@asynccontextmanager
async def by_websocket(url: str, session_id: str, after: int) -> AsyncIterator[Events]:
    async def events(socket: Any) -> Events:
        async for message in socket:
            yield json.loads(message)

    where = f"{url.replace('http', 'ws')}/api/council/ws/{session_id}?after={after}"
    async with connect(where, proxy=None) as socket:
        yield events(socket)
        socket.transport.abort()


def followers(http: httpx.AsyncClient, session_id: str, number: int) -> list[Follower]:
    """Four by each way."""
    path, url = f"{SESSIONS}/{session_id}", str(http.base_url).rstrip("/")
    ways: list[Callable[[int], Any]] = [
        lambda after: by_sse(http, path, after),
        lambda after: by_websocket(url, session_id, after),
    ]
    return [Follower(ways[n % 2], Random(8 * number + n)) for n in range(8)]


async def test_200_forced_reconnects_leave_no_gap_and_no_repeat(tmp_path: Path) -> None:
    cuts = {"sse": 0, "websocket": 0}
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(
            FakeOllama([*MODELS, CHAIR], latency_s=0.6, tokens=60, max_loaded=4)
        )
        http, _ = await stack.enter_async_context(served(tmp_path, fake))
        for number in range(COUNCILS):
            opened = (await http.post(SESSIONS, json=QUESTION)).json()
            clients = followers(http, opened["session_id"], number)
            async with asyncio.timeout(60):
                await asyncio.gather(*(client.follow() for client in clients))
            kept = [event.seq for event in await kept_events(tmp_path, opened["session_id"])]
            for client in clients:
                assert [event["seq"] for event in client.told] == kept
                assert client.told == clients[0].told
                assert {stage for stage, _ in client.texts} == set(STAGE_OF.values())
            cuts["sse"] += sum(client.cuts for client in clients[::2])
            cuts["websocket"] += sum(client.cuts for client in clients[1::2])
            if min(cuts.values()) >= RECONNECTS // 2 and sum(cuts.values()) >= RECONNECTS:
                break
    assert min(cuts.values()) >= RECONNECTS // 2, cuts
