"""The short chaos run and the short soak: nothing that was accepted is lost or asked twice.

The long ones: `python -m benchmarks.chaos --kills 200 --councils 100`, `python -m benchmarks.soak`.
"""

import pytest

from tests.cluster import chaos, soak
from tests.cluster.testbed import Testbed

pytestmark = [pytest.mark.cluster, pytest.mark.chaos]


def test_row_49_faults_all_the_time_leave_nothing_behind(bed: Testbed) -> None:
    """Under load something dies, stops, is cut off or answers badly every five seconds: no session
    is stuck, and what lives on has neither more memory nor more open files."""
    found = soak.run(bed, soak.Plan(lasts_s=45, every_s=5, warm_up_s=15, seed=49))

    assert found.verdict.broken == () and found.stuck == ()
    assert found.verdict.complete == found.verdict.councils >= 8
    for role in ("orchestrator", "replica"):
        grown = found.growth(role)
        assert grown.pss_mib < 8 and grown.files < 10, (role, found.sizes[role])


def test_twenty_kills_under_load(bed: Testbed) -> None:
    """Faults 1 to 8: orchestrator, chairman, agents, replica, worker raylets and the whole of PC1
    die by chance; every council ends whole, each client hears each event once, and nothing is left
    over."""
    verdict = chaos.run(bed, chaos.Plan(kills=20, councils=20, pause_s=(0.2, 2.0)))

    assert verdict.broken == ()
    assert verdict.complete == verdict.councils >= 20
    assert verdict.kills == 20
    assert bed.leave() == []
