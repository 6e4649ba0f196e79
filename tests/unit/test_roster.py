"""What is remembered of a PC that left, until it tells again what it has."""

import pytest

from cluster.roster import Roster
from tests.fake_hosts import FakePc

RETURN_S = 45.0


@pytest.fixture
def roster() -> Roster:
    """PC2 is there and has told that it has model a:1."""
    roster = Roster(cooldown_s=30, return_s=RETURN_S)
    pc = FakePc("pc2", ("a:1",))
    roster.seen([pc.view], now=0)
    roster.reported("pc2", pc.report(), now=0)
    return roster


@pytest.mark.parametrize("was_seen_to_leave", [True, False])
def test_a_pc_that_is_back_and_cannot_tell_yet_may_still_have_its_models(
    roster: Roster, was_seen_to_leave: bool
) -> None:
    """Its node died and stands again, under another id; its first report does not come through."""
    back = FakePc("pc2", ("a:1",), node_id="second", answers=False)
    if was_seen_to_leave:
        roster.seen([], now=1)
    roster.seen([back.view], now=2)
    roster.reported("pc2", back.report(), now=3)

    assert not roster.known("a:1")
    assert roster.may_return("a:1", now=4) and roster.gone("a:1")
    assert not roster.may_return("a:1", now=2 + RETURN_S)


def test_a_pc_that_leaves_again_before_it_told_is_waited_for_anew(roster: Roster) -> None:
    back = FakePc("pc2", ("a:1",), node_id="second")
    roster.seen([], now=1)
    roster.seen([back.view], now=40)
    roster.seen([], now=41)

    assert roster.may_return("a:1", now=80)


def test_what_a_pc_tells_replaces_what_it_had(roster: Roster) -> None:
    back = FakePc("pc2", ("b:1",), node_id="second")
    roster.seen([], now=1)
    roster.seen([back.view], now=2)
    roster.reported("pc2", back.report(), now=3)

    assert roster.known("b:1") and not roster.known("a:1")
    assert not roster.may_return("a:1", now=3)
