"""Which ports Ray's processes on this PC listen at. Fixed ones: random ones collide now and then.

The first block:

    6379        Ray's head (GCS), PC1 only
    6380-6385   node manager, object manager, runtime env, dashboard agent (2), metrics
    6386        Ray client, PC1 only
    6387-6388   metrics of the autoscaler and of the dashboard, PC1 only
    8265        dashboard, PC1 only, loopback only
    11000-11099 actors

A council of one PC has all of them on loopback. `up --lan` and `join` open them, the dashboard
excepted; a firewall has to let 6379-6386 and 11000-11099 through between the PCs, and 8000 (HTTP).

Where one of a block's ports is taken (a Redis at 6379, a second Ray), the next block is used: 10
higher, 1 higher for the dashboard, 100 higher for the actors.
"""

import socket
from dataclasses import dataclass

FIRST, BLOCKS = 6379, 40


class NoFreePorts(Exception):
    """`NoFreePorts(sentence)`."""


@dataclass(frozen=True)
class Ports:
    gcs: int
    dashboard: int
    min_worker: int

    @property
    def node(self) -> dict[str, int]:
        """`ray start`'s options for the ports that every node has."""
        return {
            "node-manager-port": self.gcs + 1,
            "object-manager-port": self.gcs + 2,
            "runtime-env-agent-port": self.gcs + 3,
            "dashboard-agent-grpc-port": self.gcs + 4,
            "dashboard-agent-listen-port": self.gcs + 5,
            "metrics-export-port": self.gcs + 6,
            "min-worker-port": self.min_worker,
            "max-worker-port": self.min_worker + 99,
        }

    @property
    def client(self) -> int:
        """Ray client's server (head only)."""
        return self.gcs + 7

    @property
    def metrics(self) -> dict[str, int]:
        """Variables by which Ray's head is told where it shows its own metrics (head only)."""
        return {"AUTOSCALER_METRIC_PORT": self.gcs + 8, "DASHBOARD_METRIC_PORT": self.gcs + 9}

    def all(self) -> list[int]:
        fixed = [self.gcs + step for step in range(10)]
        return [*fixed, self.dashboard, *range(self.min_worker, self.min_worker + 100)]


def block(number: int, first: int = FIRST, dashboard: int | None = None) -> Ports:
    return Ports(first + 10 * number, dashboard or 8265 + number, 11_000 + 100 * number)


def free_ports(first: int | None = None, dashboard: int | None = None, skip: int = 0) -> Ports:
    """The first block that is free, after `skip` others; the one at `first`, if that is given.

    Raises `NoFreePorts`.
    """
    for number in range(skip, skip + BLOCKS):
        if first is None:
            ports = block(number, dashboard=dashboard)
        else:
            ports = Ports(first, dashboard or 8265 + number, 11_000 + 100 * number)
        if all(is_free(port) for port in ports.all()):
            return ports
    where = f"{first} to {first + 9}" if first else "6379 and after it"
    raise NoFreePorts(
        f"The ports that Ray needs ({where}) are taken. End what uses them, or give"
        " others with COUNCIL_RAY_PORT=7000."
    )


def is_free(port: int, host: str = "") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
