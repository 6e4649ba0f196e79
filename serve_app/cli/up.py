"""`./council up`: from nothing, or from where a crash left it, to a council that answers here."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from actors.errors import StoreUnavailable
from actors.store import session_file
from cluster import continuation, prices, processes, ray_node, run_record
from cluster.ports import is_free
from cluster.run_record import RunRecord
from cluster.secret_files import KEY, TOKEN, home_directory, secret
from cluster.settings import Settings
from serve_app.cli import summary
from serve_app.cli.foreground import end_by_sigterm_too, end_undisturbed
from serve_app.cli.lan import lan_address
from serve_app.cli.pc1 import Wish, stand_up
from serve_app.cli.terminal import Stop, note, step, tell

LOCK_WAIT_S = 5.0


def up(wish: Wish) -> RunRecord:
    """Raises `Stop`, `InvalidSettings`; nothing is left running then."""
    settings = wish.settings
    home_directory(settings.home)
    with only_one(settings.home):
        if (record := running(settings)) is not None:
            tell("The council is running already.")
        else:
            record = _from_scratch(wish)
    summary.print_summary(settings, record)
    return record


def keep(wish: Wish) -> None:
    """`up`, then stays until Ctrl-C or SIGTERM, and ends as `down` does. Raises `Stop` where Ray's
    head ends by itself: then the next `up` goes on where it stood."""
    settings = wish.settings
    home_directory(settings.home)
    processes.carry_mark(settings.home, settings.node_name)
    end_by_sigterm_too()
    try:
        up(wish)
        tell("It stays until Ctrl-C or SIGTERM.")
        _watch(settings)
    except KeyboardInterrupt:
        end_undisturbed()
        down(settings)


def down(settings: Settings) -> None:
    """Ends every process of ours on this PC; keeps the data."""
    if settings.home.exists():
        run_record.stop_begins(settings.home)
    with step("Stopping", "Stopped"):
        count = processes.end_all(settings.home)
    run_record.forget(settings.home)
    run_record.stop_is_over(settings.home)
    continuation.forget(settings.home)
    if count:
        ray_node.clear_sessions(settings.home)
        tell(f"{count} processes ended. Sessions are kept in {settings.home}.")
    else:
        tell("No council was running here.")


def on_lan(settings: Settings, wanted: str | None) -> Settings:
    """The settings with the API and Ray on this PC's LAN address."""
    host = lan_address(wanted)
    return settings.model_copy(update={"host": host, "ray_address": f"{host}:6379"})


def running(settings: Settings) -> RunRecord | None:
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


def _from_scratch(wish: Wish) -> RunRecord:
    home = wish.settings.home
    run_record.stop_is_over(home)
    if processes.end_all(home):
        note("What an earlier start had left half-way was ended.")
    _check_port(wish.settings)
    _check_store(home / "sessions.db")
    prices.read(wish.settings)
    secret(home, TOKEN)
    secret(home, KEY)
    try:
        return stand_up(wish)
    except BaseException:
        processes.end_all(home)
        run_record.forget(home)
        raise


def _watch(settings: Settings) -> None:
    head = ray_node.find_head(settings.home)
    while head is not None and ray_node.head_runs(head):
        time.sleep(1)
    processes.end_all(settings.home)
    raise Stop(
        "Ray's head ended, and with it the council on this PC. Sessions are kept.",
        "To go on where it stood: ./council up",
        f"Why it ended: {settings.home / 'logs' / 'ray-head.log'}",
    )


def _check_port(settings: Settings) -> None:
    if not is_free(settings.port, settings.host):
        raise Stop(
            f"Port {settings.port} is taken by another program.",
            f"Take another one: ./council up --port {settings.port + 1}",
        )


def _check_store(store: Path) -> None:
    """Before Ray starts: what the store would refuse is said at once, and in its own words."""
    try:
        if store.exists():
            session_file.check(store, LOCK_WAIT_S)
    except StoreUnavailable as error:
        raise Stop(str(error), "More: ./council doctor") from None


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """One `up` at a time; a second waits and then finds the council running."""
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("Another ./council up is at work; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
