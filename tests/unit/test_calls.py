"""One call, from the wish to the verdict: which failures are tried again, where, and how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.chairman import ChairmanActor
from actors.council.asking.briefs import Limits, worker_call
from actors.errors import (
    CallTimeout,
    ContextOverflow,
    ModelCallError,
    ModelNotAvailable,
    NodeUnreachable,
    NoModelServer,
)
from actors.messages.calls import CallFailed, Delta, GenerateCall, Generated
from actors.messages.configs import OrchestratorConfig
from actors.messages.nodes import NodeReport
from actors.messages.requests import WorkerRequest
from actors.orchestrator import CouncilOrchestrator
from actors.pool import Demand, Lease
from actors.sessions import calls
from actors.sessions.calls import ATTEMPTS, USED_UP, Caller, ask_agent, call_model, pause_s
from actors.sessions.retries import FLOOR, RetryBudget
from tests.fake_hosts import answer, failure, until
from tests.scripted import ScriptedPool

End = Generated | CallFailed | ModelCallError
WELL = answer("Because.")


def lacking() -> CallFailed:
    """A PC does not have the model: nothing to try again there."""
    return failure("model_not_available").model_copy(update={"retryable": False})


class Pcs:
    """A pool of PCs by name; each call to one ends as its list says. An error instead of an end is
    the pool's own refusal."""

    def __init__(self, **ends: list[End]) -> None:
        self.ends = ends
        self.retries = RetryBudget()
        self.num_ctx = 4096
        self.demands: list[Demand] = []
        self.asked: list[str] = []

    @asynccontextmanager
    async def lease(self, demand: Demand) -> AsyncIterator[Lease]:
        self.demands.append(demand)
        there = [name for name in self.ends if name not in demand.avoid] or list(self.ends)
        end = self.ends[there[0]].pop(0)
        if isinstance(end, ModelCallError):
            raise end
        self.asked.append(there[0])
        yield Lease(_Ending(end), there[0], 4096, queue_ms=7, share=lambda: 0.25)

    async def back(self, models: frozenset[str]) -> frozenset[str]:
        return models

    async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
        return ()

    async def close(self) -> None: ...


