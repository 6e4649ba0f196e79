"""What the benchmarks run: a fake Ollama and the real council, each in processes of its own."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
MODELS = [f"m{n}:1b" for n in range(1, 6)]
CHAIRMAN = "chair:1b"


@contextmanager
def fake_ollama(latency_ms: int) -> Iterator[str]:
    """A fake Ollama in a process of its own; six models fit into it."""
    command = [sys.executable, "-m", "tests.fakes", "--latency-ms", str(latency_ms)]
    command += ["--models", ",".join([*MODELS, CHAIRMAN]), "--max-loaded", "6", "--tokens", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as fake:
        assert fake.stdout is not None
        try:
            yield fake.stdout.readline().strip()
        finally:
            fake.terminate()


@contextmanager
def our_council(ollama: str, port: int, **settings: str) -> Iterator[tuple[str, Path]]:
    """`./council up` with a home of its own, ended afterwards; `settings`: its environment."""
    with tempfile.TemporaryDirectory(prefix="cb", dir="/tmp") as home:
        environment = {
            **os.environ,
            "COUNCIL_HOME": home,
            "OLLAMA_HOST": ollama,
            "OLLAMA_MAX_LOADED_MODELS": "6",
            "OLLAMA_NUM_PARALLEL": "32",
            "COUNCIL_CACHE_TTL_S": "0",
            **settings,
        }
        council = [sys.executable, "-m", "serve_app"]
        up = [*council, "up", "--port", str(port)]
        subprocess.run(up, env=environment, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield f"http://127.0.0.1:{port}", Path(home)
        finally:
            subprocess.run([*council, "down"], env=environment, check=True, cwd=ROOT)


def our_processes(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("COUNCIL_RUN") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def pss_mib(home: Path) -> float:
    total = 0
    for process in our_processes(home):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


def quantile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
