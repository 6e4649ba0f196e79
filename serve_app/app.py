"""The HTTP interface as a Ray Serve application. The only file that imports `ray.serve`.

The FastAPI application is built inside the replica: nothing of it crosses a process, only the
callable that finds the council and plain values. The replica takes requests on a socket of its
own, past Serve's proxy; Serve places it, watches it and restarts it.

No `from __future__ import annotations` here: Serve then hands a builder a dict.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve._private import replica

from actors.meters.catalogue import OF_HTTP
from actors.meters.ray_metrics import RayMetrics
from cluster.council import Council
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening

NAME = "council"
STREAMS = 10_000
"""Requests at once that a proxy of Serve's, if somebody starts one, may send to the replica. A
stream is a request for as long as it lasts; what a council takes its own queue bounds."""


class CouncilApi:
    """What Serve makes in the replica: finds the council, builds the routes over it."""

    def __init__(
        self, connect: Callable[[], Council], config: ApiConfig, host: str, port: int
    ) -> None:
        self._connect = connect
        self._config = config
        self._host = host
        self._port = port
        _grpc_on_loopback()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_api(self._connect, self._config, self._lifespan, RayMetrics(OF_HTTP))

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """As long as the replica lives it listens."""
        async with listening(app, self._host, self._port):
            yield


def _grpc_on_loopback() -> None:
    """A replica opens a gRPC port, at every address, for other deployments; we have none, and
    nothing is to listen beyond loopback unasked. Ray has no setting for it."""
    open_port = replica.add_port_to_grpc_server

    def opened(server: Any, address: str) -> int:
        return int(open_port(server, address.replace("[::]", "127.0.0.1")))

    replica.add_port_to_grpc_server = opened


def run(connect: Callable[[], Council], config: ApiConfig, host: str, port: int) -> None:
    """Serves on `host:port`; returns once HTTP is up. Serve's own proxy is not started: a replica
    that is killed is back, on the same port, in about five seconds. Raises RuntimeError."""
    serve.start(proxy_location="Disabled")
    serve.run(build(connect, config, host, port), name=NAME, route_prefix="/")


def build(
    connect: Callable[[], Council], config: ApiConfig, host: str, port: int
) -> serve.Application:
    """The application: one replica on PC1. `connect` must pickle; it is called in the replica."""
    deployment = serve.deployment(
        serve.ingress()(CouncilApi),
        name=NAME,
        num_replicas=1,
        max_ongoing_requests=STREAMS,
        max_queued_requests=-1,
        ray_actor_options={"num_cpus": 0, "resources": {"council_head": 0.001}},
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=3,
        health_check_period_s=5,
        health_check_timeout_s=15,
    )
    return deployment.bind(connect, config, host, port)
