"""Who listens where, by the kernel's account in each PC, against the list in `cluster/ports.py`.

A council of one PC is on loopback as a whole; `up --lan` and `join` open what they must, and never
the dashboard.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from cluster.ports import block
from tests.cluster.hosts import Host, Lan
from tests.cluster.testbed import Testbed
from tests.cluster.users import COUNCIL, STARTS_S

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
PORTS = block(0)
OLLAMA, HTTP = 11434, 8000
ACTORS = range(PORTS.min_worker, PORTS.min_worker + 100)
NODE = {port for option, port in PORTS.node.items() if "worker" not in option}
HEAD = {PORTS.gcs, PORTS.client, *PORTS.metrics.values()}
REPLICA = "ray::ServeRepli"
"""The kernel keeps fifteen characters of a process's name."""


@dataclass(frozen=True)
class Door:
    address: str
    port: int
    program: str

    @property
    def is_loopback(self) -> bool:
        """An IPv4 address that an IPv6 socket listens at is that IPv4 address."""
        if self.address == "*":
            return False
        address = ip_address(self.address.strip("[]"))
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def doors(pc: Host) -> set[Door]:
    found = set()
    for line in pc.run("ss", "-ltnpH").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        found.add(Door(address, int(port), line.split('"')[1]))
    return found


def unlisted(found: set[Door], listed: set[int]) -> set[Door]:
    """Without the one door whose number is by chance: Serve's own, on loopback of PC1."""
    by_chance = {d for d in found if d.program == REPLICA and d.port not in (HTTP, *ACTORS)}
    assert all(door.is_loopback for door in by_chance) and len(by_chance) <= 1, by_chance
    return {d for d in found - by_chance if d.port not in listed and d.port not in ACTORS}


def test_a_council_of_one_pc_listens_on_loopback_only(lan: Lan) -> None:
    """`./council up`: every door, Ray's own included, is on loopback and in the list."""
    pc = lan.host("lone", "10.77.0.8")
    pc.run(*COUNCIL, "up", "--no-models", within_s=STARTS_S)

    found = doors(pc)
    pc.run(*COUNCIL, "down")

    assert {door for door in found if not door.is_loopback} == set()
    assert unlisted(found, NODE | HEAD | {PORTS.dashboard, HTTP}) == set()
    assert {PORTS.gcs, PORTS.dashboard, HTTP} <= {door.port for door in found}
    assert doors(pc) == set()


def test_on_a_lan_the_doors_are_those_of_the_list(bed: Testbed) -> None:
    """PC1 has the head's and every node's; the dashboard is on loopback, the API at the address
    that was asked for. The others have every node's; their Ollama stays on loopback."""
    bed.council.ask("alpha", "beta", "gamma")
    found = {pc.name: doors(pc) for pc in bed.hosts}

    assert unlisted(found["pc1"], NODE | HEAD | {PORTS.dashboard, HTTP}) == set()
    for name in ("pc2", "pc3"):
        assert unlisted(found[name], NODE | {OLLAMA}) == set()
        assert all(door.is_loopback for door in found[name] if door.port == OLLAMA)
        assert {door.port for door in found[name]} >= {PORTS.node["node-manager-port"], OLLAMA}
    assert all(door.is_loopback for door in found["pc1"] if door.port == PORTS.dashboard)
    assert [d.address for d in found["pc1"] if d.port == HTTP] == [bed.pc1.ip]


def test_the_firewall_line_of_the_readme_names_these_ports() -> None:
    """What other PCs must reach: the head, the node, Ray's client; HTTP; the actors."""
    through = sorted({PORTS.gcs, PORTS.client} | NODE)
    line = f"{through[0]}–{through[-1]}, {HTTP} and {ACTORS[0]}–{ACTORS[-1]}"

    assert through == list(range(through[0], through[-1] + 1))
    assert line in (ROOT / "README.md").read_text()
