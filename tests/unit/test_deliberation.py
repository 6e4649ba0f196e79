"""The heart: what the council owes next follows from what was heard, in whatever order it came."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.deliberation import AWAY, WAITING, next_step, out_of_time, owed, ranking
from actors.council.session import RETURNED, Session, record, replay
from actors.council.steps import (
    FALLBACK_CHAIRMAN,
    AskOpinions,
    AskReviews,
    AskSynthesis,
    AwaitPcs,
    Closed,
    UseOpinion,
)
from actors.council.telling import minutes
from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    AgentStarted,
    FinalAnswerGiven,
    NoticeGiven,
    OpinionDelta,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    SessionClosed,
    SessionStarted,
    StageStarted,
    StoredEvent,
)
from actors.messages.judgement import Vote
from actors.messages.requests import CouncilRequest, Seat

START = datetime(2026, 1, 1, tzinfo=UTC)


def started(seats: int = 3) -> SessionStarted:
    return SessionStarted(
        session_id="s",
        seq=1,
        at=START,
        request=CouncilRequest(query="Why?"),
        seats=tuple(
            Seat(agent_id=f"agent_{n}", name=f"Seat {n}", model=f"m{n}")
            for n in range(1, seats + 1)
        ),
        chairman_model="chair",
        seed=7,
        deadline_at=START + timedelta(seconds=600),
    )


def spoken(agent: str, model: str = "m") -> dict[str, object]:
    return {
        "session_id": "s",
        "at": START + timedelta(seconds=5),
        "agent_id": agent,
        "model": model,
        "usage": TokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        "timing": CallTiming(wall_ms=10),
        "started_at": START,
    }


def opinion(agent: str) -> OpinionHeard:
    return OpinionHeard(**spoken(agent), content=f"opinion of {agent}")


def review(agent: str, **scores: int) -> ReviewHeard:
    votes = tuple(Vote(agent_id=a, score=s) for a, s in scores.items())
    return ReviewHeard(**spoken(agent), content="{}", rankings=votes)


def absence(agent: str, stage: str, model: str = "m", code: str = "timeout") -> AbsenceNoted:
    return AbsenceNoted(
        session_id="s", at=START, agent_id=agent, stage=stage, code=code, detail="slow",
        model=model,
    )  # fmt: skip


def away(*numbers: int) -> list[AbsenceNoted]:
    return [absence(f"agent_{n}", "opinions", code=AWAY) for n in numbers]


def notice(code: str, agent: str | None = None) -> NoticeGiven:
    return NoticeGiven(session_id="s", at=START, code=code, detail="fyi", agent_id=agent)


def final() -> FinalAnswerGiven:
    return FinalAnswerGiven(**spoken(CHAIRMAN, "chair"), content="Because.")


def heard(*events: StoredEvent, seats: int = 3) -> Session:
    return replay([started(seats), *events])


def opinions(*numbers: int) -> list[StoredEvent]:
    return [opinion(f"agent_{n}") for n in numbers]


def reviews() -> list[StoredEvent]:
    return [
        review("agent_1", agent_2=9, agent_3=2),
        review("agent_2", agent_1=5, agent_3=3),
        review("agent_3", agent_1=4, agent_2=8),
    ]


def test_a_fresh_session_asks_every_seat_for_an_opinion() -> None:
    assert next_step(heard()) == AskOpinions(("agent_1", "agent_2", "agent_3"))


def test_only_missing_opinions_are_asked_for_again() -> None:
    assert next_step(heard(opinion("agent_2"))) == AskOpinions(("agent_1", "agent_3"))


def test_an_absent_seat_is_not_waited_for_and_does_not_review() -> None:
    step = next_step(heard(*opinions(1, 3), absence("agent_2", "opinions")))
    assert step == AskReviews(("agent_1", "agent_3"))


def test_no_opinion_at_all_closes_the_session_and_lists_the_causes() -> None:
    step = next_step(heard(*(absence(f"agent_{n}", "opinions") for n in (1, 2, 3))))
    assert isinstance(step, Closed)
    assert step.code == "no_opinions"
    assert "agent_2: timeout (slow)" in str(step.sentence)


def test_one_opinion_of_three_is_no_quorum() -> None:
    absences = (absence("agent_1", "opinions"), absence("agent_2", "opinions"))
    step = next_step(heard(opinion("agent_3"), *absences))
    assert isinstance(step, Closed)
    assert step.code == "no_quorum"


class TestRow7:
    """A PC with seats has left the cluster."""

    def test_row_07_with_a_quorum_it_goes_on_without_the_pc(self) -> None:
        step = next_step(heard(*opinions(1, 3), *away(2)))
        assert step == AskReviews(("agent_1", "agent_3"))

    def test_row_07_without_a_quorum_the_pc_is_waited_for(self) -> None:
        assert next_step(heard(opinion("agent_1"), *away(3, 2))) == AwaitPcs(("agent_2", "agent_3"))
        assert next_step(heard(*away(1), seats=1)) == AwaitPcs(("agent_1",))

    def test_row_07_that_it_is_waited_for_is_told_once(self) -> None:
        session = heard(*away(1, 2, 3), notice(WAITING))
        assert next_step(session) == AwaitPcs(("agent_1", "agent_2", "agent_3"), told=True)
        assert minutes.stage(session) == "pending"
        assert owed(session) == ()

    def test_row_07_nobody_is_asked_while_others_still_owe_their_opinion(self) -> None:
        assert next_step(heard(*away(1, 2))) == AskOpinions(("agent_3",))

    def test_row_07_a_wait_that_could_not_bring_a_quorum_is_not_begun(self) -> None:
        final = (absence("agent_1", "opinions"), absence("agent_2", "opinions"))
        step = next_step(heard(*final, *away(3)))
        assert isinstance(step, Closed) and step.code == "no_opinions"
        step = next_step(heard(opinion("agent_1"), *final[1:], *away(3)))
        assert step == AwaitPcs(("agent_3",)), "this one could"

    def test_row_07_who_is_back_is_asked_again_and_is_not_absent_any_more(self) -> None:
        session = heard(opinion("agent_1"), *away(2, 3), notice(WAITING))
        session = record(session, notice(RETURNED, "agent_3"))
        assert next_step(session) == AskOpinions(("agent_3",))
        assert [a.agent_id for a in session.absences] == ["agent_2"]
        session = record(session, opinion("agent_3"))
        assert next_step(session) == AskReviews(("agent_1", "agent_3"))
        view = minutes.view(session)
        assert [a.agent_id for a in view.absences] == ["agent_2"]
        assert [n.code for n in view.notices] == [WAITING, RETURNED, AWAY]

    def test_row_07_who_leaves_again_is_waited_for_again(self) -> None:
        again = [notice(WAITING), notice(RETURNED, "agent_2"), *away(2)]
        session = heard(opinion("agent_1"), *away(2, 3), *again)
        assert next_step(session) == AwaitPcs(("agent_2", "agent_3"), told=True)

    def test_row_07_who_is_back_and_fails_otherwise_is_absent_for_good(self) -> None:
        session = heard(
            *away(1), notice(RETURNED, "agent_1"), absence("agent_1", "opinions"), seats=1
        )
        step = next_step(session)
        assert isinstance(step, Closed) and step.code == "no_opinions"

    @pytest.mark.parametrize("spoken", [(), (1,)])
    def test_row_07_the_deadline_ends_the_wait_as_no_quorum_with_the_causes(
        self, spoken: tuple[int, ...]
    ) -> None:
        gone = away(*{1, 2, 3} - set(spoken))
        end = out_of_time(heard(*opinions(*spoken), *gone))
        assert end.code == "no_quorum"
        assert "agent_2: node_gone (slow)" in str(end.sentence)
        assert "no PC that is missing came back" in str(end.sentence)

    def test_row_07_a_pc_that_is_gone_in_a_later_stage_is_not_waited_for(self) -> None:
        session = heard(*opinions(1, 2, 3), *reviews()[:2], absence("agent_3", "review", code=AWAY))
        assert next_step(session) == AskSynthesis("chair")


def test_any_other_deadline_is_a_deadline_and_what_was_owed_then_is_known() -> None:
    assert out_of_time(heard()).code == "deadline"
    session = heard(opinion("agent_2"))
    assert owed(session) == (("opinions", "agent_1", "m1"), ("opinions", "agent_3", "m3"))
    session = heard(*opinions(1, 2), absence("agent_3", "opinions"))
    assert owed(session) == (("review", "agent_1", "m1"), ("review", "agent_2", "m2"))
    session = heard(*opinions(1, 2, 3), *reviews())
    assert owed(session) == (("synthesis", CHAIRMAN, "chair"),)
    assert owed(record(session, final())) == ()


def test_a_council_of_one_needs_no_review() -> None:
    assert next_step(heard(opinion("agent_1"), seats=1)) == AskSynthesis("chair")


def test_synthesis_follows_the_last_review_or_its_absence() -> None:
    some = heard(*opinions(1, 2, 3), *reviews()[:2])
    assert next_step(some) == AskReviews(("agent_3",))
    assert next_step(record(some, absence("agent_3", "review"))) == AskSynthesis("chair")


def test_a_failed_chairman_is_replaced_by_the_best_seats_model_and_then_by_its_opinion() -> None:
    session = heard(*opinions(1, 2, 3), *reviews(), absence(CHAIRMAN, "synthesis", "chair"))
    assert next_step(session) == AskSynthesis("m2", FALLBACK_CHAIRMAN)
    session = record(session, absence(CHAIRMAN, "synthesis", "m2"))
    assert next_step(session) == UseOpinion("agent_2")


def test_the_final_answer_ends_it() -> None:
    session = heard(*opinions(1, 2, 3), *reviews(), final())
    assert next_step(session) == Closed()


def test_what_comes_after_the_close_is_not_recorded() -> None:
    closed = SessionClosed(session_id="s", at=START, outcome="error", error_code="cancelled")
    session = heard(closed)
    assert record(session, opinion("agent_1")) is session
    assert next_step(session) == Closed("cancelled", None)


def test_a_record_must_begin_with_its_beginning() -> None:
    with pytest.raises(ValueError, match="first event"):
        replay([opinion("agent_1")])


def test_what_is_only_told_and_never_stored_cannot_be_recorded() -> None:
    delta = OpinionDelta(session_id="s", at=START, agent_id="agent_1", text="The", offset=0)
    with pytest.raises(AssertionError):
        record(replay([started()]), delta)


def test_a_second_beginning_changes_nothing() -> None:
    session = heard()
    assert record(session, started(2)).seats == session.seats


@given(st.permutations([*opinions(1, 2, 3), *reviews()]))
def test_the_order_of_hearing_does_not_matter(events: list[StoredEvent]) -> None:
    session = heard(*events)
    assert next_step(session) == AskSynthesis("chair")
    assert [s.agent_id for s in ranking(session)] == ["agent_2", "agent_1", "agent_3"]


@given(st.lists(st.sampled_from([*opinions(1, 2, 3), *reviews(), final()]), max_size=7))
def test_nothing_that_was_heard_is_ever_asked_again(events: list[StoredEvent]) -> None:
    session = heard(*events)
    step = next_step(session)
    if isinstance(step, AskOpinions):
        assert not set(step.agent_ids) & session.opinions.keys()
    if isinstance(step, AskReviews):
        assert not set(step.agent_ids) & session.reviews.keys()


def whole() -> list[StoredEvent]:
    return [
        StageStarted(session_id="s", at=START, stage="opinions"),
        AgentStarted(session_id="s", at=START, agent_id="agent_1", stage="opinions", node="pc2"),
        *opinions(1, 2, 3),
        *reviews(),
        RankingMade(session_id="s", at=START, ranking=ranking(heard(*opinions(1, 2), *reviews()))),
        final(),
        SessionClosed(session_id="s", at=START + timedelta(seconds=9), outcome="complete"),
    ]


def test_the_view_of_a_whole_session_is_complete_and_not_degraded() -> None:
    view = minutes.view(heard(*whole()))
    assert view.stage == "complete"
    assert not view.degraded
    assert view.notices == ()
    assert [o.agent_id for o in view.opinions] == ["agent_1", "agent_2", "agent_3"]
    assert view.ranking[0].agent_id == "agent_2"
    assert view.final_answer is not None
    assert view.final_answer.content == "Because."
    assert view.token_usage.total_tokens == 7 * 3
    assert minutes.summarise([started(), *whole()]).total_tokens == 21


def test_the_stage_follows_the_record() -> None:
    events = whole()
    stages = [minutes.stage(heard(*events[:n])) for n in range(len(events) + 1)]
    assert stages == [
        "pending", "pending", "opinions", "opinions", "opinions", "review", "review", "review",
        "synthesis", "synthesis", "synthesis", "complete",
    ]  # fmt: skip


def test_an_abstention_and_an_absence_degrade_and_say_so() -> None:
    view = minutes.view(
        heard(
            *opinions(1, 2),
            absence("agent_3", "opinions"),
            review("agent_1"),
            review("agent_2"),
            RankingMade(session_id="s", at=START, ranking=()),
            absence(CHAIRMAN, "synthesis", "chair"),
            FinalAnswerGiven(
                **{**spoken(CHAIRMAN), "truncated": True}, content="x", fallback="stand_in"
            ),
        )
    )
    assert view.degraded
    assert [n.code for n in view.notices] == [
        "timeout", "timeout", "truncated", "abstention", "abstention", "no_valid_reviews",
        "stand_in",
    ]  # fmt: skip


def test_a_notice_that_does_not_degrade_is_shown_all_the_same() -> None:
    view = minutes.view(heard(notice("hint")))
    assert [n.code for n in view.notices] == ["hint"]
    assert not view.degraded
