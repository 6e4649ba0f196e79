"""One Ray node on this PC: its environment, its command line, and the wait until it stands.

The head of a council for one PC listens on loopback only; Ray itself knows that only as a mode for
systems where it does not form clusters, hence `RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0`. A further node
on the same PC reaches such a head through 0.0.0.0, which Ray does not turn into a LAN address.
"""

import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster import continuation, processes
from cluster.nodes import START
from cluster.ports import Ports, free_ports
from cluster.secret_files import TOKEN
from cluster.settings import Settings

_log = logging.getLogger(__name__)

TRIES = 3
START_S = 120.0
_SESSION = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
_SOCKET_PATH_MAX = 107


class NodeDidNotStart(Exception):
    """`NodeDidNotStart(sentence)`: with the place of the log."""


@dataclass(frozen=True)
class Node:
    """A node that stands. `address` is the head's (host:port), as a driver on this PC gives it."""

    process: processes.Process
    address: str
    ports: Ports
    log: Path


def ray_environment(settings: Settings) -> dict[str, str]:
    """What every process of the council on this PC has in its environment, besides its own."""
    loopback = _is_loopback(settings.ray_address)
    return {
        **settings.environment(),
        processes.MARK: str(settings.home),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(settings.home / TOKEN),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0" if loopback else "1",
        # A PC is dead after 3 s where its node ended, after 33 s where its cable is out (64 s by
        # default): a cable that is out for 10 s kills nothing, nor does a bad one, over which an
        # answer may take seconds (`cluster/reach.py` tells sooner).
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "10000",
        "RAY_health_check_failure_threshold": "3",
        # What the dashboard shows of a PC is by far the most that crosses the LAN: 25 to 40 KB each
        # time, of which most is the empty words behind the names of Ray's workers (5 s by default).
        "REPORTER_UPDATE_INTERVAL_MS": "30000",
        # PCs wait that long for a head that crashed, agents and models in place (60 s by default).
        "RAY_gcs_rpc_server_reconnect_timeout_s": "300",
        # What Ray's head remembers of the dead (100,000 actors, 1,000 nodes by default): it runs
        # for months, and each agent that is evicted or killed is one.
        "RAY_maximum_gcs_destroyed_actor_cached_count": "500",
        "RAY_maximum_gcs_dead_worker_cached_count": "500",
        "RAY_maximum_gcs_dead_node_cached_count": "100",
        # A node that is told to end ends: our actors never fall idle, so waiting for that is vain.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        # The replica serves on one loop, and logs no line a request.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Ray's workers rename themselves; without this they overwrite the mark in /proc.
        "SPT_NOENV": "1",
    }


def head_environment(settings: Settings, ports: Ports) -> dict[str, str]:
    """Of the head: it keeps its tables on disk, so that it can go on after a crash."""
    return {
        **ray_environment(settings),
        **{name: str(port) for name, port in ports.metrics.items()},
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(continuation.tables(settings.home)),
    }


def adopt(settings: Settings) -> None:
    """Gives this process the environment of a driver of this council. Before `import ray`."""
    os.environ.update(ray_environment(settings))


def head_command(settings: Settings, ports: Ports, slots: int) -> list[str]:
    """`slots` = how many models may sit on this PC; 0 = it only coordinates."""
    resources = {"council_head": 1, f"pc:{settings.node_name}": 1}
    host = settings.ray_address.rpartition(":")[0]
    return [
        *_ray("start", "--head", "--block", f"--node-ip-address={host}", f"--port={ports.gcs}"),
        f"--ray-client-server-port={ports.client}",
        *("--include-dashboard=true", "--dashboard-host=127.0.0.1"),
        f"--dashboard-port={ports.dashboard}",
        *_common(settings, ports, _offering(resources, slots)),
    ]


def worker_command(settings: Settings, ports: Ports, slots: int) -> list[str]:
    """Joins the head at `settings.ray_address`."""
    host, _, port = settings.ray_address.rpartition(":")
    address = f"0.0.0.0:{port}" if _is_loopback(settings.ray_address) else f"{host}:{port}"
    resources = {f"pc:{settings.node_name}": 1}
    return [
        *_ray("start", "--block", f"--address={address}"),
        *_common(settings, ports, _offering(resources, slots)),
    ]


def start_head(settings: Settings, slots: int, former: Ports | None = None) -> Node:
    """At the `former` ports, over the tables that are there; without any at ports that are free.
    Raises `NodeDidNotStart`, `NoFreePorts`."""
    host = settings.ray_address.rpartition(":")[0]
    for attempt in range(1 if former else TRIES):
        ports = former or free_ports(settings.ray_port, settings.dashboard_port, skip=attempt)
        address = f"{host}:{ports.gcs}"
        placed = settings.model_copy(update={"ray_address": address})
        command = head_command(placed, ports, slots)
        environment = head_environment(placed, ports)
        node = _start(command, environment, placed, ports, "ray-head")
        if node is not None:
            return node
    raise NodeDidNotStart(_why(settings.home / "logs" / "ray-head.log"))


