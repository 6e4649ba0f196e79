"""A session's deadline by the boot clock; the wall's clock may jump as it likes."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.clock import boot_time
from actors.council.deadline import seconds_left
from actors.messages.events import BootTime
from tests.unit.test_deliberation import started

AT = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = started().model_copy(
    update={
        "at": AT,
        "deadline_at": AT + timedelta(seconds=600),
        "boot": BootTime(boot_id="this", seconds=1000.0),
    }
)


@pytest.mark.parametrize("jump_s", [-3600, 0, 3600])
def test_row_29_a_wall_clock_that_jumps_an_hour_expires_nothing(jump_s: int) -> None:
    """A session that is resumed after the jump, in the same boot."""
    at = AT + timedelta(seconds=60 + jump_s)
    assert seconds_left(STARTED, at, BootTime(boot_id="this", seconds=1060.0)) == 540


def test_after_a_reboot_the_walls_clock_counts() -> None:
    at = AT + timedelta(seconds=500)
    assert seconds_left(STARTED, at, BootTime(boot_id="next", seconds=5.0)) == 100
    assert seconds_left(STARTED, at, None) == 100


def test_a_deadline_that_passed_is_negative() -> None:
    assert seconds_left(STARTED, AT, BootTime(boot_id="this", seconds=1700.0)) == -100


def test_a_clock_that_woke_up_in_the_past_takes_no_time_away() -> None:
    at = AT - timedelta(days=20_000)
    assert seconds_left(STARTED, at, BootTime(boot_id="next", seconds=5.0)) == 600


def test_a_session_of_a_former_release_has_no_boot_time() -> None:
    former = STARTED.model_copy(update={"boot": None})
    at = AT + timedelta(seconds=10)
    assert seconds_left(former, at, BootTime(boot_id="this", seconds=1.0)) == 590


def test_this_pc_tells_one_boot_and_time_goes_on() -> None:
    first, second = boot_time(), boot_time()
    assert first is None or (second and first.boot_id == second.boot_id)
    assert first is None or (second and first.seconds <= second.seconds)
