"""What the council costs on top of the model calls: ours over HTTP against a bare httpx script.

    .venv/bin/python -m benchmarks.overhead [--rounds 40] [--quick]

Both sides make the same calls (opinions at once, then each reviewer's critique and ballot, one
synthesis, and the guard's comparisons) to the same fake Ollama, in one run and in turns, so that
the machine's mood hits both. Ours streams every opinion and stores every step. Absolute times are
the machine's; read the ratios.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from actors.council.asking.review_prompts import ballot_schema
from actors.council.judging.guard import SCHEMA
from benchmarks.running import (
    CHAIRMAN,
    MODELS,
    fake_ollama,
    our_council,
    our_processes,
    pss_mib,
    quantile,
)

QUERY = "Why is the sky blue?"
Ask = Callable[[int], Awaitable[None]]


async def bare(http: httpx.AsyncClient, ollama: str, seats: int) -> None:
    """The same calls with nothing around them."""

    async def call(model: str, *turns: str, schema: dict[str, Any] | None = None) -> str:
        roles = cycle(("user", "assistant"))
        messages = [{"role": r, "content": c} for r, c in zip(roles, turns, strict=False)]
        body = {"model": model, "messages": messages, "stream": True}
        if schema:
            body["format"] = schema
        pieces = []
        async with http.stream("POST", f"{ollama}/api/chat", json=body) as answer:
            async for line in answer.aiter_lines():
                pieces.append(json.loads(line)["message"]["content"])
        return "".join(pieces)

    models = MODELS[:seats]
    opinions = await asyncio.gather(*(call(model, QUERY) for model in models))
    shared = "\n".join([QUERY, *opinions])
    labels = [chr(65 + n) for n in range(seats - 1)]
    ballot = ballot_schema(labels, with_reasoning=False)

    async def review(model: str) -> str:
        critique = await call(model, shared)
        return critique + await call(model, shared, critique, "Now the ballot.", schema=ballot)

    async def compare(model: str, synthesis: str, opinion: str) -> None:
        await call(model, f"{QUERY} {synthesis} {opinion}", schema=SCHEMA)
        await call(model, f"{QUERY} {opinion} {synthesis}", schema=SCHEMA)

    reviews = await asyncio.gather(*(review(model) for model in models))
    synthesis = await call(CHAIRMAN, "\n".join([shared, *reviews]))
    await asyncio.gather(*(compare(model, synthesis, opinions[0]) for model in models[1:]))


async def ours(http: httpx.AsyncClient, url: str, seats: int) -> None:
    body = {
        "query": QUERY,
        "selected_agents": [{"model": model} for model in MODELS[:seats]],
        "chairman_model": CHAIRMAN,
    }
    answer = await http.post(f"{url}/api/council/query", json=body)
    answer.raise_for_status()
    session = answer.json()
    if session["degraded"] or len(session["reviews"]) != seats:
        raise RuntimeError(f"not a whole council: {session['notices']} {session['absences']}")


async def in_turns(first: Ask, second: Ask, rounds: int) -> tuple[list[float], list[float]]:
    """Wall times in ms of one at a time, A B A B …"""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for ask, taken in zip((first, second), times, strict=True):
            began = time.perf_counter()
            await ask(number)
            taken.append((time.perf_counter() - began) * 1000)
    return times


async def rate(ask: Ask, total: int, in_flight: int) -> float:
    """Councils a second with so many at once."""
    gate = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with gate:
            await ask(number)

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(total)))
    return total / (time.perf_counter() - began)


async def first_delta(url: str, ollama: str, rounds: int) -> list[float]:
    """ms from the moment the fake sent its first token to its arrival at an SSE client."""
    delays = []
    async with httpx.AsyncClient(timeout=60) as http:
        for _ in range(rounds):
            body = {
                "query": QUERY,
                "selected_agents": [{"model": MODELS[0]}],
                "chairman_model": CHAIRMAN,
            }
            before = len((await http.get(f"{ollama}/fake/requests")).json()["requests"])
            opened = await http.post(f"{url}/api/council/sessions", json=body)
            arrived = 0.0
            async with http.stream("GET", f"{url}{opened.headers['location']}/events") as stream:
                async for line in stream.aiter_lines():
                    if line == "event: opinion_delta" and not arrived:
                        arrived = time.monotonic()
            asked = (await http.get(f"{ollama}/fake/requests")).json()["requests"][before:]
            spoken = next(r["begun_at"] for r in asked if r["json"].get("messages"))
            delays.append((arrived - spoken) * 1000)
    return delays


def cpu_s(home: Path) -> float:
    """CPU seconds that our processes have used, without the fake and this loader."""
    total = 0.0
    for process in our_processes(home):
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.Error:
            continue
    return total


async def measure(
    latency_ms: int, seats: int, url: str, ollama: str, home: Path, rounds: int
) -> list[str]:
    """One row: a council of `seats` at `latency_ms` a call."""
    limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
    async with httpx.AsyncClient(timeout=120, limits=limits) as http:

        async def we(number: int) -> None:
            await ours(http, url, seats)

        async def they(number: int) -> None:
            await bare(http, ollama, seats)

        await in_turns(we, they, 5)
        our_times, bare_times = await in_turns(we, they, rounds)
        at_1 = await rate(we, rounds, 1)
        used = cpu_s(home)
        at_32 = await rate(we, rounds * 4, 32)
        used = (cpu_s(home) - used) / (rounds * 4)
        bare_32 = await rate(they, rounds * 4, 32)
    p50, p95 = quantile(our_times, 0.5), quantile(our_times, 0.95)
    bare_p50, bare_p95 = quantile(bare_times, 0.5), quantile(bare_times, 0.95)
    return [
        f"{latency_ms} ms × {seats}",
        f"{bare_p50:.0f} / {bare_p95:.0f}",
        f"{p50:.0f} / {p95:.0f}",
        f"{p50 - bare_p50:.0f} / {p95 - bare_p95:.0f}",
        f"{p50 / bare_p50:.2f}",
        f"{at_1:.1f}",
        f"{at_32:.1f}",
        f"{bare_32:.1f}",
        f"{used * 1000:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    chosen = parser.parse_args()
    rounds = max(5, chosen.rounds // 10) if chosen.quick else chosen.rounds
    table = Table(title="Cost of a council around its model calls (wall times p50 / p95 in ms)")
    for column in (
        "call × seats",
        "bare",
        "ours",
        "added",
        "ratio p50",
        "ours/s at 1",
        "ours/s at 32",
        "bare/s at 32",
        "our CPU ms a council",
    ):
        table.add_column(column, justify="right")
    memory, delays = 0.0, []
    for latency_ms in (0, 50):
        whole = {"COUNCIL_EARLY_STOP": "false"}  # every review, as the other side has it
        with (
            fake_ollama(latency_ms) as ollama,
            our_council(ollama, chosen.port, **whole) as (url, home),
        ):
            for seats in (3, 5):
                row = asyncio.run(measure(latency_ms, seats, url, ollama, home, rounds))
                table.add_row(*row)
            memory = pss_mib(home)
            if latency_ms:
                delays = asyncio.run(first_delta(url, ollama, rounds))
    console = Console(width=140)
    console.print(table)
    console.print(
        "First delta at an SSE client after the fake's first token: "
        f"p50 {quantile(delays, 0.5):.0f} ms, p95 {quantile(delays, 0.95):.0f} ms. "
        f"PSS of all our processes: {memory:.0f} MiB."
    )


if __name__ == "__main__":
    main()
