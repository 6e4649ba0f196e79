"""One local Ray for the whole tier, and a fake Ollama behind it; at the tier's end one council that
several modules look at from outside."""

import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.fakes import FakeOllama, threaded
from tests.served_council import served_council

MODELS = ("alpha", "beta", "gamma", "delta")


@pytest.fixture(scope="session")
def fake_ollama() -> Iterator[FakeOllama]:
    """pc1's model server: four models on disk, three fit into memory."""
    with threaded(FakeOllama(models=MODELS)) as fake:
        yield fake


@pytest.fixture(scope="session")
def local_ray(fake_ollama: FakeOllama) -> Iterator[None]:
    """A Ray of one node, `pc1`, which is the head and may keep three models loaded."""
    home = Path(tempfile.mkdtemp(prefix="council-"))
    changes = {
        "HOME": str(home),
        "RAY_TMPDIR": str(home),
        "RAY_USAGE_STATS_ENABLED": "0",
        "COUNCIL_OLLAMA_URL": fake_ollama.url,
        "COUNCIL_HOME": str(home),
        "COUNCIL_NODE_NAME": "pc1",
        "COUNCIL_CACHE_TTL_S": "0",
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        from cluster.head import LOGS

        ray.init(
            address="local",
            include_dashboard=False,
            namespace="council",
            num_cpus=2,
            resources={"council_head": 1, "ollama": 3, "pc:pc1": 1},
            object_store_memory=80_000_000,
            log_to_driver=False,
            runtime_env={
                "env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])},
                "worker_process_setup_hook": LOGS,
            },
            _system_config={"metrics_report_interval_ms": 1000},
        )
        yield
        ray.shutdown()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def canary() -> str:
    """A word that stands nowhere else."""
    return f"canary{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def watched_council(local_ray: None, canary: str) -> Iterator[str]:
    """Where it is served; its key begins with the canary. Whoever uses it runs last: until its end
    no other council can be on this Ray."""
    (Path(os.environ["COUNCIL_HOME"]) / "api_key").write_text(f"{canary}key")
    with patch.dict(os.environ, COUNCIL_CACHE_TTL_S="60"), served_council() as url:
        yield url


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "watched_council" in getattr(item, "fixturenames", ()))
