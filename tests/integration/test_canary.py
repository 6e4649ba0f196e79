"""Row 45 of faults.md on a real Ray: no file that its processes log to, and no metric that they
export, has a word of a question, of an answer or of a key."""

import os
from pathlib import Path

import httpx
import pytest

from tests.fakes import FakeOllama
from tests.fakes import replies as say

pytestmark = pytest.mark.integration


def ask(url: str, word: str, *models: str) -> httpx.Response:
    seats = [{"model": model, "system": f"{word} system"} for model in models]
    question = {"query": f"Why {word}?", "selected_agents": seats, "chairman_model": "gamma"}
    return httpx.post(f"{url}/api/council/query", json=question, timeout=60)


def logs() -> dict[Path, bytes]:
    """Every file under a folder of logs: the council's own and Ray's."""
    home = Path(os.environ["COUNCIL_HOME"])
    return {
        path: path.read_bytes()
        for path in home.rglob("*")
        if "logs" in path.parent.parts and path.is_file() and not path.is_symlink()
    }


def test_row_45_no_log_on_disk_and_no_metric_has_a_word_of_it(
    watched_council: str, canary: str, fake_ollama: FakeOllama
) -> None:
    url = watched_council
    answered = ask(url, canary, "alpha", "beta")
    assert answered.status_code == 200 and canary in answered.text
    fake_ollama.always(
        lambda request: request.path == "/api/chat" and request.model.startswith("delta"),
        say.error(500, f"cannot answer {canary}"),
    )
    try:
        assert ask(url, canary, "delta").status_code == 502
        httpx.get(f"{url}/health?token={canary}", timeout=10)
        httpx.post(f"{url}/api/council/query", content=canary, timeout=10)
    finally:
        fake_ollama.unscript()
    import ray

    kept = logs()
    assert any(path.name.startswith("worker-") for path in kept)
    assert sum(map(len, kept.values())) > 10_000
    assert not [path for path, content in kept.items() if canary.encode() in content]
    for node in ray.nodes():
        exported = httpx.get(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", timeout=10)
        assert exported.status_code == 200 and "ray_" in exported.text
        assert canary not in exported.text
