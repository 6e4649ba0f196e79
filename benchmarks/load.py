"""A hundred councils of five at once, and five times more questions than the PCs can answer.

    .venv/bin/python -m benchmarks.load [--councils 100] [--seconds 30]

The council is the real one (`./council up`, Ray and all), its model server a fake whose answers
name the question they were asked: an answer that came to the wrong session is seen. At five times
what the PCs can do (one call of a model at once, as Ollama has it by default), what is accepted
must complete and the rest be refused within 100 ms (p99) and leave nothing behind. Ends with exit
code 1 if a promise was broken.
"""

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.running import CHAIRMAN, MODELS, fake_ollama, our_council, quantile

QUERY, SESSIONS = "/api/council/query", "/api/council/sessions"
QUICK_MS, SLOW_MS = 50, 400
"""Of a model call: for the hundred at once, and where models are what there is too little of."""
REFUSED_P99_MS = 100
FACTOR = 5
WHOLE = {"COUNCIL_EARLY_STOP": "false"}
"""Every review is heard, so that its absence is a fault."""
WARM_UP = 10
"""Councils after which the models are loaded, and how long calls take is learnt."""


@dataclass
class Outcome:
    """What became of the questions of one run."""

    asked: int = 0
    ended: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """(number of the question, its session)."""
    refused_ms: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    took_s: float = 0.0

    def judge(self) -> None:
        for number, session in self.ended:
            if wrong := wrong_with(number, session):
                self.broken.append(f"question {number}: {wrong}")


def body(number: int) -> dict[str, Any]:
    return {
        "query": f"Why is the sky blue? #Q{number}",
        "selected_agents": [{"model": model} for model in MODELS],
        "chairman_model": CHAIRMAN,
    }


def wrong_with(number: int, session: dict[str, Any]) -> str:
    """Empty if the session is whole and every text in it is about its own question."""
    if session["stage"] != "complete" or session["degraded"]:
        return f"{session['stage']} {session['error']} {session['notices']}"
    if len(session["opinions"]) != 5 or len(session["reviews"]) != 5:
        return "a seat is missing"
    places = sorted(line["agent_id"] for line in session["ranking"])
    if places != sorted(agent["agent_id"] for agent in session["agents"]):
        return "the ranking does not name every seat once"
    texts = [opinion["content"] for opinion in session["opinions"]]
    texts.append(session["final_answer"]["content"])
    marks = {mark for text in texts for mark in re.findall(r"#Q\d+", text)}
    return "" if marks == {f"#Q{number}"} else f"its answers are about {sorted(marks)}"


async def at_once(http: httpx.AsyncClient, councils: int) -> Outcome:
    """All of them in flight together."""
    outcome, began = Outcome(), time.monotonic()

    async def one(number: int) -> None:
        outcome.asked += 1
        answer = await http.post(QUERY, json=body(number))
        if answer.status_code == 200:
            outcome.ended.append((number, answer.json()))
        else:
            outcome.broken.append(f"question {number}: {answer.status_code} {answer.text[:200]}")

    await asyncio.gather(*(one(number) for number in range(1, councils + 1)))
    outcome.took_s = time.monotonic() - began
    outcome.judge()
    return outcome


async def too_many(http: httpx.AsyncClient, rate: float, seconds: float) -> Outcome:
    """`rate` questions a second, whatever becomes of them."""
    outcome, began = Outcome(), time.monotonic()
    accepted: dict[str, int] = {}

    async def one(number: int) -> None:
        outcome.asked += 1
        sent = time.perf_counter()
        answer = await http.post(SESSIONS, json=body(number))
        if answer.status_code == 202:
            accepted[answer.json()["session_id"]] = number
        elif answer.status_code == 429 and "retry-after" in answer.headers:
            outcome.refused_ms.append((time.perf_counter() - sent) * 1000)
        else:
            outcome.broken.append(f"question {number}: {answer.status_code} {answer.text[:200]}")

    async with asyncio.TaskGroup() as group:
        for number in range(1, round(rate * seconds) + 1):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            group.create_task(one(1000 + number))
    for session_id, number in accepted.items():
        outcome.ended.append((number, await ended(http, session_id)))
    outcome.took_s = time.monotonic() - began
    outcome.judge()
    stored = await everything_stored(http)
    if left := {number for number in stored if number > 1000} - set(accepted.values()):
        outcome.broken.append(f"refused and stored all the same: {sorted(left)}")
    if outcome.refused_ms and quantile(outcome.refused_ms, 0.99) > REFUSED_P99_MS:
        outcome.broken.append("refusals took too long")
    return outcome


