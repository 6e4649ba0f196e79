"""`./council status`, `models`, `sessions`: how things are, in tables."""

from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serve_app.cli.client import Client
from serve_app.cli.fitting import Fitting
from serve_app.cli.session.views import queued
from serve_app.cli.terminal import Stop, out, printable, room, say

GIB = 2**30
WH = 3600
"""Joules in a watt-hour."""
ENDED = ("complete", "error")
LOOKED_AT = 200
"""Sessions among which the open ones are looked for."""


def status(client: Client) -> None:
    out.print(overview(client))


def overview(client: Client) -> RenderableType:
    """The council at a glance: PCs, what they have in memory and do, open sessions."""
    system = client.get("/health/system")["nodes"]
    servers = {node["name"]: node for node in client.get("/health/ollama")["nodes"]}
    disks = {node["name"]: node["models"] for node in client.get("/health/models")["nodes"]}
    duties = {node["name"]: node for node in client.get("/api/cluster/nodes")["nodes"]}
    title = Text(printable(f"Council at {client.base_url}: {_readiness(client)}"))
    power = ["Power"] if any(node.get("energy") for node in system) else []
    names = (
        "PC",
        "Role",
        "CPU",
        "RAM",
        *power,
        "State",
        "Calls",
        "Slots",
        "Loaded",
        "Model server",
    )
    table = _table(*names, "On disk")
    for node in system:
        name = node["name"]
        server, duty = servers.get(name, {}), duties.get(name, {})
        loaded = ", ".join(model["name"] for model in server.get("loaded", ()))
        table.add_row(
            *_cells(
                name,
                node["role"],
                _percent(node["cpu_percent"]),
                _memory(node["memory"]),
                *(_power(node.get("energy")) for _ in power),
                _state(server, duty),
                str(duty.get("calls", "–")),
                f"{len(duty['agents'])} of {duty['max_models']}" if duty else "–",
                loaded or "–",
                _server(server),
                str(len(disks.get(name, ()))),
            )
        )
    open_ones = [s for s in _sessions(client, LOOKED_AT) if s["stage"] not in ENDED]
    told = f"{len(open_ones)} open:" if open_ones else "No session is open."
    now = datetime.now(UTC)
    lines = (line for one in open_ones for line in _open(one, now))
    return Group(title, Fitting(table), Text(told, style="bold"), *lines)


def models(client: Client) -> None:
    catalogue = client.get("/api/council/models")
    table = _table("Model", "On", "Size", "Good for", "")
    recommended = {model["name"]: model for model in catalogue["recommended"]}
    for name in catalogue["installed"]:
        known = recommended.get(name, {})
        where = ", ".join(catalogue["nodes"].get(name, ()))
        cells = (name, where, known.get("size", ""), known.get("recommended_role", ""), "")
        table.add_row(*_cells(*cells))
    for name, model in recommended.items():
        if not model["installed"]:
            hint = f"ollama pull {name}"
            cells = (name, "–", model["size"], model["recommended_role"], hint)
            table.add_row(*_cells(*cells), style="dim")
    out.print(Fitting(table))


def sessions(client: Client, limit: int, text: str | None) -> None:
    found = _sessions(client, limit, text)
    if not found:
        say("There is no session yet." if not text else "No session has that text.")
        return
    print_sessions(found)


def session(client: Client, session_id: str) -> None:
    """The minutes of one session, as Markdown."""
    path = f"/api/council/sessions/{session_id}/export"
    answer = client.http.get(client.base_url + path)
    if answer.is_error:
        raise Stop(f"There is no session {session_id}.", "List them: ./council sessions")
    say(answer.text)


def print_sessions(found: list[dict[str, Any]]) -> None:
    for item in found:
        for line in _lines(item):
            out.print(line, soft_wrap=room() is None)


def _state(server: dict[str, Any], duty: dict[str, Any]) -> str:
    """Whether calls are sent there."""
    if server.get("breaker") in ("open", "half_open"):
        return "shut out" if server["breaker"] == "open" else "on trial"
    return str(duty.get("state", "–")) if server.get("url") else "coordinates"


def _open(item: dict[str, Any], now: datetime) -> tuple[Text, Text]:
    """A session that is open: how far it is, and since when."""
    age_s = max(0.0, (now - datetime.fromisoformat(item["created_at"])).total_seconds())
    where = queued(item["queue"]) if item.get("queue") else item["stage"]
    tokens = f"{item['total_tokens']:,} tokens"
    head = f"{item['session_id']}  {where}, for {_span(age_s)}, {tokens}"
    return Text(printable(head)), _question(item)


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _question(item: dict[str, Any]) -> Text:
    """In one line of the terminal; whole in a pipe."""
    question = Text("  " + " ".join(printable(str(item["query"])).split()))
    if width := room():
        question.truncate(width, overflow="ellipsis")
    return question


def _lines(item: dict[str, Any]) -> tuple[Text, Text]:
    stage = item["stage"] + (" (degraded)" if item["degraded"] else "")
    when = datetime.fromisoformat(item["created_at"]).astimezone()
    seconds = f"{item['duration_ms'] / 1000:.1f} s"
    tokens = f"{item['total_tokens']:,} tokens"
    head = f"{item['session_id']}  {when:%Y-%m-%d %H:%M}  {stage}, {tokens}, {seconds}"
    return Text(printable(head), style="bold"), _question(item)


def _sessions(client: Client, limit: int, text: str | None = None) -> list[dict[str, Any]]:
    params = {"limit": limit, **({"q": text} if text else {})}
    found: list[dict[str, Any]] = client.get("/api/council/sessions", **params)["sessions"]
    return found


def _readiness(client: Client) -> str:
    try:
        client.get("/health/ready")
        return "ready"
    except Stop as stop:
        return f"not ready: {stop.lines[0]}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cells(*texts: str) -> list[Text]:
    return [Text(printable(text)) for text in texts]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


def _memory(memory: dict[str, Any] | None) -> str:
    if memory is None:
        return "–"
    return f"{memory['used'] / GIB:.1f} of {memory['total'] / GIB:.1f} GiB"


def _power(energy: dict[str, Any] | None) -> str:
    """Now, and how much since it is counted; – where the PC does not tell."""
    if energy is None:
        return "–"
    now = "" if energy["watts"] is None else f"{energy['watts']:.0f} W, "
    return f"{now}{energy['joules'] / WH:.1f} Wh so far"


def _server(server: dict[str, Any]) -> str:
    if not server.get("url"):
        return "none"
    version = f" ({server['version']})" if server.get("version") else ""
    state = "" if server.get("connected") else f": {server.get('error') or 'not connected'}"
    return f"{server['url']}{version}{state}"
