"""The default method against what others do, where the truth is known: it wins or ties everywhere.

The table in docs/ranking.md: `python -m benchmarks.ranking`.
"""

import pytest

from actors.council.judging.ranking import DEFAULT
from tests.simulation.judges import FAULTS, lead, play

RIVALS = ("mean score", "mean rank", "best judge")
COUNCILS = 1_000


@pytest.mark.parametrize("seats", [3, 5])
@pytest.mark.parametrize("faults", FAULTS)
def test_the_default_wins_or_ties(faults: str, seats: int) -> None:
    """A tie = a lead whose 95 % interval holds 0."""
    played = play(FAULTS[faults], seats, COUNCILS, seed=11, rules=(DEFAULT, *RIVALS[:2]))
    for rival in RIVALS:
        ahead, half = lead(played, rival)
        assert ahead + half >= 0, f"{rival} is ahead by {-ahead:.3f} ± {half:.3f}"


@pytest.mark.parametrize("seats", [4, 5])
def test_where_judges_differ_in_severity_it_wins_clearly(seats: int) -> None:
    played = play(FAULTS["harshness"], seats, COUNCILS, seed=12, rules=(DEFAULT, "mean score"))
    ahead, half = lead(played, "mean score")
    assert ahead > 0.03 > half
    ahead, half = lead(played, "best judge")
    assert ahead > 0.1 > half
