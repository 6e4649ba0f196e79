"""`./council service`: the council comes back after a reboot, by systemd."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.processes import without_option
from cluster.secret_files import TOKEN, home_directory
from cluster.settings import Settings
from serve_app.cli import units
from serve_app.cli.join import keep_token
from serve_app.cli.terminal import Stop, note, say, tell
from serve_app.cli.units import Service, Unwritable

ROOT = Path(__file__).parents[2]
OLLAMA_STARTS_S = 60.0
"""After a boot."""
RUNS = Path("/run/systemd/system")
"""There where systemd is the init of this PC."""


@dataclass(frozen=True)
class Systemd:
    """The systemd that a unit is for: the user's own, or (`user` given) the PC's."""

    user: str | None = None

    @property
    def folder(self) -> Path:
        if self.user is not None:
            return Path("/etc/systemd/system")
        return Path.home() / ".config" / "systemd" / "user"

    def words(self, *words: str) -> list[str]:
        return ["systemctl", *([] if self.user is not None else ["--user"]), *words]

    def runs(self) -> bool:
        if not RUNS.is_dir() or shutil.which("systemctl") is None:
            return False
        return self.user is not None or self.ask("show-environment")[0] == 0

    def ask(self, *words: str) -> tuple[int, str]:
        """(exit code, output) of a systemctl."""
        ended = subprocess.run(
            self.words(*words), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return ended.returncode, (ended.stdout + ended.stderr).strip()

    def do(self, *words: str) -> None:
        """Raises `Stop`."""
        code, said = self.ask(*words)
        if code != 0:
            raise Stop(f"{' '.join(self.words(*words))} failed: {said}")

    def units(self) -> list[Path]:
        return sorted(self.folder.glob(f"{units.PREFIX}*.service"))


def service_of(
    words: Sequence[str], settings: Settings, user: str | None, node: str | None
) -> Service:
    """What is to come back: `words` are those of `up` or `join`, `node` the name among them. The
    token goes into no unit."""
    kept = tuple(without_option(list(words), "--token"))
    if kept[0] == "up" and "--keep" not in kept:
        kept = (kept[0], "--keep", *kept[1:])
    changes = {"ollama_wait_s": OLLAMA_STARTS_S, **settings.model_dump(exclude_unset=True)}
    settings = settings.model_copy(update=changes)
    return Service(
        words=kept,
        python=Path(sys.executable),
        checkout=ROOT,
        environment=settings.environment(sorted(settings.model_fields_set | {"home"})),
        user=user,
        node=node,
    )


def print_unit(service: Service) -> None:
    """Raises `Stop`."""
    say(_text(service).rstrip("\n"))


def install(service: Service, settings: Settings, token: str | None) -> None:
    """Writes the unit and lets systemd start it now and at every boot; again changes nothing.
    Raises `Stop`."""
    systemd = Systemd(service.user)
    text, path = _text(service), systemd.folder / service.name
    _needs_root(systemd)
    if service.words[0] == "join":
        _see_to_token(settings, token, service.user)
    changed = not path.exists() or path.read_text() != text
    if changed:
        _write(path, text)
    tell(f"{'Written' if changed else 'It is there already'}: {path}")
    if systemd.runs():
        systemd.do("daemon-reload")
        systemd.do("enable", service.name)
        systemd.do("restart" if changed else "start", service.name)
        say(f"{service.name} runs, and comes back after a reboot.")
    else:
        note("systemd does not run here (or not for this user). Where it does, type:")
        say(f"  {' '.join(systemd.words('daemon-reload'))}")
        say(f"  {' '.join(systemd.words('enable', '--now', service.name))}")
    _say_linger(systemd)


def remove(systemd: Systemd, command: str | None) -> None:
    """Ends and forgets the units of `command`, or all. Raises `Stop`."""
    _needs_root(systemd)
    wanted = units.PREFIX + (command or "")
    found = [path for path in systemd.units() if path.name.startswith(wanted)]
    if not found:
        return say(f"There is no such service in {systemd.folder}.")
    runs = systemd.runs()
    for path in found:
        if runs:
            systemd.ask("disable", "--now", path.name)
        path.unlink()
        say(f"Removed: {path}")
    if runs:
        systemd.do("daemon-reload")


def status(systemd: Systemd) -> None:
    found, runs = systemd.units(), systemd.runs()
    if not found:
        say(f"There is no service in {systemd.folder}.", style="")
        return say("Make one: ./council service install up, or: service install join <PC1>")
    for path in found:
        state = "systemd does not run here"
        if runs:
            enabled, active = (
                systemd.ask("is-enabled", path.name),
                systemd.ask("is-active", path.name),
            )
            state = f"{enabled[1]}, {active[1]}"
        say(f"{path.name}: {state}   ({path})")
    if runs:
        own = "" if systemd.user is not None else " --user"
        say(f"What they say: journalctl{own} -u {found[0].name}")


def home_of(user: str) -> Path:
    """Where that user's council keeps its things. Raises `Stop`."""
    try:
        return Path(pwd.getpwnam(user).pw_dir) / ".llm-council"
    except KeyError:
        raise Stop(f"There is no user {user} on this PC.") from None


def _text(service: Service) -> str:
    try:
        return units.unit(service)
    except Unwritable as error:
        raise Stop(str(error)) from None


def _needs_root(systemd: Systemd) -> None:
    if systemd.user is not None and os.geteuid() != 0:
        raise Stop("A system service needs root.", "Type: sudo ./council service … --system")


def _see_to_token(settings: Settings, token: str | None, user: str | None) -> None:
    """The unit has no token in it: `join` takes the kept one."""
    path = settings.home / TOKEN
    if token is None:
        if not path.exists():
            raise Stop(
                "The token is missing: it is kept in a file, never in the unit.",
                "Type: ./council service install join <PC1> --token -",
            )
        return
    home_directory(settings.home)
    keep_token(settings, token)
    if user is not None:
        for owned in (settings.home, settings.home / "logs", path):
            shutil.chown(owned, user)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text)
        draft.chmod(0o644)
        draft.rename(path)
    except OSError as error:
        raise Stop(f"{path} cannot be written: {error.strerror}.") from None


def _say_linger(systemd: Systemd) -> None:
    if systemd.user is None:
        say("So that it starts at boot and not at your first login, once:")
        say("  sudo loginctl enable-linger $USER")
