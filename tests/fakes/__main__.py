"""The fake Ollama as a process: prints its URL on the first line, serves until it is ended."""

import argparse
import asyncio
import signal

from tests.fakes.ollama import FakeOllama
from tests.fakes.shapes import FakeModel


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--models", default="fake:latest", help="names, with commas")
    parser.add_argument("--thinkers", default="", help="those of them that can think")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of a whole answer")
    parser.add_argument("--tokens", type=int, default=20, help="of an answer")
    parser.add_argument("--load-ms", type=float, default=0.0, help="of a cold load")
    parser.add_argument("--max-loaded", type=int, default=3)
    parser.add_argument("--num-parallel", type=int, default=None)
    parser.add_argument("--version", default="0.34.1")
    return parser.parse_args()


async def serve(chosen: argparse.Namespace) -> None:
    thinkers = chosen.thinkers.split(",")
    models = [
        FakeModel(name, ("completion", "thinking") if name in thinkers else ("completion",))
        for name in chosen.models.split(",")
    ]
    fake = FakeOllama(
        models,
        latency_s=chosen.latency_ms / 1000,
        tokens=chosen.tokens,
        load_s=chosen.load_ms / 1000,
        max_loaded=chosen.max_loaded,
        num_parallel=chosen.num_parallel,
        version=chosen.version,
        host=chosen.host,
        port=chosen.port,
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with fake:
        print(fake.url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(options()))
