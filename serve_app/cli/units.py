"""systemd units for `up` and `join`, as text. Pure: knows nothing of systemctl and files.

No option here gives the service a mount namespace of its own (`PrivateTmp`, `ProtectSystem` and
their like): `./council down`, typed in a shell, finds the processes of the council by their
namespaces, and Ray shares /dev/shm and /tmp with the drivers of its user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PREFIX = "llm-council-"
STOP_S = 40
"""The council ends within 30 s; then systemd kills what is left."""
AGAIN_S = 15

HARDENING = """\
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
UMask=0077"""
"""By seccomp and umask alone, which a user's own systemd may set, too."""


class Unwritable(Exception):
    """`Unwritable(sentence)`: a path or word that no unit can hold."""


@dataclass(frozen=True)
class Service:
    """`words` = what follows `./council`, the command first. `user` None = a unit of the user's own
    systemd, else a system unit that runs as that user."""

    words: tuple[str, ...]
    python: Path
    checkout: Path
    environment: Mapping[str, str]
    user: str | None = None
    node: str | None = None

    @property
    def name(self) -> str:
        """`llm-council-up.service`; a join under a name of its own has that in it."""
        node = f"-{self.node}" if self.node and self.words[0] == "join" else ""
        return f"{PREFIX}{self.words[0]}{node}.service"


def unit(service: Service) -> str:
    """The unit file. Raises `Unwritable`."""
    what = {"up": "PC1 of an LLM council", "join": "a PC of an LLM council"}[service.words[0]]
    command = [_program(service.python), "-m", "serve_app", *service.words]
    path = f"{service.python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": path, **service.environment}
    return "\n".join(
        [
            "[Unit]",
            f"Description={_line(f'LLM Council on Ray: {what} (./council {service.words[0]})')}",
            *_ordering(service),
            "# For ever: PC1 may be switched on days later.",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=exec",
            f"WorkingDirectory={_bare(str(service.checkout))}",
            *(f"Environment={quoted(f'{name}={text}')}" for name, text in environment.items()),
            "# The colon: no variable is put into the command line.",
            f"ExecStart=:{' '.join(map(quoted, command))}",
            "Restart=on-failure",
            f"RestartSec={AGAIN_S}",
            "SuccessExitStatus=130 143",
            "# The main process ends its own in order; what it leaves is killed.",
            "KillMode=mixed",
            f"TimeoutStopSec={STOP_S}",
            "# A model that takes too much memory is ended, and not the council with it.",
            "OOMPolicy=continue",
            "LimitNOFILE=65536",
            "# What up prints there has the token in it; progress and faults go to the journal.",
            "StandardOutput=null",
            "StandardError=journal",
            HARDENING,
            *_identity(service),
            "",
            "[Install]",
            f"WantedBy={'multi-user.target' if service.user else 'default.target'}",
            "",
        ]
    )


def quoted(text: str) -> str:
    """A word as systemd reads it back: quoted, with no specifier in it."""
    return '"' + _line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _program(path: Path) -> str:
    """Systemd starts no program with a quote or a backslash in its path. Raises `Unwritable`."""
    if any(letter in "\"'\\" for letter in str(path)):
        raise Unwritable(
            f"systemd starts no program with quotes or backslashes in its path: {path}"
        )
    return str(path)


def _line(text: str) -> str:
    """Text on one line, its percent signs no specifiers. Raises `Unwritable`."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise Unwritable(f"A unit cannot hold control characters: {text!r}")
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise Unwritable(f"A unit cannot hold what is not UTF-8: {text!r}")
    return text.replace("%", "%%")


def _bare(text: str) -> str:
    """A value that systemd reads without quotes, to the end of its line. Raises `Unwritable`."""
    if text != text.strip() or text.endswith("\\"):
        raise Unwritable(f"A unit cannot hold a path with such an end: {text!r}")
    return _line(text)


def _ordering(service: Service) -> Sequence[str]:
    """A user's own systemd knows no network and no Ollama: there the next try finds them."""
    if service.user is None:
        return ()
    return ("Wants=network-online.target", "After=network-online.target ollama.service")


def _identity(service: Service) -> Sequence[str]:
    if service.user is None:
        return ()
    none = () if service.user == "root" else ("CapabilityBoundingSet=",)
    return (f"User={_bare(service.user)}", *none)
