"""What judges a chaos run: a repeated model call needs a kill that can have cut it."""

import pytest

from tests.cluster.clients import Inquiry
from tests.cluster.ledger import Chat, Step
from tests.cluster.verdicts import Kill, Verdict, judge

OPINION: Step = (7, "opinions", "agent_1")
SYNTHESIS: Step = (7, "synthesis", "chairman")
ON_PC2, ON_PC3 = Chat(20.0, "alpha", "pc2", True), Chat(22.0, "alpha", "pc3", True)


def _judged(*kills: Kill, of: dict[Step, list[Chat]], councils: int = 1) -> Verdict:
    inquiries = [Inquiry(7 + n, ("alpha",), "alpha", waits=False) for n in range(councils)]
    for inquiry in inquiries:
        inquiry.asked_at, inquiry.ended_at = 1.0, 30.0
    return judge(inquiries, {}, of, kills, wall=0.0)


def _repeats(verdict: Verdict) -> list[str]:
    return [said for said in verdict.broken if "times" in said or "repeated" in said]


@pytest.mark.parametrize(
    ("kill", "step"),
    [
        (Kill(21.0, "agent", "pc2"), OPINION),
        (Kill(21.0, "raylet", "pc2"), OPINION),
        (Kill(19.0, "agent", "pc2"), OPINION),
        (Kill(2.0, "answer", "pc2"), OPINION),
        (Kill(21.0, "head", "pc1"), OPINION),
        (Kill(21.0, "orchestrator", "pc1"), SYNTHESIS),
        (Kill(21.0, "chairman", "pc1"), SYNTHESIS),
    ],
)
def test_a_call_that_was_cut_may_be_asked_again(kill: Kill, step: Step) -> None:
    verdict = _judged(kill, of={step: [ON_PC2, ON_PC3]})

    assert _repeats(verdict) == [] and verdict.repeated == 1


@pytest.mark.parametrize(
    ("kill", "step"),
    [
        (Kill(21.0, "agent", "pc3"), OPINION),
        (Kill(23.0, "agent", "pc2"), OPINION),
        (Kill(21.0, "chairman", "pc1"), OPINION),
    ],
)
def test_a_kill_elsewhere_is_no_reason(kill: Kill, step: Step) -> None:
    (said,) = _repeats(_judged(kill, of={step: [ON_PC2, ON_PC3]}))

    assert "2 times with 0 kills" in said


def test_one_kill_cuts_as_many_calls_as_there_can_be() -> None:
    """A PC's node has three agents, a chairman one call a council, an agent one call."""
    calls = {(7, stage, "agent_1"): [ON_PC2, ON_PC3] for stage in ("opinions", "review", "guard")}

    assert _repeats(_judged(Kill(21.0, "raylet", "pc2"), of=calls)) == []
    (said,) = _repeats(_judged(Kill(21.0, "agent", "pc2"), of=calls))
    assert said.startswith("3 repeated calls, and the kills can have cut 1")


def test_a_chairman_that_dies_cuts_the_synthesis_of_each_open_council() -> None:
    calls: dict[Step, list[Chat]] = {(n, "synthesis", "chairman"): [ON_PC2, ON_PC3] for n in (7, 8)}
    kill = Kill(21.0, "chairman", "pc1")

    assert _repeats(_judged(kill, of=calls, councils=2)) == []
    assert _repeats(_judged(kill, of=calls, councils=1)) != []


def test_what_nobody_cut_is_told() -> None:
    assert _repeats(_judged(of={OPINION: [ON_PC2]})) == []
    assert len(_repeats(_judged(of={OPINION: [ON_PC2, ON_PC3]}))) == 2
