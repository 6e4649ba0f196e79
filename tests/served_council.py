"""The real council over a Ray that runs already: its actors, and HTTP on a port of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.ports import port_for_later


@contextmanager
def served_council() -> Iterator[str]:
    """Yields where it is served, once it is ready; ends its actors afterwards."""
    import ray
    from ray import serve

    from cluster import head
    from cluster.ray_council import RayCouncil
    from cluster.settings import Settings
    from serve_app import app
    from serve_app.deploy import api_config

    settings = Settings.having(port=port_for_later())
    orchestrator = head.start_council(settings)
    app.run(
        lambda: RayCouncil(head.find_orchestrator),
        api_config(settings),
        settings.host,
        settings.port,
    )
    ready = f"{settings.api_url}/health/ready"
    until = time.monotonic() + 60
    while httpx.get(ready, timeout=30).status_code != 200:
        assert time.monotonic() < until, "the council did not get ready"
        time.sleep(0.1)
    yield settings.api_url
    serve.shutdown()
    ray.kill(orchestrator)
