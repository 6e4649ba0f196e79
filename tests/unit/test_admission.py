"""Admission counts what is open, learns from what was heard, and says at once who may come in."""

from datetime import UTC, datetime

import pytest

from actors.admission import Admission
from actors.council.backlog import Bounds
from actors.council.session import Session, record
from actors.errors import QueueFull
from actors.messages.calls import CallTiming, Generated, TokenUsage
from actors.messages.events import AgentStarted
from actors.messages.nodes import InstalledModel, NodeReport, OllamaStatus
from actors.messages.requests import ModelOptions
from tests.unit.test_workload import START, after, final, opinion, review, started

PATIENT = Bounds(max_queue_s=1e9, max_open=100)
CALL = (("x" * 40,), ModelOptions(), "a")


def report(name: str, *models: str) -> NodeReport:
    installed = tuple(InstalledModel(name=model, size=10**9) for model in models)
    ollama = OllamaStatus(url="http://x", connected=True, installed=installed)
    return NodeReport(
        name=name, ip="1", role="worker", at=datetime.now(UTC), ollama=ollama, max_models=1
    )


def admission(bounds: Bounds = PATIENT, *pcs: NodeReport) -> Admission:
    made = Admission(bounds)
    made.see(pcs or (report("pc2", "a", "b", "chair"),))
    return made


def named(name: str, session: Session | None = None) -> Session:
    begun = (session or started()).started.model_copy(update={"session_id": name})
    return Session(started=begun, last=begun)


def asked(session: Session) -> Session:
    return record(
        session,
        AgentStarted(session_id="s", at=START, agent_id="agent_1", stage="opinions", node="pc2"),
    )


OPINIONS = tuple(opinion(f"agent_{n}", model) for n, model in enumerate("aba", 1))
REVIEWS = tuple(review(f"agent_{n}", model) for n, model in enumerate("aba", 1))


def told(session: Session | None = None) -> Session:
    """The session once all has been said in it."""
    return after(session or started(), *OPINIONS, *REVIEWS, final())


def teach(line: Admission) -> None:
    """Lets it follow a session to its end."""
    line.follow("taught", lambda: told())
    line.leave("taught")


def wait_of(refused: pytest.ExceptionInfo[QueueFull]) -> float:
    """The seconds of work that a refusal speaks of."""
    return float(str(refused.value).partition("about ")[2].partition(" s")[0])


def test_one_after_the_other_gets_the_next_place_and_a_later_time() -> None:
    line = admission()
    for name in ("first", "second", "third"):
        line.admit(named(name))
    places = line.places(("first", "second", "third", "nobody"))
    assert {name: told.place for name, told in places.items()} == {
        "first": 1, "second": 2, "third": 3,
    }  # fmt: skip
    etas = [told.eta_s for told in places.values()]
    assert etas[0] == 0 < etas[1] < etas[2]
    assert etas[2] == pytest.approx(2 * etas[1], rel=0.02)


def test_whoever_ends_lets_the_others_move_up() -> None:
    line = admission()
    for name in ("first", "second"):
        line.admit(named(name))
    line.leave("first")
    line.leave("first")
    assert line.places(("second",))["second"].place == 1


def test_who_was_given_a_pc_has_no_place_any_more_and_is_still_ahead_of_others() -> None:
    line = admission()
    session = named("first")
    line.admit(session)
    line.follow("first", lambda: asked(session))
    line.admit(named("second"))
    places = line.places(("first", "second"))
    assert set(places) == {"second"}
    assert places["second"].place == 2


def test_nobody_knows_a_place_before_the_pcs_were_seen() -> None:
    line = Admission(PATIENT)
    line.admit(named("first"))
    assert line.places(("first",)) == {}


def test_questions_for_other_pcs_are_not_ahead() -> None:
    line = admission(PATIENT, report("pc2", "a", "b", "chair"), report("pc3", "c"))
    line.admit(named("first"))
    other = started(("c",)).started.model_copy(update={"chairman_model": "c"})
    line.admit(named("other", Session(started=other, last=other)))
    told = line.places(("other",))["other"]
    assert (told.place, told.eta_s) == (1, 0)


