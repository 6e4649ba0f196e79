"""What runs on PC1: the model server, Ray's head, the council on it. Stands it up, once.

After a crash it goes on with the cluster that Ray wrote down, so that the other PCs keep their
agents and models; where that cannot be, a new cluster is made. Sessions are kept either way.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cluster import continuation, ray_node, run_record
from cluster.continuation import Anew, Continue
from cluster.ports import NoFreePorts, Ports, is_free
from cluster.run_record import RunRecord
from cluster.secret_files import KEY, secret
from cluster.settings import Settings, inherited_environment
from serve_app.cli.client import Client
from serve_app.cli.model_server import ModelServer, find_or_start
from serve_app.cli.terminal import Stop, note, step

READY_S = 90.0
DEPLOY_S = 300.0
"""For actors and HTTP to start: 10 s on a quiet PC, a minute and more on a busy one."""


@dataclass(frozen=True)
class Wish:
    """What the user asked for. `coordinate_only`: no model sits on this PC."""

    settings: Settings
    want_embedded: bool = False
    coordinate_only: bool = False

    @property
    def slots(self) -> int:
        return 0 if self.coordinate_only else self.settings.max_loaded_models


def stand_up(wish: Wish) -> RunRecord:
    """Returns once a question can be taken. Raises `Stop`; whoever calls ends what is left then."""
    server = _model_server(wish)
    settings = wish.settings.model_copy(update={"ollama_url": server.url})
    mark = continuation.fingerprint(settings, wish.slots, continuation.program_hash())
    way = _way(settings, mark)
    if isinstance(way, Continue):
        note("PC1 was not stopped by ./council down: it goes on where it stood.")
        try:
            return _start(wish, settings, server, mark, way.ports)
        except Stop as stop:
            note(f"That could not be ({stop.lines[0]}): Ray starts anew. Sessions are kept.")
            ray_node.end(settings)
    elif way.why:
        note(f"{way.why}: Ray starts anew. Sessions are kept.")
    run_record.forget(settings.home)
    continuation.forget(settings.home)
    return _start(wish, settings, server, mark, None)


def deploy(settings: Settings) -> None:
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


def _model_server(wish: Wish) -> ModelServer:
    if wish.coordinate_only:
        return ModelServer(wish.settings.ollama_url, "none: this PC only coordinates", ())
    return find_or_start(wish.settings, wish.want_embedded)


def _way(settings: Settings, mark: str) -> Continue | Anew:
    record = run_record.read(settings.home)
    ports = record.ports.all() if record and record.ports else []
    taken = [port for port in ports if not is_free(port)]
    return continuation.decide(record, mark, continuation.is_stored(settings.home), taken)


def _start(
    wish: Wish, settings: Settings, server: ModelServer, mark: str, former: Ports | None
) -> RunRecord:
    ray_node.clear_sessions(settings.home)
    with step("Starting Ray's head", "Ray's head"):
        try:
            node = ray_node.start_head(settings, wish.slots, former)
        except (ray_node.NodeDidNotStart, NoFreePorts) as error:
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
        ports=node.ports,
        fingerprint=mark,
    )
    run_record.write(settings.home, record)
    with step("Starting the council and its HTTP API", "Council and HTTP API"):
        deploy(settings)
    with step("Waiting until it can take a question", "Ready"):
        _wait_until_ready(settings, wish.coordinate_only)
    return record


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
