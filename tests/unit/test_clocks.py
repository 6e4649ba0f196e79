"""How far another PC's clock is ahead: told with a bound that the truth keeps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cluster.clocks import reading

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(
    ahead_s=some.floats(-9e4, 9e4),
    there_s=some.floats(0, 20),
    back_s=some.floats(0, 20),
    took_s=some.floats(0, 20),
)
def test_however_the_way_divides_the_truth_is_within_the_bound(
    ahead_s: float, there_s: float, back_s: float, took_s: float
) -> None:
    told = NOON + timedelta(seconds=there_s + took_s + ahead_s)
    received = NOON + timedelta(seconds=there_s + took_s + back_s)
    found = reading(told, took_s, received, there_s + took_s + back_s)
    assert abs(found.ahead_s - ahead_s) <= found.bound_s + 0.002
    assert found.bound_s == pytest.approx((there_s + back_s) / 2, abs=0.001)


def test_a_slow_look_at_the_model_server_does_not_make_it_less_sure() -> None:
    received = NOON + timedelta(seconds=10.02)
    found = reading(received + timedelta(seconds=7), 10.0, received, 10.02)
    assert (found.ahead_s, found.bound_s) == (pytest.approx(7.01), pytest.approx(0.01))