class _Ending:
    def __init__(self, end: Generated | CallFailed) -> None:
        self._end = end

    async def generate(self, call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        yield Delta(text="Be")
        yield self._end


class Told:
    """What the caller was told as it happened."""

    def __init__(self, pool: Pcs, timeout_s: float = 30.0) -> None:
        self.starts: list[tuple[str, int, str | None]] = []
        self.texts: list[str] = []
        self._pool = pool
        self._demand = Demand("a:1", "s", 0.0, timeout_s=timeout_s)

    async def call(self) -> Generated | CallFailed:
        request = WorkerRequest(model="a:1", prompt="Why?")

        def compose(num_ctx: int, share: float) -> GenerateCall:
            return worker_call("c", request, "a:1", Limits(100, 100).opinion(num_ctx), 30.0)

        def started(node: str, attempt: int, former: CallFailed | None) -> None:
            self.starts.append((node, attempt, former.code if former else None))

        def heard(delta: Delta) -> None:
            self.texts.append(delta.text)

        caller = Caller(self._demand, compose, ask_agent, started, heard)
        return await call_model(self._pool, caller)


async def test_a_failure_is_tried_again_on_another_pc_and_the_reason_is_told() -> None:
    told = Told(Pcs(pc1=[failure("model_crashed")], pc2=[WELL]))
    end = await told.call()
    assert isinstance(end, Generated)
    assert (end.node, end.attempts, end.timing.queue_ms) == ("pc2", 2, 7)
    assert told.starts == [("pc1", 1, None), ("pc2", 2, "model_crashed")]
    assert told.texts == ["Be", "Be"]


async def test_three_attempts_and_no_more() -> None:
    pool = Pcs(pc1=[failure("model_crashed")] * 9)
    end = await Told(pool).call()
    assert isinstance(end, CallFailed)
    assert (end.code, end.attempts, end.node) == ("model_crashed", ATTEMPTS, "pc1")
    assert pool.asked == ["pc1"] * ATTEMPTS


async def test_a_pc_that_is_out_of_reach_twice_is_not_asked_a_third_time() -> None:
    """A black hole costs a connect timeout each time."""
    pool = Pcs(pc1=[failure("node_unreachable")] * 9)
    end = await Told(pool).call()
    assert isinstance(end, CallFailed)
    assert (end.code, end.attempts) == ("node_unreachable", 2)


async def test_but_every_pc_may_be_tried_once() -> None:
    away = failure("node_unreachable")
    pool = Pcs(pc1=[away], pc2=[away], pc3=[WELL])
    assert isinstance(await Told(pool).call(), Generated)
    assert pool.asked == ["pc1", "pc2", "pc3"]


async def test_a_model_that_one_pc_lacks_is_looked_for_on_another() -> None:
    pool = Pcs(pc1=[lacking()], pc2=[WELL])
    end = await Told(pool).call()
    assert isinstance(end, Generated) and end.node == "pc2"


@pytest.mark.parametrize("error", [ModelNotAvailable("no"), NodeUnreachable("no")])
async def test_what_the_pool_refuses_is_final(error: ModelCallError) -> None:
    pool = Pcs(pc1=[error, WELL])
    end = await Told(pool).call()
    assert isinstance(end, CallFailed)
    assert (end.code, end.attempts, end.node) == (error.code, 1, "")
    assert len(pool.demands) == 1


async def test_a_failure_that_says_so_is_final() -> None:
    useless = failure("model_not_usable").model_copy(update={"retryable": False})
    end = await Told(Pcs(pc1=[useless, WELL])).call()
    assert isinstance(end, CallFailed) and end.attempts == 1


class TestTheBudgetOfRetries:
    """A tenth of the calls within a minute, and a few that are always free."""

    def test_a_tenth_of_the_calls_and_the_floor(self) -> None:
        budget = RetryBudget(share=0.1, floor=2)
        for _ in range(30):
            budget.called(now=0.0)
        assert [budget.spend(now=1.0) for _ in range(6)] == [True] * 5 + [False]

    def test_what_is_older_than_a_minute_counts_no_more(self) -> None:
        budget = RetryBudget(share=0.1, floor=1)
        for _ in range(10):
            budget.called(now=0.0)
        assert [budget.spend(now=30.0) for _ in range(3)] == [True, True, False]
        assert not budget.spend(now=61.0), "the calls are forgotten, the retries not yet"
        assert [budget.spend(now=91.0) for _ in range(2)] == [True, False]

    def test_the_floor_lets_a_lone_council_try_everything_again(self) -> None:
        opinions, reviews, chairmen = 5, 5, 2
        assert (opinions + reviews + chairmen) * (ATTEMPTS - 1) <= FLOOR

    async def test_when_it_is_used_up_the_failure_stands_and_says_why(self) -> None:
        pool = Pcs(pc1=[failure("model_crashed")] * 9)
        pool.retries = RetryBudget(share=0.1, floor=1)
        ends = [await Told(pool).call() for _ in range(2)]
        assert [end.attempts for end in ends] == [2, 1]
        assert all(isinstance(end, CallFailed) and end.code == "model_crashed" for end in ends)
        assert all(isinstance(end, CallFailed) and USED_UP in end.detail for end in ends)

    async def test_a_failure_that_is_not_worth_it_spends_nothing(self) -> None:
        useless = failure("model_not_usable").model_copy(update={"retryable": False})
        pool = Pcs(pc1=[useless, failure("model_crashed"), WELL])
        pool.retries = RetryBudget(share=0.0, floor=1)
        assert isinstance(await Told(pool).call(), CallFailed)
        assert isinstance(await Told(pool).call(), Generated)

    async def test_a_call_that_was_never_sent_adds_nothing_to_it(self) -> None:
        pool = Pcs(pc1=[NodeUnreachable("no")] * 20 + [failure("model_crashed")] * 3)  # type: ignore[list-item]
        pool.retries = RetryBudget(share=0.1, floor=0)
        for _ in range(21):
            assert (await Told(pool).call()).attempts == 1


@pytest.mark.parametrize(
    ("code", "attempts", "longest"),
    [
        ("model_crashed", 1, 0.25),
        ("model_crashed", 2, 0.5),
        ("server_busy", 1, 2),
        ("server_busy", 2, 4),
    ],
)
def test_row_14_pauses_grow_are_longer_for_a_busy_server_and_never_the_same(
    monkeypatch: pytest.MonkeyPatch, code: str, attempts: int, longest: float
) -> None:
    monkeypatch.setattr(calls, "PAUSE_S", 0.25)
    pauses = [pause_s(failure(code), attempts, chance) for chance in (0.0, 0.5, 1.0)]
    assert pauses == [0.0, longest / 2, longest]


async def test_all_attempts_share_one_deadline() -> None:
    pool = Pcs(pc1=[failure("model_crashed")] * 2, pc2=[WELL])
    await Told(pool, timeout_s=20.0).call()
    first, second = (demand.timeout_s for demand in pool.demands)
    assert 0 < second < first <= 20.0
    late = Pcs(pc1=[failure("timeout")] * 9)
    end = await Told(late, timeout_s=0.0).call()
    assert isinstance(end, CallFailed)
    assert (end.code, end.attempts) == (CallTimeout.code, 1)


class TestTheWorker:
    """The stateless generation, over the orchestrator."""

    REQUEST = WorkerRequest(model="a:1", prompt="Why? " * 9_000)

    @asynccontextmanager
    async def orchestrator(
        self, home: Path, pool: ScriptedPool
    ) -> AsyncIterator[CouncilOrchestrator]:
        config = OrchestratorConfig(store_path=home / "sessions.db")
        orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
        try:
            yield orchestrator
        finally:
            await orchestrator.close()

    async def test_a_prompt_that_is_too_long_is_asked_once_and_it_is_said(
        self, tmp_path: Path
    ) -> None:
        overflow = failure("context_overflow").model_copy(update={"retryable": False})
        pool = ScriptedPool(script=lambda call: overflow)
        async with self.orchestrator(tmp_path, pool) as orchestrator:
            with pytest.raises(ContextOverflow, match="context of 4096 tokens.*COUNCIL_NUM_CTX"):
                await orchestrator.generate(self.REQUEST)
        assert len(pool.agent.calls) == 1

    async def test_where_no_model_is_known_at_all_it_is_not_the_requests_fault(
        self, tmp_path: Path
    ) -> None:
        async with self.orchestrator(tmp_path, ScriptedPool(models=())) as orchestrator:
            with pytest.raises(NoModelServer) as refused:
                await orchestrator.generate(self.REQUEST)
        assert refused.value.status == 503

    async def test_leaving_cancels_the_call(self, tmp_path: Path) -> None:
        never = asyncio.Event()
        pool = ScriptedPool(script=lambda call: "Because.", gate=lambda call: never)
        async with self.orchestrator(tmp_path, pool) as orchestrator:
            request = WorkerRequest(model="a:1", prompt="Why?")
            asking = asyncio.create_task(orchestrator.generate(request))
            await until(lambda: pool.agent.calls)
            asking.cancel()
            await asyncio.wait([asking])
        assert pool.agent.cancelled == 1


@pytest.mark.parametrize(("used", "told"), [(10.0, 2.5), (None, None)])
async def test_a_call_is_told_with_its_share_of_what_the_pc_used(
    used: float | None, told: float | None
) -> None:
    end = await Told(Pcs(pc1=[WELL.model_copy(update={"joules": used})])).call()
    assert isinstance(end, Generated) and end.joules == told
