"""The real Prometheus with our own configuration: other targets, a scrape every half second."""

import json
import math
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.ports import port_for_later

MONITORING = Path(__file__).parents[1] / "monitoring"
BOUND_S = 20.0
INTERVAL = "500ms"


def configured(folder: Path, api_url: str, rays: Sequence[str], key: str) -> Path:
    """Our `prometheus.yml` in `folder`, with the key's lines in force, and the files it names."""
    text = (MONITORING / "prometheus.yml").read_text()
    for ours, here in (
        ("127.0.0.1:8000", api_url.removeprefix("http://")),
        ("scrape_interval: 15s", f"scrape_interval: {INTERVAL}\n  scrape_timeout: {INTERVAL}"),
        ("# authorization:", "authorization:"),
        ("#   credentials_file:", "  credentials_file:"),
    ):
        assert text.count(ours) == 1, ours
        text = text.replace(ours, here)
    (folder / "council.key").write_text(key)
    found = [{"labels": {"job": "ray"}, "targets": list(rays)}]
    (folder / "council-ray.json").write_text(json.dumps(found))
    path = folder / "prometheus.yml"
    path.write_text(text)
    return path


class Prometheus:
    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def values(self, expression: str) -> list[float]:
        """Of every series that the expression gives just now. Raises where it cannot be read."""
        return [float(series["value"][1]) for series in self.series(expression)]

    def series(self, expression: str) -> list[dict[str, Any]]:
        told = self._http.get("/api/v1/query", params={"query": expression}).json()
        assert told["status"] == "success", f"{expression}: {told.get('error')}"
        return list(told["data"]["result"])

    def until(self, expression: str, fine: Callable[[list[float]], bool]) -> list[float]:
        """Asks until the values are as wanted."""
        end = time.monotonic() + BOUND_S
        while not fine(values := self.values(expression)):
            assert time.monotonic() < end, f"{expression}: {self.series(expression)}"
            time.sleep(0.05)
        return values

    def targets(self) -> list[dict[str, Any]]:
        return list(self._http.get("/api/v1/targets").json()["data"]["activeTargets"])


def finite(values: list[float]) -> bool:
    return bool(values) and all(map(math.isfinite, values))


@contextmanager
def scraping(config: Path) -> Iterator[Prometheus]:
    """Runs on a free port of loopback; its data is beside `config`."""
    address = f"127.0.0.1:{port_for_later()}"
    program = subprocess.Popen(
        [
            *("prometheus", f"--config.file={config}", f"--web.listen-address={address}"),
            *(f"--storage.tsdb.path={config.parent / 'data'}", "--log.level=warn"),
        ],
    )
    try:
        with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=10) as http:
            end = time.monotonic() + BOUND_S
            while not _ready(http):
                assert program.poll() is None and time.monotonic() < end
                time.sleep(0.05)
            yield Prometheus(http)
    finally:
        program.terminate()
        program.wait(10)


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
