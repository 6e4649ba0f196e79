"""Checks of the council that runs: is it ready, how are its PCs, their servers, their clocks."""

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import httpx

from serve_app.cli.client import Client
from serve_app.cli.doctor import clocks, models
from serve_app.cli.doctor.finding import Finding, fault, ok, warning
from serve_app.cli.terminal import Stop, printable

DISK_PERCENT = 95.0
Json = Mapping[str, Any]


def why_not(client: Client) -> str:
    """Why no council answers there; empty if one does."""
    try:
        return "" if "ray" in client.get("/health") else "Something else than a council answers."
    except Stop as stop:
        return stop.lines[0]
    except (ValueError, TypeError):
        return "Something else than a council answers."


def absent(why: str, was_started: bool) -> Finding:
    """`why` none answers; `was_started`: here, and not stopped by `down`."""
    if was_started:
        mend = "./council up goes on where it stood; ./council down ends it."
        return fault("council", f"it was started here, but: {why}", mend)
    return ok("council", f"{why} (./council up starts one)")


def check(client: Client, configured: Sequence[str] = ()) -> Iterator[Finding]:
    """`configured`: models that settings name. Raises `Stop` where it stops answering meanwhile."""
    yield readiness(client)
    yield same_versions(client.get("/health"))
    yield clock(client)
    yield from models.check(client.get("/api/council/models"), configured)
    nodes = client.get("/health/system")["nodes"]
    yield from versions_of_pcs(client.get("/health"), nodes)
    yield from clocks.of_pcs(nodes)
    servers = {node["name"]: node for node in client.get("/health/ollama")["nodes"]}
    duties = {node["name"]: node for node in client.get("/api/cluster/nodes")["nodes"]}
    for node in nodes:
        yield from pc(node, servers.get(node["name"], {}), duties.get(node["name"], {}))


def readiness(client: Client) -> Finding:
    try:
        client.get("/health/ready")
        return ok("council", f"ready at {client.base_url}")
    except Stop as stop:
        return fault("council", f"not ready: {stop.lines[0]}", "See: ./council status")


def same_versions(theirs: Json) -> Finding:
    """PC1's against those of this checkout."""
    here = {"ray": version("ray"), "python": platform.python_version()}
    other = [f"{name} {theirs.get(name)}" for name, own in here.items() if theirs.get(name) != own]
    if not other:
        return ok("council", "runs the Ray and the Python of this checkout")
    mend = "On PC1: ./council down && ./council up; the same commit on all PCs."
    return fault("council", printable(f"runs {', '.join(other)}: others than this checkout"), mend)


def clock(client: Client) -> Finding:
    """PC1's clock as its answers tell it, to the second, against this PC's."""
    try:
        told = client.http.get(client.base_url + "/health").headers["date"]
        ahead_s = parsedate_to_datetime(told).timestamp() - time.time()
    except (httpx.TransportError, KeyError, ValueError):
        return warning("clock", "the council does not tell the time")
    return clocks.skew(ahead_s)


def versions_of_pcs(pc1: Json, nodes: Sequence[Json]) -> Iterator[Finding]:
    """Each PC's Ray and Python against PC1's."""
    wrong = False
    for node in nodes:
        told = [(name, node.get(name), pc1.get(name)) for name in ("ray", "python")]
        other = [f"{name} {its}, PC1 {ours}" for name, its, ours in told if its and its != ours]
        if other:
            wrong = True
            says = f"runs {'; '.join(other)}: Ray needs the same on all PCs"
            mend = "There: the same commit and the same Python; rm -r .venv, then join again."
            yield fault(printable(str(node["name"])), printable(says), mend)
    if nodes and not wrong and all(node.get("ray") for node in nodes):
        yield ok("versions", "all PCs run the Ray and the Python of PC1")


def pc(node: Json, server: Json, standing: Json) -> Iterator[Finding]:
    """One PC, as `/health/system`, `/health/ollama` and `/api/cluster/nodes` tell of it."""
    about = printable(str(node["name"]))
    if (disk := node.get("disk")) and disk["percent"] >= DISK_PERCENT:
        yield warning(about, f"its disk is {disk['percent']:.0f} % full", "Make room there.")
    if standing.get("state") in ("draining", "drained"):
        undo = f"To let it in again: ./council drain {about} --undo"
        yield warning(about, "is being taken out (drain): it gets no new calls", undo)
    yield model_server(about, server)
    for says in server.get("warnings", ()):
        yield warning(about, printable(str(says)))


def model_server(about: str, server: Json) -> Finding:
    url = printable(str(server.get("url")))
    if not server.get("url"):
        return ok(about, "only coordinates: no model server")
    if server.get("breaker") in ("open", "half_open"):
        says = f"its model server at {url} failed so often that nobody is sent there"
        return fault(about, says, "Start it there; it is tried again by itself.")
    if not server.get("connected"):
        why = printable(str(server.get("error") or "no reason was told"))
        return fault(about, f"its model server at {url} is not connected: {why}", "Start it there.")
    version = printable(str(server.get("version") or "it tells no version"))
    return ok(about, f"its model server answers ({version})")
