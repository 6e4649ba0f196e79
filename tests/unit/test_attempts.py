"""How often a client may be wrong, and how long a ticket waits: clocks are handed in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.attempts import MAX_CLIENTS, PER_MINUTE, Attempts, client_of
from serve_app.tickets import LIFETIME_S, MAX_WAITING, Tickets


def test_row_40_ten_a_minute_then_one_every_six_seconds() -> None:
    attempts = Attempts()
    waits = [attempts.failed("a", 0.0).wait_s for _ in range(12)]
    assert waits[:10] == [0.0] * 10 and waits[10:] == [6.0, 6.0]
    assert attempts.failed("a", 5.0).wait_s == pytest.approx(1.0)
    assert attempts.failed("a", 6.0).wait_s == 0.0
    assert attempts.failed("a", 6.0).wait_s == pytest.approx(6.0)
    assert attempts.failed("b", 6.0).wait_s == 0.0
    assert [attempts.failed("a", 1e6).wait_s for _ in range(11)].count(0.0) == 10


@given(st.lists(st.floats(0, 30), max_size=200))
def test_whatever_the_rhythm_no_minute_has_more_than_twenty(pauses: list[float]) -> None:
    """Ten at once after a rest, and ten more while they come back."""
    attempts, now, allowed = Attempts(), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if not attempts.failed("a", now).wait_s:
            allowed.append(now)
    for start in allowed:
        assert sum(start <= at < start + 60 for at in allowed) <= 2 * PER_MINUTE


def test_the_log_gets_one_line_a_second_that_counts_the_others() -> None:
    attempts = Attempts()
    said = [attempts.failed("a", at / 10).say for at in range(25)]
    assert said == [1, *[0] * 9, 10, *[0] * 9, 10, *[0] * 4]


def test_what_is_remembered_is_bounded_and_the_quietest_is_forgotten() -> None:
    attempts = Attempts()
    for _ in range(PER_MINUTE):
        attempts.failed("busy", 0.0)
    for number in range(3 * MAX_CLIENTS):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
        if number % 500 == 0:
            assert attempts.failed("busy", 0.0).wait_s > 0
    assert len(attempts._records) == MAX_CLIENTS


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.168.1.5", "192.168.1.5"),
        ("-", "-"),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(address: str, client: str) -> None:
    assert client_of(address) == client


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_opens_once_within_30_seconds() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    early, late, lost = tickets.issue(), tickets.issue(), tickets.issue()
    assert len({early, late, lost}) == 3 and len(early) >= 43
    clock.now = LIFETIME_S - 0.1
    assert tickets.redeem(early) and not tickets.redeem(early)
    clock.now = float(LIFETIME_S)
    assert not tickets.redeem(late)
    clock.now = 0.0
    assert not tickets.redeem(late), "it was used up, though too late"
    assert not tickets.redeem("") and not tickets.redeem("\ud800")


def test_tickets_that_wait_are_bounded_and_those_that_ended_make_room_first() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    old = [tickets.issue() for _ in range(MAX_WAITING)]
    clock.now = LIFETIME_S + 1.0
    fresh = [tickets.issue() for _ in range(MAX_WAITING)]
    assert len(tickets._waiting) == MAX_WAITING
    one_more = tickets.issue()
    assert not tickets.redeem(old[-1]) and not tickets.redeem(fresh[0])
    assert all(tickets.redeem(ticket) for ticket in (*fresh[1:], one_more))