def test_beyond_the_wait_that_is_allowed_a_question_is_refused_until_work_is_done() -> None:
    line = admission(Bounds(max_queue_s=1.0, max_open=100))
    teach(line)
    session = named("first")
    line.admit(session)
    for _ in range(2):
        with pytest.raises(QueueFull) as refused:
            line.admit(named("second"))
    assert refused.value.retry_after_s == pytest.approx(wait_of(refused) - 1, abs=0.5)
    line.follow("first", lambda: after(session, *OPINIONS))
    with pytest.raises(QueueFull) as later:
        line.admit(named("second"))
    assert wait_of(later) < wait_of(refused)
    line.follow("first", lambda: told(session))
    line.admit(named("second"))
    assert set(line.places(("second", "third"))) == {"second"}


def test_no_more_than_so_many_may_be_open_however_little_they_owe() -> None:
    line = admission(Bounds(max_queue_s=1e9, max_open=2))
    line.admit(named("first"))
    with line.call(*CALL):
        with pytest.raises(QueueFull, match="COUNCIL_MAX_OPEN"):
            line.admit(named("second"))
        with pytest.raises(QueueFull, match="COUNCIL_MAX_OPEN"), line.call(*CALL):
            pytest.fail("the call was let in")
    line.admit(named("second"))


def test_a_single_call_is_work_like_any_other_and_is_over_however_it_ends() -> None:
    line = admission(Bounds(max_queue_s=1.0, max_open=100))
    with pytest.raises(ZeroDivisionError), line.call(*CALL):
        with pytest.raises(QueueFull, match="COUNCIL_MAX_QUEUE_S"), line.call(*CALL):
            pytest.fail("the call was let in")
        raise ZeroDivisionError
    line.admit(named("first"))


def test_what_was_open_before_the_start_is_counted_without_a_question() -> None:
    line = admission(Bounds(max_queue_s=1.0, max_open=1))
    for name in ("first", "second"):
        session = named(name)
        line.follow(name, lambda session=session: session)
    assert line.places(("second",))["second"].place == 2
    with pytest.raises(QueueFull):
        line.admit(named("third"))


def eta_behind_one(line: Admission) -> float:
    """Seconds that a question waits behind one like it."""
    for name in ("one", "two"):
        line.admit(named(name))
    return line.places(("two",))["two"].eta_s


def test_times_are_learnt_from_sessions_that_are_open_and_from_those_that_ended() -> None:
    guess = eta_behind_one(admission())
    session = named("first")
    heard = told(session)
    ended, running = admission(), admission()
    ended.admit(session)
    ended.follow("first", lambda: heard)
    ended.leave("first")
    running.follow("first", lambda: heard)
    learnt = {eta_behind_one(line) for line in (ended, running)}
    assert len(learnt) == 1
    assert guess not in learnt


def test_who_waits_is_counted_anew_once_enough_was_learnt() -> None:
    """The guess of an answer's length does not outlive the first answers."""
    early, late = admission(), admission()
    names = [f"s{n}" for n in range(5)]
    for name in ("one", "two"):
        early.admit(named(name))
    for name in names:
        early.follow(name, lambda: told())
        late.follow(name, lambda: told())
    assert early.places(("two",))["two"].eta_s == eta_behind_one(late)


def test_a_single_call_teaches_how_fast_its_pc_is() -> None:
    line = admission()
    usage = TokenUsage(prompt_tokens=10, completion_tokens=200, total_tokens=210)
    timing = CallTiming(generate_ms=500_000, wall_ms=500_000)
    with line.call(*CALL) as heard:
        heard(Generated(content="x", usage=usage, timing=timing, node="pc2"))
    assert eta_behind_one(line) > 10 * eta_behind_one(admission())


def test_an_answer_from_the_cache_teaches_nothing() -> None:
    line = admission()
    found = Generated(
        content="x", usage=TokenUsage(), timing=CallTiming(wall_ms=1), node="pc2", cached=True
    )
    with line.call(*CALL) as heard:
        heard(found)
    assert eta_behind_one(line) == eta_behind_one(admission())


def test_counting_stays_exact_over_many_sessions() -> None:
    """Sums that are added to and taken from are the sums of what is open."""
    line = admission()
    for number in range(300):
        line.admit(named(f"s{number}"))
        if number >= 50:
            line.leave(f"s{number - 50}")
    fresh = admission()
    for number in range(250, 300):
        fresh.admit(named(f"s{number}"))
    last = [told.places(("s299",))["s299"] for told in (line, fresh)]
    assert last[0] == last[1]
    for number in range(250, 300):
        line.leave(f"s{number}")
    line.admit(named("alone"))
    assert line.places(("alone",))["alone"].eta_s == 0
