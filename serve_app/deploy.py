"""Puts the council onto a running Ray head: its actors, then the HTTP interface over them.

The composition root: the one place where settings, actors and HTTP meet.
"""

import hashlib
import platform
from functools import partial
from importlib.metadata import version

import ray

from cluster import head
from cluster.ray_council import RayCouncil
from cluster.secret_files import KEY, TOKEN, secret
from cluster.settings import Settings
from serve_app import app
from serve_app.configuration import ApiConfig

VERSION = "0.1.0"
DASHBOARD_PORT = 8265
"""Where Ray puts its dashboard unless told otherwise; on loopback of PC1 only."""


def deploy(settings: Settings) -> None:
    """Creates what is missing and serves; returns once HTTP is up. Everything outlives this
    process. Raises `ray.exceptions.RayError`, `ConnectionError` when there is no head."""
    head.connect(settings)
    try:
        head.start_council(settings)
        app.run(
            partial(RayCouncil, head.find_orchestrator),
            api_config(settings),
            settings.host,
            settings.port,
        )
    finally:
        ray.shutdown()


def api_config(settings: Settings) -> ApiConfig:
    """What HTTP is told. Off loopback the key is required; only its hash goes to the replica."""
    return ApiConfig(
        version=VERSION,
        python_version=platform.python_version(),
        ray_version=version("ray"),
        dashboard_url=f"http://127.0.0.1:{settings.dashboard_port or DASHBOARD_PORT}",
        require_key=settings.lan,
        key_sha256=_hash(secret(settings.home, KEY)),
        join_token_sha256=_hash(secret(settings.home, TOKEN)),
        cors_origins=settings.cors_origins,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
