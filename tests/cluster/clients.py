"""Clients that behave well: they ask with a key, ask again while nobody answers, listen to the end.

Each writes down what it was told; what that is worth is judged elsewhere (`verdicts.py`). Knows
nothing of who is killed meanwhile.
"""

import asyncio
import json
import random
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.cluster.boxes import enter_network
from tests.cluster.hosts import Host

PATIENCE_S = 240.0
"""So long a client goes on asking and listening; then it says that it was let down."""
AGAIN_S = 0.5
NOT_NOW = (429, 500, 502, 503, 504)
"""Answers after which a client asks again, with the same key. A 500 is written down."""
AWAY = "model_not_available"
"""Refused because the model's PC has been away for long, or was when PC1 started: it comes back."""
OVER = "session_closed"


@dataclass
class Inquiry:
    """One question, and all that its client was told of it."""

    number: int
    models: tuple[str, ...]
    chairman: str
    waits: bool
    """Asked by `/query`, which answers with the whole session; else by `/sessions`."""
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    session_ids: set[str] = field(default_factory=set)
    told: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """The stored events in the order they came, each with the id it came under."""
    posts: int = 0
    streams: int = 0
    asked_at: float = 0.0
    ended_at: float = 0.0
    troubles: list[str] = field(default_factory=list)
    texts: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def session_id(self) -> str:
        return min(self.session_ids, default="")

    @property
    def body(self) -> dict[str, Any]:
        """Marked, so that a model call can be told whose it is (`ledger.py`)."""
        seats = [
            {"name": f"Seat {n}", "model": model, "options": {"seed": n}}
            for n, model in enumerate(self.models, 1)
        ]
        query = f"Why is the sky blue? (inquiry-{self.number})"
        return {"query": query, "selected_agents": seats, "chairman_model": self.chairman}


class Client:
    """Asks one question after the other, until it is told to stop."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def inquire(self, inquiry: Inquiry) -> None:
        """From the question to the closing event; what goes wrong is written down."""
        inquiry.asked_at = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                if await self._ask(inquiry):
                    await self._listen(inquiry)
        except TimeoutError:
            inquiry.troubles.append(f"not ended within {PATIENCE_S:g} s")
        inquiry.ended_at = time.monotonic()

    async def _ask(self, inquiry: Inquiry) -> bool:
        path = "query" if inquiry.waits else "sessions"
        headers = {"Idempotency-Key": inquiry.key}
        while True:
            inquiry.posts += 1
            try:
                answer = await self._http.post(
                    f"/api/council/{path}", json=inquiry.body, headers=headers
                )
            except httpx.TransportError:
                await asyncio.sleep(AGAIN_S)
                continue
            told = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
            if session_id := told.get("session_id"):
                inquiry.session_ids.add(session_id)
                return True
            inquiry.troubles += [f"POST: {answer.text[:200]}"] * (answer.status_code == 500)
            if answer.status_code not in NOT_NOW and told.get("code") != AWAY:
                inquiry.troubles.append(f"POST: {answer.status_code} {answer.text[:200]}")
                return False
            await asyncio.sleep(min(5.0, float(answer.headers.get("Retry-After", AGAIN_S))))

    async def _listen(self, inquiry: Inquiry) -> None:
        path = f"/api/council/sessions/{inquiry.session_id}/events"
        while not (inquiry.told and inquiry.told[-1][1]["kind"] == OVER):
            inquiry.streams += 1
            inquiry.texts.clear()
            last = {"Last-Event-ID": str(inquiry.told[-1][0])} if inquiry.told else {}
            try:
                async with self._http.stream("GET", path, headers=last) as answer:
                    if answer.status_code == 200:
                        async for number, event in _events(answer.aiter_lines()):
                            _hear(inquiry, number, event)
                    elif answer.status_code not in NOT_NOW or answer.status_code == 500:
                        inquiry.troubles.append(f"GET events: {answer.status_code}")
                        return
            except httpx.TransportError:
                pass
            await asyncio.sleep(AGAIN_S)


class Clients:
    """So many clients at a PC, in a thread of their own. `made` is every question so far."""

    def __init__(
        self, host: Host, url: str, key: str, count: int, question: Callable[[int], Inquiry]
    ) -> None:
        self.made: list[Inquiry] = []
        self._url, self._key, self._count = url, key, count
        self._question = question
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(host.pid,), daemon=True)
        self._thread.start()

    def ended(self) -> int:
        return sum(bool(inquiry.ended_at) for inquiry in self.made)

    def finish(self) -> list[Inquiry]:
        """No new questions; returns once every client has heard the end of its own."""
        self._stopping.set()
        self._thread.join(PATIENCE_S + 30)
        assert not self._thread.is_alive(), "a client neither hears the end nor gives up"
        return self.made

    def _run(self, pid: int) -> None:
        enter_network(pid)
        asyncio.run(self._all())

    async def _all(self) -> None:
        limits = httpx.Limits(max_connections=4 * self._count)
        headers = {"Authorization": f"Bearer {self._key}"}
        timeout = httpx.Timeout(PATIENCE_S, connect=5.0, read=30.0)
        async with (
            httpx.AsyncClient(
                base_url=self._url, headers=headers, timeout=timeout, limits=limits, trust_env=False
            ) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._count):
                group.create_task(self._one(Client(http)))

    async def _one(self, client: Client) -> None:
        while not self._stopping.is_set():
            inquiry = self._question(len(self.made) + 1)
            self.made.append(inquiry)
            await client.inquire(inquiry)


def questions(seed: int, seatings: tuple[tuple[str, ...], ...]) -> Callable[[int], Inquiry]:
    """Makes questions, each for one of the seatings; the first model of it takes the chair."""
    chance = random.Random(seed)

    def question(number: int) -> Inquiry:
        models = chance.choice(seatings)
        return Inquiry(number, models, chairman=models[0], waits=chance.random() < 0.25)

    return question


def _hear(inquiry: Inquiry, number: int | None, event: dict[str, Any]) -> None:
    if number is not None:
        inquiry.told.append((number, event))
        if event["kind"] == "agent_started":
            inquiry.texts.pop((event["stage"], event["agent_id"]), None)
        return
    stage = {"opinion_delta": "opinions", "review_delta": "review"}.get(event["kind"], "synthesis")
    seat = (stage, event["agent_id"])
    if event["offset"] not in (0, inquiry.texts.get(seat, 0)):
        inquiry.troubles.append(f"a gap in the text of {seat} at {event['offset']}")
    inquiry.texts[seat] = event["offset"] + (0 if event["thinking"] else len(event["text"]))


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[int | None, dict[str, Any]]]:
    """(id, event) of each frame that arrived whole; deltas have no id."""
    number: int | None = None
    data = ""
    async for line in lines:
        if line.startswith("id:"):
            number = int(line[3:])
        elif line.startswith("data:"):
            data = line[5:]
        elif not line and data:
            yield number, json.loads(data)
            number, data = None, ""
