"""Checks of this PC that need no council: versions, ports, processes, model server."""

import platform
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from actors.ollama import status
from cluster import prices, processes
from cluster.embedded import process as embedded
from cluster.ollama_url import host_of
from cluster.ports import FIRST, NoFreePorts, free_ports, is_free
from cluster.settings import InvalidSettings, Settings
from serve_app.cli.doctor import ollama
from serve_app.cli.doctor.finding import Finding, fault, ok, warning
from serve_app.cli.lan import is_this_pc
from serve_app.cli.model_server import ModelServer, find
from serve_app.cli.terminal import printable

LOCK = Path(__file__).parents[3] / "requirements" / "run.lock"
OLDEST, NEWEST = (3, 11), (3, 14)


def check(settings: Settings, council_runs: bool) -> Iterator[Finding]:
    yield versions(platform.python_version(), version("ray"), LOCK.read_text())
    yield running(processes.command_lines(settings.home), council_runs)
    yield price_table(settings)
    if not council_runs:
        yield api_port(settings.port, is_free(settings.port, settings.host))
        yield ray_ports(settings)
    models = any((settings.home / "embedded").glob("*.gguf")) or embedded.packaged_model()
    found = find(settings.ollama_url)
    yield from model_server(settings.ollama_url, found, bool(models))
    if found is not None and is_this_pc(host_of(settings.ollama_url)):
        yield from ollama.check(settings)


def versions(python: str, ray: str, lock: str) -> Finding:
    locked = re.search(r"^ray==(\S+)", lock, re.MULTILINE)
    says = f"Python {python}, Ray {ray}"
    if locked is not None and locked[1] != ray:
        again = "rm -r .venv; the next ./council installs it."
        return fault("versions", f"{says}; this checkout is made for Ray {locked[1]}", again)
    if not OLDEST <= tuple(int(part) for part in python.split(".")[:2]) <= NEWEST:
        given = "rm -r .venv; COUNCIL_PYTHON=/path/to/python3 ./council …"
        return fault("versions", f"{says}; Python has to be one of 3.11 to 3.14", given)
    return ok("versions", f"{says}: every PC of a council needs the same")


def running(command_lines: Sequence[str], council_runs: bool) -> Finding:
    """`command_lines` of all processes of this home."""
    orchestrators = sum(line.startswith("ray::CouncilOrchestrator") for line in command_lines)
    if orchestrators > 1:
        says = f"{orchestrators} orchestrators on one store: only the last to open it may write"
        return fault("processes", says, "./council down, then ./council up")
    joined = any("serve_app join" in line for line in command_lines)
    if command_lines and not council_runs and not joined:
        says = f"{len(command_lines)} are left of a council that does not answer"
        return fault("processes", says, "Starting? Else ./council up goes on where it stood.")
    return ok("processes", f"{len(command_lines)} of the council run on this PC")


def price_table(settings: Settings) -> Finding:
    """Without one that can be used the council does not start."""
    try:
        table = prices.read(settings)
    except InvalidSettings as error:
        return fault("prices", str(error))
    return ok("prices", f"of {len(table.models)} cloud models, as of {table.as_of.isoformat()}")


def api_port(port: int, free: bool) -> Finding:
    if free:
        return ok("ports", f"{port} is free for the API")
    says = f"{port}, where the API would listen, is taken by another program"
    return fault("ports", says, f"Take another one: ./council up --port {port + 1}")


def ray_ports(settings: Settings) -> Finding:
    try:
        ports = free_ports(settings.ray_port, settings.dashboard_port)
    except NoFreePorts as error:
        return fault("ports", str(error))
    says = f"{ports.gcs} to {ports.gcs + 9} are free for Ray"
    if ports.gcs != (settings.ray_port or FIRST):
        mend = f"On other PCs join with --ray-port {ports.gcs}; up --lan prints it."
        return warning("ports", f"{says}; its usual ones are taken", mend)
    return ok("ports", says)


def model_server(url: str, found: ModelServer | None, has_built_in: bool) -> Iterator[Finding]:
    """`found` = what answers at the URL; `has_built_in` = the embedded engine has a model."""
    if found is None:
        yield _no_ollama(url, has_built_in)
        return
    if not found.models:
        yield warning("Ollama", f"{found.kind} at {url} has no model", "ollama pull qwen2.5:0.5b")
    else:
        yield ok("Ollama", f"{found.kind} at {url}: {', '.join(found.models)}")
    for says in status.warnings(found.kind.removeprefix("Ollama ")):
        yield warning("Ollama", printable(says))


def _no_ollama(url: str, has_built_in: bool) -> Finding:
    if not is_this_pc(host_of(url)):
        mend = "Is it running there, and does it listen on the LAN (OLLAMA_HOST=0.0.0.0 there)?"
        return fault("Ollama", f"nothing answers as Ollama at {url}", mend)
    if has_built_in:
        says = f"none answers at {url}: the built-in engine stands in"
        return warning(
            "Ollama", says, "For better models: install Ollama, ollama pull qwen2.5:0.5b"
        )
    says = f"none answers at {url}, and there is no built-in model"
    return fault("Ollama", says, "Install Ollama and type: ollama pull qwen2.5:0.5b")
