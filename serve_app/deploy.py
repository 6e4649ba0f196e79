"""Puts the council onto a running Ray head: its actors, then the HTTP interface over them.

The composition root: the one place where settings, actors and HTTP meet.
"""

import platform
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import ray

from cluster import api_keys, head, run_record
from cluster.ray_council import RayCouncil
from cluster.secret_files import TOKEN, secret
from cluster.settings import Settings
from serve_app import app
from serve_app.cli.lan import join_line_without_token, own_addresses
from serve_app.configuration import ApiConfig
from serve_app.hosts import LOOPBACK

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
            partial(
                RayCouncil,
                head.find_orchestrator,
                is_stopping=partial(run_record.is_stopping, settings.home),
            ),
            api_config(settings),
            settings.host,
            settings.port,
        )
    finally:
        ray.shutdown()


def api_config(settings: Settings) -> ApiConfig:
    """What HTTP is told. Off loopback a key is required; no key goes to the replica."""
    api_keys.take_in_own(settings.home, datetime.now(UTC))
    return ApiConfig(
        version=VERSION,
        python_version=platform.python_version(),
        ray_version=version("ray"),
        dashboard_url=f"http://127.0.0.1:{settings.dashboard_port or DASHBOARD_PORT}",
        require_key=settings.lan,
        keys_file=api_keys.path(settings.home),
        join_token_sha256=api_keys.digest(secret(settings.home, TOKEN)),
        hosts=known_hosts(settings, socket.gethostname(), own_addresses()),
        cors_origins=settings.cors_origins,
        join_line=join_line_without_token(settings),
        mode=settings.mode,
        task_model=settings.task_model,
        task_markers=settings.task_markers,
        stream_judged=settings.stream_answer == "judged",
    )


def known_hosts(settings: Settings, host_name: str, addresses: Sequence[str]) -> tuple[str, ...]:
    """The names that HTTP answers to: loopback's, where it listens, this PC's, and the user's."""
    everywhere = settings.host in ("0.0.0.0", "::")
    own = (host_name, f"{host_name.partition('.')[0]}.local")
    listening = tuple(addresses) if everywhere else (settings.host,)
    return tuple(dict.fromkeys((*LOOPBACK, *listening, *own, *settings.allowed_hosts)))
