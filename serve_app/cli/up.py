"""`./council up`: from nothing to a council that answers, on this PC."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from cluster import processes, ray_node, run_record
from cluster.ports import is_free
from cluster.run_record import RunRecord
from cluster.secret_files import KEY, TOKEN, home_directory, secret
from cluster.settings import Settings, inherited_environment
from serve_app.cli import summary
from serve_app.cli.client import Client
from serve_app.cli.lan import lan_address
from serve_app.cli.model_server import ModelServer, find_or_start
from serve_app.cli.terminal import Stop, note, step, tell

READY_S = 90.0
DEPLOY_S = 300.0
"""For actors and HTTP to start: 10 s on a quiet PC, a minute and more on a busy one."""


def up(settings: Settings, want_embedded: bool, coordinate_only: bool) -> None:
    """`coordinate_only`: no model sits on this PC. Raises `Stop`; nothing is left running then."""
    home_directory(settings.home)
    with _only_one(settings.home):
        if (record := _running(settings)) is not None:
            tell("The council is running already.")
            return summary.print_summary(settings, record)
        if processes.end_all(settings.home):
            note("What an earlier start had left half-way was ended.")
        _check_port(settings)
        secret(settings.home, TOKEN)
        secret(settings.home, KEY)
        try:
            record = _start(settings, want_embedded, coordinate_only)
        except BaseException:
            processes.end_all(settings.home)
            raise
    summary.print_summary(settings, record)


def down(settings: Settings) -> None:
    """Ends every process of ours on this PC; keeps the data."""
    with step("Stopping", "Stopped"):
        count = processes.end_all(settings.home)
    run_record.forget(settings.home)
    if count:
        ray_node.clear_sessions(settings.home)
        tell(f"{count} processes ended. Sessions are kept in {settings.home}.")
    else:
        tell("No council was running here.")


def on_lan(settings: Settings, wanted: str | None) -> Settings:
    """The settings with the API and Ray on this PC's LAN address."""
    host = lan_address(wanted)
    return settings.model_copy(update={"host": host, "ray_address": f"{host}:6379"})


def _start(settings: Settings, want_embedded: bool, coordinate_only: bool) -> RunRecord:
    ray_node.clear_sessions(settings.home)
    server = ModelServer(settings.ollama_url, "none: this PC only coordinates", ())
    if not coordinate_only:
        server = find_or_start(settings, want_embedded)
    settings = settings.model_copy(update={"ollama_url": server.url})
    slots = 0 if coordinate_only else settings.max_loaded_models
    with step("Starting Ray's head", "Ray's head"):
        try:
            node = ray_node.start_head(settings, slots)
        except ray_node.NodeDidNotStart as error:
            raise Stop(*str(error).splitlines()) from None
    settings = settings.model_copy(
        update={"ray_address": node.address, "dashboard_port": node.ports.dashboard}
    )
    record = RunRecord(
        api_url=settings.api_url,
        dashboard_url=f"http://127.0.0.1:{node.ports.dashboard}",
        ray_address=node.address,
        node_name=settings.node_name,
        lan=settings.lan,
        engine=server.kind,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    run_record.write(settings.home, record)
    with step("Starting the council and its HTTP API", "Council and HTTP API"):
        _deploy(settings)
    with step("Waiting until it can take a question", "Ready"):
        _wait_until_ready(settings, coordinate_only)
    return record


def _deploy(settings: Settings) -> None:
    """`./council deploy` in a process of its own: Ray's chatter goes to a log."""
    log = settings.home / "logs" / "deploy.log"
    with log.open("w") as output:
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "serve_app", "deploy"],
                env={**inherited_environment(), **ray_node.ray_environment(settings)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[2],
                timeout=DEPLOY_S,
            )
        except subprocess.TimeoutExpired:
            raise Stop(
                f"Ray did not start the council within {DEPLOY_S:.0f} s: this PC may be too busy.",
                f"All that was said: {log}",
            ) from None
    if ended.returncode != 0:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        last = said[-1].strip()[-400:] if said else "it said nothing"
        raise Stop(f"The council could not be started: {last}", f"All that was said: {log}")


def _wait_until_ready(settings: Settings, coordinate_only: bool) -> None:
    client = Client(settings.api_url, secret(settings.home, KEY))
    path = "/health" if coordinate_only else "/health/ready"
    until, last = time.monotonic() + READY_S, Stop("It does not answer.")
    while time.monotonic() < until:
        try:
            client.get(path)
            return
        except Stop as stop:
            last = stop
            time.sleep(0.2)
    logs = f"Logs: {settings.home / 'logs'} and {settings.home / 'ray' / 'session_latest' / 'logs'}"
    raise Stop(f"After {READY_S:.0f} s it still cannot take a question: {last.lines[0]}", logs)


def _running(settings: Settings) -> RunRecord | None:
    """What is written down, if the API it names answers."""
    record = run_record.read(settings.home)
    if record is None:
        return None
    try:
        headers = {"Authorization": f"Bearer {secret(settings.home, KEY)}"}
        answer = httpx.get(record.api_url + "/health", headers=headers, timeout=10, trust_env=False)
        return record if answer.is_success else None
    except httpx.HTTPError:
        return None


def _check_port(settings: Settings) -> None:
    if not is_free(settings.port, settings.host):
        raise Stop(
            f"Port {settings.port} is taken by another program.",
            f"Take another one: ./council up --port {settings.port + 1}",
        )


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """One `up` at a time; a second waits and then finds the council running."""
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("Another ./council up is at work; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
