"""Simulated PCs on a simulated LAN: each a box of its own network, PID, mount and UTS namespace.

A box sees its own processes, its own /tmp, /root, /etc/hosts and hostname, its own loopback, and a
cable (veth) to a switch (a bridge in a namespace of its own). Nothing has a name or an address
outside: when a box's first process ends, so does all in it, and the kernel takes the cable away.
Knows nothing of councils. Needs root.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from tests.cluster.bad_cable import BadCable, Quality, whole_frames
from tests.cluster.boxes import Box, Running

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LANG": "C.UTF-8",
    "COUNCIL_CACHE_TTL_S": "0",
}
"""Nothing is answered from the cache: these tests count the calls that models are asked."""
OWN = ("/tmp", "/root")
"""What each box has for itself; a Python or a checkout that is in there stays visible."""
PS = "ps -ww -eo pid=,stat=,args="


class Host:
    """One PC. `folder` holds its /tmp and /root, and the output of its commands."""

    def __init__(self, name: str, ip: str, folder: Path) -> None:
        self.name, self.ip, self.folder = name, ip, folder
        for own in OWN:
            (folder / own[1:]).mkdir(parents=True)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{ip} {name}\n")
        namespaces = ("--pid", "--mount", "--uts", "--mount-proc")
        self._box = Box(namespaces, _furnish(name, folder))
        self.pid = self._box.pid
        self._running: list[Running] = []

    @property
    def home(self) -> Path:
        """Its /root, seen from outside."""
        return self.folder / "root"

    def run(self, *words: str, within_s: float = 120, **environment: str) -> str:
        """A command's output once it has ended well."""
        code, said = self.attempt(*words, within_s=within_s, **environment)
        assert code == 0, f"{self.name}: {shlex.join(words)} ended with {code}:\n{said}"
        return said

    def attempt(self, *words: str, within_s: float = 120, **environment: str) -> tuple[int, str]:
        """(exit code, output) of a command."""
        ended = subprocess.run(
            self._inside(words, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within_s,
        )
        return ended.returncode, ended.stdout.decode(errors="replace")

    def start(self, *words: str, **environment: str) -> Running:
        log = self.folder / f"{len(self._running)}.log"
        running = Running(self._inside(words, environment), log)
        self._running.append(running)
        return running

    def processes(self) -> list[str]:
        """The command lines of all that runs in this PC (zombies have ended), but its init."""
        rows = [line.split(None, 2) for line in self.run(*PS.split()).splitlines()]
        return [r[2] for r in rows if r[0] != "1" and r[1][0] != "Z" and r[2] != PS]

    def outside(self) -> list[psutil.Process]:
        """Its processes as the machine around it sees them."""
        name = os.readlink(f"/proc/{self.pid}/ns/pid")
        every = psutil.process_iter()
        return [p for p in every if _reads(f"/proc/{p.pid}/ns/pid") == name]

    def close(self) -> None:
        """Ends the box and with it all that is in it."""
        self._box.close()
        for running in self._running:
            running.end()

    def _inside(self, words: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
        variables = [f"{name}={value}" for name, value in {**ENVIRONMENT, **environment}.items()]
        box = ["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "-p", f"--wd={ROOT}"]
        # Ctrl-C is heard inside, even where we run in the background of a shell that ignores it.
        return [*box, "env", "--default-signal=INT", "-i", *variables, *words]


class Lan:
    """A switch, and the PCs that are plugged into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._box = Box()
        self.hosts: list[Host] = []

    def host(self, name: str, ip: str) -> Host:
        """A new PC, plugged in."""
        if not self.hosts:
            self._switch("link add br0 type bridge")
            self._switch("link set br0 up")
        host = Host(name, ip, self._folder / name)
        self.hosts.append(host)
        self._switch(f"link add {name} type veth peer name eth0 netns {host.pid}")
        self._switch(f"link set {name} master br0")
        host.run("sh", "-c", f"ip addr add {ip}/24 dev eth0 && ip link set eth0 up")
        host.run("ip", "route", "add", "default", "dev", "eth0")
        self.plug(host)
        return host

    def plug(self, host: Host) -> None:
        self._switch(f"link set {host.name} up")

    def pull(self, host: Host) -> None:
        """The cable is out: nobody is told, nothing gets through."""
        self._switch(f"link set {host.name} down")

    @contextmanager
    def bad_cable(self, host: Host, quality: Quality) -> Iterator[BadCable]:
        """The PC's cable, as it is for a while; the good one is back afterwards."""
        near, far = f"{host.name}a", f"{host.name}b"
        self._switch(f"link add {near} type veth peer name {far}")
        for pid, interface in ((host.pid, "eth0"), (self._box.pid, far), (self._box.pid, near)):
            whole_frames(pid, interface)
        self._switch(f"link set {host.name} nomaster")
        for words in (f"{far} master br0", f"{far} up", f"{near} up promisc on"):
            self._switch(f"link set {words}")
        self._switch(f"link set {host.name} promisc on")
        try:
            with closing(BadCable(self._box.pid, host.name, near, quality)) as cable:
                yield cable
        finally:
            self._switch(f"link del {near}")
            self._switch(f"link set {host.name} promisc off master br0")

    def close(self) -> None:
        for host in self.hosts:
            host.close()
        self._box.close()

    def _switch(self, words: str) -> None:
        _sh("nsenter", "-t", str(self._box.pid), "-n", "ip", *words.split())


def _furnish(name: str, folder: Path) -> str:
    """Its own /tmp, /root, names; what we run with stays where it is."""
    needed = {ROOT, Path(sys.prefix), Path(sys.base_prefix)}
    lines = []
    for path in sorted(needed):
        if any(path.is_relative_to(own) for own in OWN):
            inside = shlex.quote(f"{folder}{path}")
            lines += [f"mkdir -p {inside}", f"mount --bind {shlex.quote(str(path))} {inside}"]
    lines += [f"mount --bind {folder}/hosts /etc/hosts", f"hostname {name}", "ip link set lo up"]
    lines += [f"mount --rbind {folder}{own} {own}" for own in sorted(OWN)]
    return "".join(f"{line}; " for line in lines)


def _reads(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _sh(*words: str) -> None:
    ended = subprocess.run(words, capture_output=True, text=True)
    assert ended.returncode == 0, f"{shlex.join(words)}: {ended.stderr}"


def why_not(folder: Path) -> str:
    """Why this machine cannot simulate PCs; empty if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "simulated PCs need Linux and root"
    try:
        with closing(Lan(folder)) as lan:
            lan.host("probe", "10.77.0.1")
    except (OSError, AssertionError) as error:
        return f"simulated PCs cannot be made here: {error}"
    return ""
