"""The orchestrator acts the protocol out over scripted agents and a real store, without Ray."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.chairman import ChairmanActor
from actors.council.steps import FALLBACK_CHAIRMAN, FALLBACK_OPINION
from actors.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    ModelNotInstalled,
    SessionFinished,
    SessionNotFound,
    SessionRunning,
    Superseded,
)
from actors.messages.calls import CallFailed, GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import DeltaEvent, SessionStarted
from actors.messages.nodes import NodeReport
from actors.messages.requests import AgentSpec, CouncilRequest, Origin, Try, WorkerRequest
from actors.messages.sessions import CouncilSession
from actors.orchestrator import CouncilOrchestrator
from tests.fake_hosts import until
from tests.scripted import ScriptedPool, labels_of, plausible, seat_of_call, stage_of_call

REQUEST = CouncilRequest(
    query="Why is the sky blue?",
    selected_agents=tuple(AgentSpec(model=m) for m in ("a:1", "b:1", "a:1")),
    chairman_model="c:1",
)


@asynccontextmanager
async def council(home: Path, pool: ScriptedPool) -> AsyncIterator[CouncilOrchestrator]:
    config = OrchestratorConfig(store_path=home / "sessions.db")
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    try:
        yield orchestrator
    finally:
        await orchestrator.close()


async def ask(
    orchestrator: CouncilOrchestrator, request: CouncilRequest, key: str | None = None
) -> CouncilSession:
    """Opens the session and waits for its end."""
    return await orchestrator.wait((await orchestrator.open(request, key)).session_id)


def failing(
    stage: str, code: str, retryable: bool, *seats: str
) -> Callable[[GenerateCall], object]:
    def script(call: GenerateCall) -> object:
        if stage_of_call(call) == stage and (not seats or seat_of_call(call) in seats):
            return CallFailed(code=code, detail="as scripted", retryable=retryable)
        return plausible(call)

    return script


async def test_a_whole_council_ends_with_an_answer(tmp_path: Path) -> None:
    pool = ScriptedPool()
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.stage == "complete"
    assert not session.degraded
    assert [o.content for o in session.opinions] == [f"Opinion of agent_{n}" for n in (1, 2, 3)]
    assert [len(r.rankings) for r in session.reviews] == [2, 2, 2]
    assert all(r.reviewer_id not in {v.agent_id for v in r.rankings} for r in session.reviews)
    assert session.final_answer is not None
    cited = session.final_answer.sources_cited
    name = next(a.name for a in session.agents if a.agent_id == cited[0])
    assert session.final_answer.content == f"As [{name}] says: because."
    assert len(pool.agent.calls) == 7


async def test_two_seats_of_one_model_stay_distinct(tmp_path: Path) -> None:
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert [a.agent_id for a in session.agents] == ["agent_1", "agent_2", "agent_3"]
    stats = session.latency_stats.stage1_opinions
    assert stats is not None
    assert set(stats.by_agent) == {"agent_1", "agent_2", "agent_3"}
    assert set(stats.by_model) == {"a:1", "b:1"}


async def test_reviewers_see_labels_and_never_names_or_models(tmp_path: Path) -> None:
    pool = ScriptedPool()
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    later = [c for c in pool.agent.calls if stage_of_call(c) != "opinions"]
    prompts = "\n".join(m.content for call in later for m in call.messages)
    assert not any(a.name in prompts or a.model in prompts for a in session.agents)


async def test_events_count_from_one_without_gaps_and_end_with_the_close(tmp_path: Path) -> None:
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        session = await ask(orchestrator, REQUEST)
        events = [e async for batch in orchestrator.events(session.session_id) for e in batch]
        rest = [e async for batch in orchestrator.events(session.session_id, 5) for e in batch]
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert events[-1].kind == "session_closed"
    assert rest == events[5:]


async def test_a_late_reader_gets_the_text_so_far_and_then_goes_on_live(tmp_path: Path) -> None:
    gate = asyncio.Event()
    pool = ScriptedPool(gate=lambda call: gate)
    async with council(tmp_path, pool) as orchestrator:
        session = await orchestrator.open(REQUEST)
        first = orchestrator.events(session.session_id)
        seen: dict[str, str] = {}
        async for batch in first:
            for event in batch:
                if isinstance(event, DeltaEvent):
                    seen[event.agent_id] = seen.get(event.agent_id, "") + event.text
            if len(seen) == 3:
                break
        await first.aclose()
        late = orchestrator.events(session.session_id)
        texts: dict[str, str] = {}
        async for batch in late:
            for event in batch:
                if event.kind == "opinion_delta":
                    assert event.offset == len(texts.get(event.agent_id, ""))
                    texts[event.agent_id] = texts.get(event.agent_id, "") + event.text
            if len(texts) == 3:
                gate.set()
    assert texts == {f"agent_{n}": f"Opinion of agent_{n}" for n in (1, 2, 3)}


async def test_a_failing_seat_is_asked_three_times_and_then_noted_absent(tmp_path: Path) -> None:
    pool = ScriptedPool(script=failing("opinions", "model_crashed", True, "agent_2"))
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.stage == "complete"
    assert session.degraded
    assert [(a.agent_id, a.code, a.attempts) for a in session.absences] == [
        ("agent_2", "model_crashed", 3)
    ]
    assert len([c for c in pool.agent.calls if seat_of_call(c) == "agent_2"]) == 3
    assert [d.avoid for d in pool.demands if d.avoid] == [frozenset({"pc1"})] * 2


async def test_a_failure_that_is_not_worth_it_is_not_tried_again(tmp_path: Path) -> None:
    pool = ScriptedPool(script=failing("opinions", "model_not_usable", False, "agent_2"))
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.absences[0].attempts == 1


async def test_row_26_all_agents_fail(tmp_path: Path) -> None:
    pool = ScriptedPool(script=failing("opinions", "model_load_failed", False))
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
        kept = await orchestrator.session(session.session_id)
    assert (session.stage, session.error_code) == ("error", "no_opinions")
    assert session.error is not None
    assert all(f"agent_{n}: model_load_failed" in session.error for n in (1, 2, 3))
    assert kept == session


async def test_row_25_a_failed_chairman_is_replaced_and_named(tmp_path: Path) -> None:
    def script(call: GenerateCall) -> object:
        if stage_of_call(call) == "synthesis" and call.model == "c:1":
            return CallFailed(code="model_crashed", detail="scripted", retryable=True)
        return plausible(call)

    pool = ScriptedPool(script=script)
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.final_answer is not None
    assert session.final_answer.fallback == FALLBACK_CHAIRMAN
    assert session.final_answer.chairman_model in ("a:1", "b:1")
    assert session.degraded


async def test_row_25_without_any_chairman_the_best_opinion_stands(tmp_path: Path) -> None:
    pool = ScriptedPool(script=failing("synthesis", "model_not_usable", False))
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    best = session.ranking[0].agent_id
    assert session.final_answer is not None
    assert session.final_answer.fallback == FALLBACK_OPINION
    assert session.final_answer.content == f"Opinion of {best}"
    assert session.final_answer.sources_cited == (best,)
    name = next(seat.name for seat in session.agents if seat.agent_id == best)
    [told] = [notice for notice in session.notices if notice.code == FALLBACK_OPINION]
    assert told.values == ("c:1", name)
    instead = f"the opinion of {name} is the answer."
    assert told.detail == f"The chairman's model c:1 gave no answer; {instead}"


async def test_row_24_unreadable_reviews_are_abstentions_never_made_up_scores(
    tmp_path: Path,
) -> None:
    def script(call: GenerateCall) -> str:
        return "I like them all." if stage_of_call(call) == "review" else str(plausible(call))

    async with council(tmp_path, ScriptedPool(script=script)) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.stage == "complete"
    assert all(not r.rankings and r.rejected for r in session.reviews)
    assert all(s.votes == 0 for s in session.ranking)
    assert "no_valid_reviews" in {n.code for n in session.notices}


async def test_row_20_answers_too_long_for_the_context_are_trimmed_and_it_is_said(
    tmp_path: Path,
) -> None:
    def script(call: GenerateCall) -> str:
        return "word " * 3000 if stage_of_call(call) == "opinions" else str(plausible(call))

    async with council(tmp_path, ScriptedPool(script=script, num_ctx=2048)) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.stage == "complete"
    assert {n.code for n in session.notices} == {"context_trimmed"}
    assert {n.values for n in session.notices} == {(", ".join(s.name for s in session.agents),)}
    assert all(f"The answers of {n.values[0]} were" in n.detail for n in session.notices)


async def test_row_20_an_overflow_that_the_server_reports_is_composed_again_with_less(
    tmp_path: Path,
) -> None:
    def script(call: GenerateCall) -> object:
        if stage_of_call(call) == "opinions":
            return "word " * 900
        if sum(len(m.content) for m in call.messages) > 8000:
            return CallFailed(code="context_overflow", detail="too long", retryable=False)
        return plausible(call)

    pool = ScriptedPool(script=script, num_ctx=8192)
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.stage == "complete"
    assert session.absences == ()
    assert "context_trimmed" in {n.code for n in session.notices}


async def test_the_deadline_ends_a_session_and_what_was_heard_is_kept(tmp_path: Path) -> None:
    never = asyncio.Event()
    pool = ScriptedPool(gate=lambda c: never if seat_of_call(c) == "agent_3" else None)
    request = REQUEST.model_copy(update={"deadline_s": 0.3})
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, request)
    assert (session.stage, session.error_code) == ("error", "deadline")
    assert len(session.opinions) == 2
    assert pool.agent.cancelled == 1


async def test_cancel_ends_it_once_and_says_the_same_twice(tmp_path: Path) -> None:
    never = asyncio.Event()
    pool = ScriptedPool(gate=lambda call: never)
    async with council(tmp_path, pool) as orchestrator:
        session = await orchestrator.open(REQUEST)
        with pytest.raises(SessionRunning):
            await orchestrator.purge(session.session_id)
        both = await asyncio.gather(*(orchestrator.cancel(session.session_id) for _ in range(2)))
        again = await orchestrator.cancel(session.session_id)
        assert [s.error_code for s in (*both, again)] == ["cancelled"] * 3
        await orchestrator.purge(session.session_id)
        with pytest.raises(SessionNotFound):
            await orchestrator.session(session.session_id)


async def test_what_has_ended_cannot_be_cancelled(tmp_path: Path) -> None:
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        session = await ask(orchestrator, REQUEST)
        with pytest.raises(SessionFinished):
            await orchestrator.cancel(session.session_id)


async def test_a_restart_goes_on_and_asks_nobody_again(tmp_path: Path) -> None:
    never = asyncio.Event()
    first = ScriptedPool(gate=lambda c: never if seat_of_call(c) == "agent_3" else None)
    async with council(tmp_path, first) as orchestrator:
        opened = await orchestrator.open(REQUEST)
        heard = 0
        async for batch in orchestrator.events(opened.session_id):
            heard += sum(1 for e in batch if e.kind == "opinion")
            if heard == 2:
                break
    second = ScriptedPool()
    async with council(tmp_path, second) as orchestrator:
        session = await orchestrator.wait(opened.session_id)
    assert session.stage == "complete"
    asked = [seat_of_call(c) for c in second.agent.calls if stage_of_call(c) == "opinions"]
    assert asked == ["agent_3"]


async def test_the_same_idempotency_key_gives_the_same_session(tmp_path: Path) -> None:
    pool = ScriptedPool()
    async with council(tmp_path, pool) as orchestrator:
        sessions = await asyncio.gather(*(ask(orchestrator, REQUEST, "key-1") for _ in range(20)))
    assert len({s.session_id for s in sessions}) == 1
    assert len(pool.agent.calls) == 7


async def test_a_retry_finds_its_session_after_a_crash_too(tmp_path: Path) -> None:
    first, retry = (Origin(tried=Try(mark="m", again=again)) for again in (False, True))
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        former = await orchestrator.open(REQUEST, origin=first)
        opened = await orchestrator.open(REQUEST, origin=first)
        early = await orchestrator.open(REQUEST, origin=retry)
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        late = await orchestrator.open(REQUEST, origin=retry)
        assert len(await orchestrator.sessions(9, None, None)) == 2
        started = (await anext(orchestrator.events(late.session_id)))[0]
    assert isinstance(started, SessionStarted) and started.origin.tried is None
    assert former.session_id != opened.session_id == early.session_id == late.session_id


async def test_a_model_that_nobody_has_is_refused_at_once(tmp_path: Path) -> None:
    request = REQUEST.model_copy(update={"chairman_model": "nobody:1"})
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        with pytest.raises(ModelNotInstalled, match="nobody:1"):
            await orchestrator.open(request)
        with pytest.raises(ModelNotInstalled):
            await orchestrator.generate(WorkerRequest(model="nobody:1", prompt="x"))
        assert await orchestrator.sessions(10, None, None) == ()


async def test_too_many_seats_are_refused_with_the_fields_path(tmp_path: Path) -> None:
    request = CouncilRequest(query="?", selected_agents=(AgentSpec(model="a:1"),) * 6)
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        with pytest.raises(InvalidRequest) as refused:
            await orchestrator.open(request)
    assert "selected_agents" in refused.value.errors[0]["loc"]


async def test_three_seats_of_the_only_model_sit_by_default(tmp_path: Path) -> None:
    pool = ScriptedPool(models=("only:1",))
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, CouncilRequest(query="?"))
    assert [a.model for a in session.agents] == ["only:1"] * 3
    opinions = [c for c in pool.agent.calls if stage_of_call(c) == "opinions"]
    assert len({c.messages[0].content for c in opinions}) == 3
    assert len({(c.options.temperature, c.options.seed) for c in opinions}) == 3


async def test_the_worker_answers_without_a_session(tmp_path: Path) -> None:
    def script(call: GenerateCall) -> str:
        return call.messages[-1].content.upper()

    async with council(tmp_path, ScriptedPool(script=script)) as orchestrator:
        result = await orchestrator.generate(WorkerRequest(model="a:1", prompt="hello"))
        assert await orchestrator.sessions(10, None, None) == ()
    assert (result.content, result.done, result.node) == ("HELLO", True, "pc1")


async def test_the_history_lists_newest_first_and_finds_text(tmp_path: Path) -> None:
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        for query in ("first question", "second question"):
            await ask(orchestrator, REQUEST.model_copy(update={"query": query}))
        everything = await orchestrator.sessions(10, None, None)
        found = await orchestrator.sessions(10, None, "FIRST")
    assert [s.query for s in everything] == ["second question", "first question"]
    assert [s.query for s in found] == ["first question"]
    assert everything[0].total_tokens > 0


async def test_a_model_that_was_pulled_just_now_is_found_by_asking_the_pcs_again(
    tmp_path: Path,
) -> None:
    class Lagging(ScriptedPool):
        async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
            return await super().reports() if fresh else ()

    async with council(tmp_path, Lagging()) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.stage == "complete"


async def test_a_seats_text_is_told_after_its_start_and_whole(tmp_path: Path) -> None:
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        session = await orchestrator.open(REQUEST)
        events = [e async for batch in orchestrator.events(session.session_id) for e in batch]
    for agent_id in ("agent_1", "agent_2", "agent_3"):
        mine = [e for e in events if getattr(e, "agent_id", "") == agent_id]
        stages = [e.kind for e in mine]
        assert stages[0] == "agent_started"
        text = "".join(e.text for e in mine if e.kind == "opinion_delta")
        assert text == f"Opinion of {agent_id}"
        assert [e.offset for e in mine if e.kind == "opinion_delta"][0] == 0


async def test_a_cancel_in_the_moment_of_the_acceptance_ends_the_session(tmp_path: Path) -> None:
    """The tasks that hear it have not run a step yet."""
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        await orchestrator.readiness()
        session = await orchestrator.open(REQUEST)
        ended = await orchestrator.cancel(session.session_id)
        assert (ended.stage, ended.error_code) == ("error", "cancelled")
        await orchestrator.purge(session.session_id)


async def test_row_31_a_retry_gets_its_session_though_the_models_are_gone_by_now(
    tmp_path: Path,
) -> None:
    pool = ScriptedPool()
    async with council(tmp_path, pool) as orchestrator:
        first = await ask(orchestrator, REQUEST, "key")
        pool.models = ("z:1",)
        with pytest.raises(ModelNotInstalled):
            await orchestrator.open(REQUEST)
        assert await orchestrator.open(REQUEST, "key") == first
        with pytest.raises(IdempotencyKeyReused):
            await orchestrator.open(REQUEST.model_copy(update={"query": "Another?"}), "key")


async def test_a_session_that_is_listed_is_running_or_has_ended(tmp_path: Path) -> None:
    """Also in the moment between its commit and its first step: who finds it in the list can wait
    for it, and cannot remove it."""
    gate = asyncio.Event()
    async with council(tmp_path, ScriptedPool(gate=lambda call: gate)) as orchestrator:
        await orchestrator.readiness()
        found: set[str] = set()
        for _ in range(60):
            asking = asyncio.create_task(orchestrator.open(REQUEST))
            while not asking.done():
                for summary in await orchestrator.sessions(2, None, None):
                    if summary.session_id not in found:
                        found.add(summary.session_id)
                        with pytest.raises(SessionRunning):
                            await orchestrator.purge(summary.session_id)
            assert (await orchestrator.cancel(asking.result().session_id)).stage == "error"
            await orchestrator.purge(asking.result().session_id)
    assert len(found) > 10


async def test_who_asks_and_leaves_at_once_leaves_no_session_that_nobody_hears(
    tmp_path: Path,
) -> None:
    """The call is cut at every await on its way, as when a client hangs up."""
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        await orchestrator.readiness()
        for steps in range(40):
            asking = asyncio.create_task(orchestrator.open(REQUEST, f"key-{steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
        await orchestrator.readiness()  # whatever was asked of the store before is done
        for summary in await orchestrator.sessions(100, None, None):
            ended = await orchestrator.wait(summary.session_id)
            assert ended.stage == "complete"


async def test_row_46_of_two_orchestrators_on_one_store_the_second_wins(tmp_path: Path) -> None:
    """The first writes nothing more, asks nobody, and says why; the session completes once."""
    gate = asyncio.Event()
    pool = ScriptedPool(gate=lambda call: gate if seat_of_call(call) == "agent_3" else None)
    async with council(tmp_path, pool) as first:
        session = await first.open(REQUEST)
        await until(lambda: len(pool.agent.calls) == 3)
        async with council(tmp_path, ScriptedPool()) as second:
            ended = await second.wait(session.session_id)
            gate.set()
            with pytest.raises(Superseded):
                await first.wait(session.session_id)
            with pytest.raises(Superseded):
                await first.open(REQUEST)
            assert ended.stage == "complete"
            assert await second.session(session.session_id) == ended
            assert [o.agent_id for o in ended.opinions] == ["agent_1", "agent_2", "agent_3"]
            assert len(await second.sessions(10, None, None)) == 1


async def test_row_46_a_question_to_the_old_orchestrator_stops_it(tmp_path: Path) -> None:
    async with council(tmp_path, ScriptedPool()) as first:
        await first.readiness()
        async with council(tmp_path, ScriptedPool()) as second:
            await second.readiness()
            with pytest.raises(Superseded):
                await first.open(REQUEST)
            with pytest.raises(Superseded):
                await first.readiness()
            assert await second.sessions(10, None, None) == ()


async def test_judges_of_opposite_minds_get_a_minority_note_and_the_ranking_says_so(
    tmp_path: Path,
) -> None:
    """Four seats: two judges like what the other two dislike."""

    def script(call: GenerateCall) -> str | CallFailed:
        if not isinstance(call.format, dict):
            return plausible(call)
        labels = sorted(labels_of(call.format))
        if seat_of_call(call) in ("agent_2", "agent_4"):
            labels.reverse()
        votes = [
            {"reasoning": "so", "agent_id": label, "score": 9 - 3 * n}
            for n, label in enumerate(labels)
        ]
        return json.dumps({"rankings": votes})

    request = REQUEST.model_copy(
        update={"selected_agents": tuple(AgentSpec(model="a:1") for _ in range(4))}
    )
    pool = ScriptedPool(script=script)
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, request)
    assert session.agreement is not None and session.agreement.kendall_w is not None
    assert session.agreement.kendall_w < 0.3
    assert "the judges hardly agree" in session.agreement.sentence
    assert session.agreement.disputes
    assert "disagree" in pool.agent.calls[-1].messages[-1].content
    assert session.ranking_method == "adjusted"


@pytest.mark.parametrize(
    ("silent", "joules"), [("nowhere", 10.5), ("opinions", None), ("review", None)]
)
async def test_a_sessions_joules_are_those_of_its_answers_and_none_where_one_is_not_known(
    tmp_path: Path, silent: str, joules: float | None
) -> None:
    pool = ScriptedPool()
    pool.agent.joules = lambda call: None if stage_of_call(call) == silent else 1.5
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
        assert session.joules == joules
        assert await orchestrator.session(session.session_id) == session


async def test_an_opinion_that_stands_as_the_answer_used_nothing_of_its_own(tmp_path: Path) -> None:
    pool = ScriptedPool(script=failing("synthesis", "model_crashed", False))
    pool.agent.joules = lambda call: 1.5
    async with council(tmp_path, pool) as orchestrator:
        session = await ask(orchestrator, REQUEST)
    assert session.final_answer is not None
    assert session.final_answer.fallback == FALLBACK_OPINION
    assert session.joules == 6 * 1.5
