"""`./council key`: the keys that open the HTTP API off loopback. What changes counts at once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.table import Table
from rich.text import Text

from cluster import api_keys
from cluster.api_keys import ApiKey, KeyFileUnreadable
from cluster.secret_files import KEY
from serve_app.cli.fitting import Fitting
from serve_app.cli.terminal import Stop, out, printable, say, tell

LONGEST_NAME = 80


def show(home: Path) -> None:
    """A table; keys themselves are nowhere to be had."""
    now = datetime.now(UTC)
    keys = [key for key in _kept(home) if key.opens(now)]
    if not keys:
        return say("There is no key yet. The first start makes one: ./council up --lan")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Id", "Name", "Made", "Ends"):
        table.add_column(column)
    for key in keys:
        ends = f"{key.ends_at.astimezone():%Y-%m-%d %H:%M}" if key.ends_at else "–"
        mine = f" (in {home / KEY})" if api_keys.is_own(home, key) else ""
        cells = (key.id, key.name + mine, f"{key.created_at.astimezone():%Y-%m-%d %H:%M}", ends)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    out.print(Fitting(table))


def new(home: Path, name: str) -> None:
    """The key goes to standard output, alone; the rest beside it."""
    name = printable(name).strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise Stop(f"A name has 1 to {LONGEST_NAME} characters.", "./council key new --name phone")
    now = datetime.now(UTC)
    _kept(home)
    api_keys.take_in_own(home, now)
    key = api_keys.add(home, name, now)
    tell("This is shown once; what is kept is its hash. It opens from now on:")
    say(key)
    tell("Clients send it as Authorization: Bearer <key>, never in a URL.")
    tell(f"To end it: ./council key revoke {api_keys.fingerprint(key)}")


def revoke(home: Path, key_id: str) -> None:
    found = next((key for key in _kept(home) if key.id == key_id.strip().lower()), None)
    if found is None:
        raise Stop("There is no key of that id.", "List them: ./council key list")
    if api_keys.is_own(home, found):
        raise Stop(
            "That is the key of this PC's own commands.",
            "To end it and give them another: ./council key rotate",
        )
    api_keys.revoke(home, found.id, datetime.now(UTC))
    say(f"{found.id} ({found.name}) opens nothing any more.")


def rotate(home: Path, grace_minutes: float) -> None:
    now = datetime.now(UTC)
    _kept(home)
    api_keys.take_in_own(home, now)
    fresh = api_keys.rotate(home, now, now + timedelta(minutes=grace_minutes))
    end = "at once" if not grace_minutes else f"in {grace_minutes:g} minutes"
    say(f"This PC's commands have a new key ({fresh.id}); the old one ends {end}.")
    tell(f"It is in {home / KEY}, for those clients that you gave the old one.")


def _kept(home: Path) -> tuple[ApiKey, ...]:
    try:
        return api_keys.read(home)
    except KeyFileUnreadable as error:
        raise Stop(
            str(error),
            f"Until it is mended no key opens. Move {api_keys.path(home)} away; ./council deploy"
            f" then takes in the key in {home / KEY} again, and no other.",
        ) from None
    except OSError as error:
        raise Stop(f"{api_keys.path(home)} cannot be read: {error.strerror}.") from None