async def ended(http: httpx.AsyncClient, session_id: str) -> dict[str, Any]:
    """The session, once its stream of events has come to an end."""
    async with http.stream("GET", f"{SESSIONS}/{session_id}/events") as events:
        async for _ in events.aiter_raw():
            pass
    session: dict[str, Any] = (await http.get(f"{SESSIONS}/{session_id}")).json()
    return session


async def everything_stored(http: httpx.AsyncClient) -> set[int]:
    """The numbers of all questions in the store."""
    numbers, before = set[int](), None
    while True:
        params = {"limit": 200} | ({"before": before} if before else {})
        page: Sequence[dict[str, Any]] = (await http.get(SESSIONS, params=params)).json()[
            "sessions"
        ]
        if not page:
            return numbers
        numbers |= {int(re.findall(r"#Q(\d+)", line["query"])[0]) for line in page}
        before = page[-1]["created_at"]


def client(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    return httpx.AsyncClient(base_url=url, timeout=600, limits=limits)


async def play_at_once(url: str, councils: int) -> Outcome:
    async with client(url) as http:
        await at_once(http, WARM_UP)
        return await at_once(http, councils)


async def play_too_many(url: str, seconds: float) -> tuple[Outcome, float]:
    """And how many councils a second the PCs can answer."""
    async with client(url) as http:
        await at_once(http, WARM_UP)
        capacity = WARM_UP / (await at_once(http, WARM_UP)).took_s
        return await too_many(http, FACTOR * capacity, seconds), capacity


def report(together: Outcome, over: Outcome, capacity: float) -> Table:
    table = Table(title="Load: councils of five seats and a chairman", show_header=False)
    table.add_row("at once, correct", f"{together.asked}, {len(together.ended)}")
    rate = together.asked / together.took_s
    table.add_row("took, a second", f"{together.took_s:.1f} s, {rate:.1f}")
    table.add_row(f"asked at {FACTOR} times {capacity:.2f} a second", f"{over.asked}")
    table.add_row("accepted, all of them correct", f"{len(over.ended)}")
    table.add_row("refused (429)", f"{len(over.refused_ms)}")
    if over.refused_ms:
        shares = [quantile(over.refused_ms, share) for share in (0.5, 0.95, 0.99)]
        table.add_row("refused within, p50 / p95 / p99", " / ".join(f"{t:.0f} ms" for t in shares))
    table.add_row("broken promises", f"{len(together.broken) + len(over.broken)}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--councils", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0, help="of five times too much")
    parser.add_argument("--queue-s", type=float, default=20.0, help="COUNCIL_MAX_QUEUE_S")
    parser.add_argument("--port", type=int, default=18082)
    chosen = parser.parse_args()
    with fake_ollama(QUICK_MS) as ollama, our_council(ollama, chosen.port, **WHOLE) as (url, _):
        together = asyncio.run(play_at_once(url, chosen.councils))
    few = {"COUNCIL_MAX_QUEUE_S": str(chosen.queue_s), "OLLAMA_NUM_PARALLEL": "1"}
    with (
        fake_ollama(SLOW_MS) as ollama,
        our_council(ollama, chosen.port, **few, **WHOLE) as (url, _),
    ):
        over, capacity = asyncio.run(play_too_many(url, chosen.seconds))
    console = Console(width=100)
    console.print(report(together, over, capacity))
    broken = [*together.broken, *over.broken]
    for sentence in broken[:20]:
        console.print(f"  {sentence}", markup=False)
    sys.exit(1 if broken or not over.refused_ms else 0)


if __name__ == "__main__":
    main()
