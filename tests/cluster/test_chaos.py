"""The short chaos run: twenty kills under load, nothing that was accepted is lost or asked twice.

The long one: `python -m benchmarks.chaos --kills 200 --councils 100`.
"""

import pytest

from tests.cluster import chaos
from tests.cluster.conftest import Keep
from tests.cluster.hosts import Lan
from tests.cluster.testbed import Testbed

pytestmark = pytest.mark.cluster


def test_twenty_kills_under_load(lan: Lan, keep: Keep) -> None:
    """Faults 1 to 7: orchestrator, chairman, agents, replica and worker raylets die by chance;
    every council ends whole, each client hears each event once, and nothing is left over."""
    bed = keep(Testbed(lan))

    verdict = chaos.run(bed, chaos.Plan(kills=20, councils=20))

    assert verdict.broken == ()
    assert verdict.complete == verdict.councils >= 20
    assert verdict.repeated <= verdict.kills == 20
    assert bed.leave() == []
