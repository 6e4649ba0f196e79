"""A council of one PC listens on loopback only, and the README's firewall line fits the ports.

What is open on a LAN: `test_rows_on_three_pcs.py`.
"""

from pathlib import Path

import pytest

from tests.cluster.doors import ACTORS, HEAD, HTTP, NODE, PORTS, doors, unlisted
from tests.cluster.hosts import Lan
from tests.cluster.users import COUNCIL, STARTS_S

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]


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


def test_the_firewall_line_of_the_readme_names_these_ports() -> None:
    """What other PCs must reach: the head, the node, Ray's client; HTTP; the actors."""
    through = sorted({PORTS.gcs, PORTS.client} | NODE)
    line = f"{through[0]}–{through[-1]}, {HTTP} and {ACTORS[0]}–{ACTORS[-1]}"

    assert through == list(range(through[0], through[-1] + 1))
    assert line in (ROOT / "README.md").read_text()