def start_worker(settings: Settings, slots: int) -> Node:
    """Raises `NodeDidNotStart`, `NoFreePorts`."""
    environment = {**ray_environment(settings), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    name = f"ray-{settings.node_name}"
    for attempt in range(TRIES):
        ports = free_ports(settings.ray_port, skip=attempt)
        command = worker_command(settings, ports, slots)
        node = _start(command, environment, settings, ports, name)
        if node is not None:
            return node
    raise NodeDidNotStart(_why(settings.home / "logs" / f"{name}.log"))


def raylet_runs(node: Node) -> bool:
    """Whether the node is whole: `ray start --block` stays even where its raylet has left."""
    return "raylet" in _children(node.process)


def find_head(home: Path) -> processes.Process | None:
    """The `ray start --head` of the council whose home this is, if it runs on this PC."""
    return next((p for p in processes.ours(home) if "--head" in _line(p)), None)


def head_runs(head: processes.Process) -> bool:
    """Whether the head is whole."""
    return {"gcs_server", "raylet"} <= _children(head)


def _start(
    command: list[str], environment: Mapping[str, str], settings: Settings, ports: Ports, name: str
) -> Node | None:
    """The node once it stands; None where another try may go well: a port was taken under our
    hands, or a signal ended Ray."""
    log = settings.home / "logs" / f"{name}.log"
    log.unlink(missing_ok=True)
    process = processes.start(command, environment, log)
    until = time.monotonic() + START_S
    try:
        while time.monotonic() < until:
            text = log.read_text(errors="replace")
            if "Ray runtime started" in text:
                return Node(process, settings.ray_address, ports, log)
            if not process.is_running() or process.status() == "zombie":
                break
            time.sleep(0.1)
    except BaseException:
        processes.end([process, *process.children(recursive=True)])
        raise
    code = _exit_code(process)
    processes.end([process])
    if "ddress already in use" in log.read_text(errors="replace"):
        return None
    if code is not None and code < 0:
        _log.warning("%s ended Ray while it started; all that it said: %s", _ended(code), log)
        return None
    raise NodeDidNotStart(_why(log, _ended(code)))


def _why(log: Path, ended: str = "") -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1][-300:] if lines else "it printed nothing"
    how = f" ({ended})" if ended else ""
    return f"Ray did not start{how}: {last}\nAll that it said: {log}"


def _exit_code(process: processes.Process) -> int | None:
    """Of a child of ours that has ended; None while it runs."""
    try:
        return process.wait(timeout=0)
    except psutil.Error:
        return None


def _ended(code: int | None) -> str:
    if code is None:
        return f"it does not stand after {START_S:g} s"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _ray(*words: str) -> list[str]:
    return [sys.executable, "-m", "ray.scripts.scripts", *words]


def _offering(resources: dict[str, int], slots: int) -> dict[str, int]:
    return {**resources, "ollama": slots} if slots else resources


def _common(settings: Settings, ports: Ports, resources: dict[str, int]) -> list[str]:
    return [
        f"--node-name={settings.node_name}",
        f"--labels={START}={_this_command()}",
        f"--resources={json.dumps(resources)}",
        f"--object-store-memory={settings.object_store_bytes}",
        *(f"--{option}={port}" for option, port in ports.node.items()),
        *_temp_dir(settings.home),
        "--log-style=record",
    ]


def _this_command() -> str:
    """The command that starts the node, by which PC1 knows it again after a lost link."""
    return f"{os.getpid()}-{psutil.Process().create_time():.2f}"


def _temp_dir(home: Path) -> list[str]:
    """Ray's logs and sockets inside our home, where a socket's path is not too long for that."""
    folder = home / "ray"
    if len(os.fsencode(folder / _SESSION)) > _SOCKET_PATH_MAX:
        return []
    return [f"--temp-dir={folder}"]


def end(settings: Settings) -> None:
    """Ends what is left of this PC's node, not the model server beside it."""
    left = [p for p in processes.ours(settings.home, settings.node_name) if not _is_engine(p)]
    processes.end(left)


def _is_engine(process: processes.Process) -> bool:
    return any("cluster.embedded" in word for word in _line(process))


def _line(process: processes.Process) -> list[str]:
    """Its command line; none once it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _children(process: processes.Process) -> set[str]:
    """What the processes that it started and that still run are called."""
    try:
        return {c.name() for c in process.children() if c.status() != psutil.STATUS_ZOMBIE}
    except psutil.Error:
        return set()


def clear_sessions(home: Path) -> None:
    """Removes what earlier runs of Ray left in our home. Only while none of ours runs."""
    shutil.rmtree(home / "ray", ignore_errors=True)


def _is_loopback(address: str) -> bool:
    return address.rpartition(":")[0] in ("127.0.0.1", "localhost")
