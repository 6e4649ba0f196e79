"""The real Prometheus scrapes a real council and its Ray with our configuration; every panel of the
dashboard has something to show."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes import FakeOllama
from tests.fakes import replies as say
from tests.prometheus import MONITORING, Prometheus, configured, finite, scraping
from tests.sittings import at

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (shutil.which("prometheus") and shutil.which("promtool")),
        reason="not installed: prometheus (apt-get install prometheus)",
    ),
]

ENDED = "sum(council_sessions_total)"
FAILED = 'council_sessions_total{mode="fast", outcome="no_opinions"}'
"""Of no other test of this tier."""
RANGE = "1m"
"""In place of Grafana's own `$__rate_interval`."""


@pytest.fixture(scope="module")
def prometheus(
    watched_council: str, fake_ollama: FakeOllama, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """After a council that failed, a request that was refused and a council that succeeded, twice:
    it scrapes after each, since a rate wants to see a series grow, not only be there."""
    import ray

    rays = [f"{n['NodeManagerAddress']}:{n['MetricsExportPort']}" for n in ray.nodes()]
    config = configured(tmp_path_factory.mktemp("prometheus"), watched_council, rays, "any key")
    fake_ollama.always(at("opinions", "gamma"), say.error(500, "it crashed"))
    try:
        with scraping(config) as prometheus:
            prometheus.until('up{job="council"}', lambda values: values == [1.0])
            (before,) = prometheus.values(f"{ENDED} or vector(0)")
            for ended, ask in enumerate((fail, succeed) * 2, 1):
                ask(watched_council)
                prometheus.until(ENDED, lambda values, n=ended: values == [before + n])
            yield prometheus
    finally:
        fake_ollama.unscript()


def succeed(url: str) -> None:
    seats = [{"model": model} for model in ("alpha", "beta", "alpha", "beta")]
    question = {"query": "Why?", "selected_agents": seats, "chairman_model": "gamma"}
    answered = httpx.post(f"{url}/api/council/query", json=question, timeout=60)
    assert answered.status_code == 200 and answered.json()["latency_stats"]["guard"]
    again = {"model": "alpha", "prompt": "Why?", "options": {"seed": 1}}
    told = [httpx.post(f"{url}/api/generate", json=again, timeout=60).json() for _ in range(2)]
    assert told[1]["cached"]


def fail(url: str) -> None:
    failing = {
        "query": "Why?",
        "selected_agents": [{"model": "gamma"}],
        "chairman_model": "gamma",
        "mode": "fast",
    }
    assert httpx.post(f"{url}/api/council/query", json=failing, timeout=60).status_code == 502
    assert httpx.post(f"{url}/api/council/query", content="?", timeout=10).status_code == 415


def expressions() -> dict[str, str]:
    dashboard = json.loads((MONITORING / "grafana/dashboards/council.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", RANGE)
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }


def test_every_target_is_scraped(prometheus: Prometheus) -> None:
    targets = prometheus.targets()
    assert {target["labels"]["job"] for target in targets} == {"council", "ray"}
    prometheus.until("up", lambda values: values == [1.0] * len(targets))


@pytest.mark.parametrize("panel", expressions())
def test_every_panel_has_something_to_show(prometheus: Prometheus, panel: str) -> None:
    assert "$" not in expressions()[panel]
    prometheus.until(expressions()[panel], finite)


def test_ray_tells_it_too(prometheus: Prometheus) -> None:
    """Its own counts go on where an earlier council of this Ray left off."""
    prometheus.until(f"sum({FAILED})", lambda values: values == [2.0])
    prometheus.until(f"sum(ray_{FAILED})", lambda values: values == [2.0])
    prometheus.until("sum(ray_council_slots)", lambda values: values == [3.0])
    prometheus.until('sum(ray_council_http_requests_total{status="415"})', lambda v: v >= [2.0])


def test_promtool_finds_no_fault(watched_council: str, tmp_path: Path) -> None:
    config = configured(tmp_path, watched_council, ["127.0.0.1:1"], "any key")
    checked = tool("check", "config", str(config))
    assert checked.returncode == 0 and "WARNING" not in checked.stdout + checked.stderr
    linted = tool("check", "metrics", read=httpx.get(f"{watched_council}/metrics").text)
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def tool(*words: str, read: str = "") -> "subprocess.CompletedProcess[Any]":
    return subprocess.run(["promtool", *words], input=read, capture_output=True, text=True)
