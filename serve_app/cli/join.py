"""`./council join`: this PC is a worker node until Ctrl-C; joins again after a lost link."""

import sys
import time
from dataclasses import dataclass
from getpass import getpass

from cluster import processes, ray_node, run_record
from cluster.ports import NoFreePorts
from cluster.secret_files import TOKEN, home_directory, keep
from cluster.settings import Settings
from serve_app.cli.foreground import end_by_sigterm_too, end_undisturbed
from serve_app.cli.lan import is_this_pc
from serve_app.cli.model_server import ModelServer, find, find_or_start
from serve_app.cli.terminal import Stop, note, step, tell
from serve_app.cli.welcome import Head, check_versions, free_name, head_address

LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Joining:
    """What the user asked for. `name_given`: do not choose another one."""

    head: Head
    settings: Settings
    name_given: bool
    want_embedded: bool
    url_given: bool


def join_with(
    settings: Settings,
    target: str,
    token: str | None,
    ray_port: int,
    name_given: bool,
    want_embedded: bool,
    url_given: bool,
) -> None:
    """`target` is PC1 as the user wrote it; a `token` of "-" is asked for. Raises `Stop`."""
    if token == "-":
        token = asked_token()
    host, api_url = head_address(target)
    ray_address = own_head(settings, host) or f"{host}:{ray_port}"
    settings = settings.model_copy(update={"ray_address": ray_address})
    head = Head(host, api_url, token or _kept_token(settings))
    join(Joining(head, settings, name_given, want_embedded, url_given))


def join(wish: Joining) -> None:
    """Stays until Ctrl-C or SIGTERM; nothing of this node is left then. Raises `Stop`."""
    settings = wish.settings
    home_directory(settings.home)
    _not_twice(settings)
    processes.carry_mark(settings.home, settings.node_name, wish.head.token)
    check_versions(wish.head)
    keep_token(settings, wish.head.token)
    if not wish.name_given:
        settings = settings.model_copy(update={"node_name": free_name(settings)})
    end_by_sigterm_too()
    try:
        server = _model_server(wish, settings)
        _stay(wish.head, settings.model_copy(update={"ollama_url": server.url}))
    except KeyboardInterrupt:
        tell("\nLeaving the council …")
    finally:
        end_undisturbed()
        processes.end_all(settings.home, settings.node_name)
    tell("This PC has left. Nothing of it runs here any more.")


def _stay(head: Head, settings: Settings) -> None:
    """Joins, watches, joins again: for ever."""
    wait_s, first = 1.0, True
    while True:
        try:
            node = _start(settings)
        except Stop as stop:
            if first:
                raise
            note(f"Could not join: {stop.lines[0]}")
        else:
            first, wait_s = False, 1.0
            _watch(settings, head, node)
        ray_node.end(settings)
        note(f"Trying again in {wait_s:.0f} s (Ctrl-C leaves).")
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        _wait_for_head(head)


def _start(settings: Settings) -> ray_node.Node:
    slots = settings.max_loaded_models
    with step(f"Joining {settings.ray_address}", "Joined"):
        try:
            node = ray_node.start_worker(settings, slots)
        except (ray_node.NodeDidNotStart, NoFreePorts) as error:
            raise Stop(*str(error).splitlines()) from None
    models = f"room for {slots} models" if slots != 1 else "room for 1 model"
    tell(
        f"{settings.node_name} is part of the council: {models} at {settings.ollama_url}."
        " Agents are seated here when they are needed. Ctrl-C leaves."
    )
    return node


def _watch(settings: Settings, head: Head, node: ray_node.Node) -> None:
    """Returns when the node has fallen out of the cluster."""
    while ray_node.raylet_runs(node):
        time.sleep(0.5)
    if head.answers():
        note("This PC's Ray node ended (PC1 counted it as gone, or it was killed).")
    else:
        note(f"The link to {head.host} is gone, or the council there was stopped.")


def _wait_for_head(head: Head) -> None:
    """Until PC1 answers. If its versions changed meanwhile, says so and leaves (`Stop`)."""
    waiting = False
    wait_s = 1.0
    while not head.answers():
        if not waiting:
            note(f"Waiting for {head.host} to answer again.")
        waiting = True
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
    check_versions(head)


def _model_server(wish: Joining, settings: Settings) -> ModelServer:
    if not wish.url_given:
        return find_or_start(settings, wish.want_embedded)
    server = find(settings.ollama_url)
    if server is None:
        raise Stop(
            f"Nothing answers as Ollama at {settings.ollama_url}.",
            "On that PC: set OLLAMA_HOST=0.0.0.0, start Ollama again, let port 11434 through.",
        )
    if not server.models:
        note(f"{server.kind} at {server.url} has no model yet. There: ollama pull qwen2.5:0.5b")
    return server


def _not_twice(settings: Settings) -> None:
    if processes.ours(settings.home, settings.node_name):
        raise Stop(
            f"This PC runs as '{settings.node_name}' already.",
            "To start anew: ./council down",
            "To let a second model server take part: add --name <another name>",
        )


def keep_token(settings: Settings, token: str) -> None:
    """A PC that runs a council of its own has a token of its own: it is not overwritten. Raises
    `Stop`."""
    path = settings.home / TOKEN
    kept = path.read_text().strip() if path.exists() else None
    if kept == token:
        return
    if run_record.read(settings.home) is not None and processes.ours(settings.home):
        raise Stop(
            "This PC runs a council of its own.",
            "Stop that first: ./council down",
            "Or keep both apart: COUNCIL_HOME=~/.llm-council-2 ./council join …",
        )
    keep(path, token)


def asked_token() -> str:
    """A line from standard input; not shown while it is typed."""
    given = getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise Stop("No token came from standard input.", "./council up --lan on PC1 prints it.")
    return given.strip()


def _kept_token(settings: Settings) -> str:
    try:
        return (settings.home / TOKEN).read_text().strip()
    except OSError:
        raise Stop(
            "The token is missing.", "./council up --lan on PC1 prints the whole line to type here."
        ) from None


def own_head(settings: Settings, host: str) -> str | None:
    """The address of the head that runs on this very PC, if that is the one to join."""
    record = run_record.read(settings.home)
    if record is None or not is_this_pc(host):
        return None
    return record.ray_address
