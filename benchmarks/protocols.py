"""What OpenAI's protocol adds to a delta of the council's own stream.

One session, heard twice at once: by `/v1/chat/completions` and by the session's own server-sent
events. For each piece of the answer that `/v1` gives out: how much later it came than the same
characters did on the own stream. What follows the synthesis, where judges prefer an opinion, is not
counted.

`python -m benchmarks.protocols --councils 5`
"""

import argparse
import asyncio
import json
import time
from bisect import bisect_left
from collections.abc import AsyncIterator

import httpx

from benchmarks.running import CHAIRMAN, MODELS, fake_ollama, our_council, quantile

ASK = {"model": "council", "stream": True, "messages": [{"role": "user", "content": "Why?"}]}
Arrivals = list[tuple[int, float]]
"""(characters of the answer so far, when)."""


async def data(response: httpx.Response) -> AsyncIterator[dict[str, object]]:
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


async def by_openai(http: httpx.AsyncClient, opened: asyncio.Future[str]) -> Arrivals:
    arrivals, length = [], 0
    async with http.stream("POST", "/v1/chat/completions", json=ASK) as response:
        opened.set_result(response.headers["x-council-session"])
        async for chunk in data(response):
            for choice in chunk["choices"]:  # type: ignore[attr-defined]
                if text := choice["delta"].get("content"):
                    length += len(text)
                    arrivals.append((length, time.perf_counter()))
    return arrivals


async def by_ourselves(http: httpx.AsyncClient, opened: asyncio.Future[str]) -> Arrivals:
    arrivals, length = [], 0
    path = f"/api/council/sessions/{await opened}/events"
    async with http.stream("GET", path) as response:
        async for event in data(response):
            if event["kind"] == "synthesis_delta":
                length = int(event["offset"]) + len(str(event["text"]))  # type: ignore[call-overload]
                arrivals.append((length, time.perf_counter()))
    return arrivals


async def measure(url: str, councils: int) -> list[float]:
    """Milliseconds that each piece came later."""
    later = []
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as http:
        for _ in range(councils):
            opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            theirs, ours = await asyncio.gather(by_openai(http, opened), by_ourselves(http, opened))
            lengths = [length for length, _ in ours]
            for length, at in theirs:
                index = bisect_left(lengths, length)
                if index < len(ours):  # the end of the text is told with the final answer
                    later.append((at - ours[index][1]) * 1000)
    return later


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--councils", type=int, default=5)
    parser.add_argument("--latency-ms", type=int, default=2000, help="of a whole answer, 40 tokens")
    parser.add_argument("--port", type=int, default=18473)
    wanted = parser.parse_args()
    models = ",".join(MODELS[:3])
    settings = {"COUNCIL_MODELS": models, "COUNCIL_CHAIRMAN_MODEL": CHAIRMAN}
    with (
        fake_ollama(wanted.latency_ms) as ollama,
        our_council(ollama, wanted.port, **settings) as (url, _),
    ):
        later = asyncio.run(measure(url, wanted.councils))
    print("| pieces | p50 | p95 | p99 |\n|---|---|---|---|")
    cells = " | ".join(f"{quantile(later, share):.1f} ms" for share in (0.5, 0.95, 0.99))
    print(f"| {len(later)} | {cells} |")


if __name__ == "__main__":
    main()
