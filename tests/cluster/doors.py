"""Who listens where in a simulated PC, by its kernel, and what `cluster/ports.py` lists."""

from dataclasses import dataclass
from ipaddress import ip_address

from cluster.ports import block
from tests.cluster.hosts import Host

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
