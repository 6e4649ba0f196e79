"""`./council drain`: takes a PC out without failing a call, and shows what is still left there."""

import time
from typing import Any
from urllib.parse import quote

from serve_app.cli.client import Client
from serve_app.cli.terminal import say, tell

POLL_S = 0.5


def drain(client: Client, name: str) -> None:
    """Returns once the PC is empty, or has left. Raises `Stop`."""
    standing, said = client.send("POST", _path(name), json={}), ""
    try:
        while standing is not None and standing["state"] == "draining":
            if (line := left(standing)) != said:
                tell(line)
                said = line
            time.sleep(POLL_S)
            standing = _standing(client, name)
    except KeyboardInterrupt:
        tell(f"{name} goes on being drained. To let it in again: ./council drain {name} --undo")
        raise
    say("\n".join(what_next(name, standing)))


def undo(client: Client, name: str) -> None:
    """Raises `Stop`."""
    client.send("DELETE", _path(name))
    say(f"{name} serves again.")


def left(standing: dict[str, Any]) -> str:
    """What still runs on a PC that is being drained."""
    calls, agents, owed = standing["calls"], standing["agents"], standing["owed"]
    running = "1 call runs there" if calls == 1 else f"{calls} calls run there"
    parts = [running, f"models that sit there: {', '.join(agents) or 'none'}"]
    if owed:
        parts.append(f"open councils may still need {', '.join(owed)}, which no other PC has")
    return f"{standing['name']}: {'; '.join(parts)}"


def what_next(name: str, standing: dict[str, Any] | None) -> list[str]:
    """What to type when there is nothing left to wait for. None: the PC is not there any more."""
    if standing is None:
        return [f"{name} has left the council."]
    if standing["state"] == "serving":
        return [f"{name} was let in again meanwhile: it serves."]
    undo_line = f"To let it in again: ./council drain {name} --undo"
    if standing["role"] == "head":
        return [
            f"{name} gets no calls any more. Do not switch it off: the council itself sits there.",
            undo_line,
        ]
    return [
        f"{name} is empty: no call and no model of the council is left there.",
        "Now end ./council join there (Ctrl-C), or switch it off. It serves again once it joins.",
        undo_line,
    ]


def _standing(client: Client, name: str) -> dict[str, Any] | None:
    nodes: list[dict[str, Any]] = client.get("/api/cluster/nodes")["nodes"]
    return next((node for node in nodes if node["name"] == name), None)


def _path(name: str) -> str:
    return f"/api/cluster/nodes/{quote(name, safe='')}/drain"
