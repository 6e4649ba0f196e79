"""Calls share a PC: what it used is divided among those that ran there, and no more than that."""

import pytest

from cluster.shares import Shares


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_alone_a_call_has_the_pc_to_itself() -> None:
    clock = Clock()
    with Shares(clock).call("pc1") as share:
        assert share() == 1
        clock.now += 4
        assert share() == 1


def test_time_in_company_counts_for_a_part_only() -> None:
    clock = Clock()
    shares = Shares(clock)
    with shares.call("pc1") as long:
        clock.now += 2
        with shares.call("pc1") as short, shares.call("pc2") as elsewhere:
            assert short() == 0.5
            clock.now += 4
            assert (short(), elsewhere()) == (0.5, 1)
        clock.now += 2
        assert long() == (2 + 4 / 2 + 2) / 8


def test_parts_of_one_pc_add_up_to_the_whole() -> None:
    clock = Clock()
    shares = Shares(clock)
    had = []
    with shares.call("pc1") as first:
        for company in (1, 3):
            began = clock.now
            calls = [shares.call("pc1") for _ in range(company)]
            parts = [call.__enter__() for call in calls]
            clock.now += 1.7
            had += [part() * (clock.now - began) for part in parts]
            for call in calls:
                call.__exit__(None, None, None)
        had.append(first() * (clock.now - 50))
    assert sum(had) == pytest.approx(3.4)


def test_a_call_that_failed_is_not_counted_on() -> None:
    clock = Clock()
    shares = Shares(clock)
    with pytest.raises(OSError), shares.call("pc1"):
        raise OSError
    clock.now += 100
    with shares.call("pc1") as share:
        clock.now += 1
        assert share() == 1
