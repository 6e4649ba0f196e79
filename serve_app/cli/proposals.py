"""Names that Tab may write: sessions, models, PCs, keys. Soon or not at all; never an error."""

import json
import re
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import typer

from cluster import run_record
from cluster.settings import Settings
from serve_app.cli.address import address, headers, key
from serve_app.cli.completion import FILES

WITHIN_S = 0.3
"""For the council to answer, all in all: somebody holds the Tab key."""
LOOKED_AT = 50
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
"""What may come into a command line unquoted. A model's name comes from another PC."""
Names = list[tuple[str, str]]
"""With a description each."""


def files(context: typer.Context, args: list[str], incomplete: str) -> Names:
    return [(incomplete, FILES)]


def services(context: typer.Context, args: list[str], incomplete: str) -> Names:
    return [("up", "PC1"), ("join", "another PC")]


def keys(context: typer.Context, args: list[str], incomplete: str) -> Names:
    """From the home: no council is asked."""
    from cluster import api_keys

    try:
        return [(key.id, key.name) for key in api_keys.read(Settings.load().home)]
    except Exception:  # whatever is wrong there, `./council key list` says it
        return []


def sessions(context: typer.Context, args: list[str], incomplete: str) -> Names:
    found = told(f"/api/council/sessions?limit={LOOKED_AT}", _sessions)
    return [("last", "the newest"), *found] if found and context.info_name == "show" else found


def models(context: typer.Context, args: list[str], incomplete: str) -> Names:
    return told("/api/council/models", _models)


def pcs(context: typer.Context, args: list[str], incomplete: str) -> Names:
    return told("/api/cluster/nodes", _pcs)


def told(path: str, read: Callable[[Any], Iterator[tuple[str, str]]]) -> Names:
    """What the council that runs here answers, if it does so soon. Who is late is left behind."""
    found: Names = []

    def ask() -> None:
        try:
            found.extend(pair for pair in read(answer(path)) if NAME.fullmatch(pair[0]))
        except Exception:  # a traceback below the line that somebody types helps nobody
            return

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(WITHIN_S)
    return list(found)


def answer(path: str) -> Any:
    """The JSON. Not by httpx: to load it takes longer than all the rest."""
    settings = Settings.load()
    url = urlsplit(address(settings, run_record.read(settings.home)))
    connection = HTTPConnection(url.hostname or "", url.port, timeout=WITHIN_S)
    connection.request("GET", path, headers=headers(key(settings)))
    return json.load(connection.getresponse())


def _sessions(answer: Any) -> Iterator[tuple[str, str]]:
    for session in answer["sessions"]:
        yield str(session["session_id"]), f"{session['stage']}: {session['query'][:60]}"


def _models(answer: Any) -> Iterator[tuple[str, str]]:
    for name in answer["installed"]:
        yield str(name), f"on {', '.join(answer['nodes'].get(name, ()))}"


def _pcs(answer: Any) -> Iterator[tuple[str, str]]:
    for node in answer["nodes"]:
        yield str(node["name"]), f"{node['role']}, {node['state']}"
