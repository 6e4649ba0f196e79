"""A call that was made before is not made again: which calls, whose answers, and what is told."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from actors.chairman import ChairmanActor
from actors.council.accounting import one_call
from actors.errors import ContextOverflow
from actors.messages.calls import (
    CallFailed,
    ChatMessage,
    Delta,
    GenerateCall,
    Generated,
    TokenUsage,
)
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import STORED_EVENT, AnswerEvent, OpinionHeard, SessionStarted
from actors.messages.nodes import NodeReport
from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import AgentSpec, CouncilRequest, ModelOptions, WorkerRequest
from actors.messages.sessions import CouncilSession
from actors.orchestrator import CouncilOrchestrator
from actors.pool import Demand
from actors.sessions.calls import Caller, ask_agent
from actors.sessions.recall import call_or_recall
from actors.store.answer_file import Bounds
from actors.store.answers import FILE, AnswerCache
from actors.store.idempotency import Idempotency
from tests.fake_hosts import answer
from tests.scripted import ScriptedPool, plausible, stage_of_call
from tests.session_events import opinion, started

SEEDED, GREEDY = ModelOptions(seed=1), ModelOptions(temperature=0)
REQUEST = CouncilRequest(
    query="Why is the sky blue?",
    selected_agents=(
        AgentSpec(model="a:1", options=SEEDED),
        AgentSpec(model="b:1", options=GREEDY),
        AgentSpec(model="b:1", options=ModelOptions(temperature=0.7)),
    ),
    chairman_model="c:1",
)
DIGESTS = {"a:1": "da", "b:1": "db", "c:1": "dc"}


def pool(**changes: Any) -> ScriptedPool:
    made = ScriptedPool(**changes)
    made.digests = DIGESTS
    return made


@asynccontextmanager
async def council(
    home: Path, pcs: ScriptedPool, ttl_s: float = 3600.0, **config: Any
) -> AsyncIterator[CouncilOrchestrator]:
    wanted = OrchestratorConfig(store_path=home / "sessions.db", cache_ttl_s=ttl_s, **config)
    orchestrator = CouncilOrchestrator(wanted, lambda: pcs, ChairmanActor())
    try:
        yield orchestrator
    finally:
        await orchestrator.close()


async def ask(orchestrator: CouncilOrchestrator, request: CouncilRequest) -> CouncilSession:
    return await orchestrator.wait((await orchestrator.open(request)).session_id)


def cached(session: CouncilSession) -> list[bool]:
    return [one.cached for one in session.opinions]


def asked(pcs: ScriptedPool, stage: str) -> int:
    return sum(stage_of_call(call) == stage for call in pcs.agent.calls)


async def test_a_question_asked_again_repeats_the_opinions_that_are_certain_to_be_the_same(
    tmp_path: Path,
) -> None:
    pcs = pool()
    async with council(tmp_path, pcs) as orchestrator:
        first, again = await ask(orchestrator, REQUEST), await ask(orchestrator, REQUEST)
    assert cached(first) == [False] * 3
    assert cached(again) == [True, True, False]
    assert [o.content for o in again.opinions] == [o.content for o in first.opinions]
    assert asked(pcs, "opinions") == 4, "the seat without a seed is asked anew"
    assert asked(pcs, "synthesis") == 2 and not again.final_answer.cached
    assert [one.cached for one in again.reviews] == [False] * 3, "labels are drawn anew"
    leased = [demand.council for demand in pcs.demands].count(again.session_id)
    assert leased == 1 + 3 + 1
    assert (again.stage, again.degraded) == ("complete", False)


async def test_tokens_are_those_that_were_spent_now_and_what_was_saved_is_told_apart(
    tmp_path: Path,
) -> None:
    async with council(tmp_path, pool()) as orchestrator:
        first, again = await ask(orchestrator, REQUEST), await ask(orchestrator, REQUEST)
        batches = [batch async for batch in orchestrator.events(again.session_id)]
    usage, stage = again.token_usage, again.token_usage.stage1_opinions
    assert usage.saved_tokens == sum(one.tokens_used for one in first.opinions[:2]) > 0
    assert [one.saved_tokens for one in again.opinions] == [
        *(one.tokens_used for one in first.opinions[:2]), 0,
    ]  # fmt: skip
    assert [one.tokens_used for one in again.opinions] == [0, 0, first.opinions[2].tokens_used]
    assert stage is not None and stage.total_tokens == first.opinions[2].tokens_used
    heard = [event for batch in batches for event in batch if isinstance(event, AnswerEvent)]
    assert usage.total_tokens == sum(event.usage.total_tokens for event in heard)
    kept = [event for event in heard if event.cached]
    assert len(kept) == 2 and all(event.timing.wall_ms < 1_000 for event in kept)
    assert {event.node for event in kept} == {"pc1"}
    assert usage.saved_tokens == sum(event.saved.total_tokens for event in kept)
    assert first.token_usage.saved_tokens == 0


async def test_the_answer_is_flagged_where_it_is_an_opinion_from_the_cache(tmp_path: Path) -> None:
    """In fast mode, and where the synthesis lost against it."""
    certain = REQUEST.model_copy(update={"selected_agents": REQUEST.selected_agents[:2]})
    fast = certain.model_copy(update={"mode": "fast"})
    procedure = ProcedureDefaults(guard=True)

    def for_the_opinion(call: GenerateCall) -> Any:
        if stage_of_call(call) == "guard":
            return f'{{"better": "{1 if call.call_id.endswith("opinion") else 2}"}}'
        return plausible(call)

    async with council(tmp_path, pool(script=for_the_opinion), procedure=procedure) as orchestrator:
        before = (await ask(orchestrator, fast)).final_answer
        after = (await ask(orchestrator, fast)).final_answer
        lost = (await ask(orchestrator, certain)).final_answer
    assert (before.basis, before.cached) == ("opinion", False)
    assert (after.basis, after.cached, after.tokens_used) == ("opinion", True, 0)
    assert after.content == before.content
    assert lost.guard.verdict == "lost" and lost.cached
    assert lost.tokens_used > 0, "the synthesis that lost was paid for"


@pytest.mark.parametrize(
    ("ttl_s", "digests"), [(0.0, DIGESTS), (3600.0, {}), (3600.0, {"c:1": "dc"})]
)
async def test_without_a_time_or_a_digest_every_call_is_made(
    tmp_path: Path, ttl_s: float, digests: dict[str, str]
) -> None:
    pcs = pool()
    pcs.digests = digests
    async with council(tmp_path, pcs, ttl_s) as orchestrator:
        for _ in range(2):
            assert cached(await ask(orchestrator, REQUEST)) == [False] * 3
    assert asked(pcs, "opinions") == 6


async def test_by_default_there_is_no_cache(tmp_path: Path) -> None:
    """Only the real council has one (cluster/head.py)."""
    assert OrchestratorConfig(store_path=tmp_path / "sessions.db").cache_ttl_s == 0


async def test_who_wants_no_cache_is_answered_anew_and_the_next_one_is_given_that(
    tmp_path: Path,
) -> None:
    said = {"word": "old"}
    pcs = pool(script=lambda call: said["word"])
    prompt = WorkerRequest(model="a:1", prompt="Why?", options=SEEDED)
    async with council(tmp_path, pcs) as orchestrator:
        assert (await orchestrator.generate(prompt)).content == "old"
        said["word"] = "new"
        assert (await orchestrator.generate(prompt)).content == "old"
        anew = await orchestrator.generate(prompt.model_copy(update={"cache": False}))
        assert (anew.content, anew.cached) == ("new", False)
        kept = await orchestrator.generate(prompt)
        assert (kept.content, kept.cached) == ("new", True)
        fresh = REQUEST.model_copy(update={"cache": False})
        for request in (REQUEST, fresh):
            assert cached(await ask(orchestrator, request)) == [False] * 3
        assert cached(await ask(orchestrator, REQUEST)) == [True, True, False]


async def test_a_single_generation_says_what_it_would_have_taken(tmp_path: Path) -> None:
    pcs = pool(script=lambda call: "one two three")
    prompt = WorkerRequest(model="a:1", prompt="Why?", options=GREEDY)
    async with council(tmp_path, pcs) as orchestrator:
        first, again = [await orchestrator.generate(prompt) for _ in range(2)]
        other = await orchestrator.generate(prompt.model_copy(update={"prompt": "Why not?"}))
    assert (first.cached, first.saved_tokens, first.eval_count) == (False, 0, 3)
    assert (again.content, again.cached, again.saved_tokens) == ("one two three", True, 13)
    assert (again.prompt_eval_count, again.eval_count, again.total_duration) == (0, 0, 0)
    assert again.node == "pc1" and not other.cached


async def test_an_answer_that_was_cut_is_not_kept(tmp_path: Path) -> None:
    pcs = pool()
    whole = pcs.agent.generate

    async def cut(call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        async for event in whole(call):
            if isinstance(event, Generated):
                event = event.model_copy(update={"truncated": True})
            yield event

    pcs.agent.generate = cut
    async with council(tmp_path, pcs) as orchestrator:
        for _ in range(2):
            assert cached(await ask(orchestrator, REQUEST)) == [False] * 3


async def test_a_purged_session_leaves_no_word_in_the_cache(tmp_path: Path) -> None:
    """Neither the one that asked first nor one that was given the answer."""

    def secret(call: GenerateCall) -> Any:
        return "forget-me-4711" if stage_of_call(call) == "opinions" else plausible(call)

    def left() -> bool:
        return b"forget-me-4711" in b"".join(
            file.read_bytes() for file in tmp_path.glob(f"{FILE}*")
        )

    for purged in (0, 1):
        async with council(tmp_path, pool(script=secret)) as orchestrator:
            sessions = [await ask(orchestrator, REQUEST) for _ in range(2)]
            assert cached(sessions[1]) == [True, True, False] and left()
            await orchestrator.purge(sessions[purged].session_id)
            assert not left()
            assert cached(await ask(orchestrator, REQUEST)) == [False] * 3
            await orchestrator.purge(sessions[1 - purged].session_id)
            last = (await orchestrator.sessions(9, None, None))[0]
            await orchestrator.purge(last.session_id)
            assert not left()


async def test_a_session_that_is_gone_on_with_may_be_given_what_was_said_before_the_crash(
    tmp_path: Path,
) -> None:
    """The answers reached the cache, and the crash came before they reached the record."""
    gate = asyncio.Event()
    halted = pool(gate=lambda call: gate if stage_of_call(call) == "review" else None)
    async with council(tmp_path, halted) as orchestrator:
        session_id = (await orchestrator.open(REQUEST)).session_id
        async for batch in orchestrator.events(session_id):
            if any(event.kind == "review_delta" for event in batch):
                break
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as db, db:
        (first,) = db.execute("SELECT min(seq) FROM events WHERE kind = 'opinion'").fetchone()
        assert db.execute("DELETE FROM events WHERE seq >= ?", (first,)).rowcount >= 3
    pcs = pool()
    async with council(tmp_path, pcs) as orchestrator:
        session = await orchestrator.wait(session_id)
        events = [event async for batch in orchestrator.events(session_id) for event in batch]
    assert (session.stage, session.degraded) == ("complete", False)
    assert cached(session) == [True, True, False]
    assert asked(pcs, "opinions") == 1
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [len(one.rankings) for one in session.reviews] == [2, 2, 2]


class OnPcs(ScriptedPool):
    """PCs that tell the digest of their model one after the other, as the list says."""

    def __init__(self, *told: dict[str, str], **changes: Any) -> None:
        super().__init__(("a:1",), **changes)
        self.told = list(told)

    async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
        said = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        found = []
        for name, digest in said.items():
            self.digests = {"a:1": digest}
            found += [one.model_copy(update={"name": name}) for one in await super().reports()]
        return tuple(found)


class Asker:
    """Asks one call of `OnPcs`, and notes what it is told meanwhile."""

    def __init__(self, pcs: ScriptedPool, cache: AnswerCache) -> None:
        self.deltas: list[str] = []
        self.starts = 0
        self._pcs = pcs
        self._cache = cache

    async def __call__(
        self, prompt: str = "Why?", timeout_s: float = 9.0, shorter: Callable[[float], str] = str
    ) -> Generated | CallFailed:
        def compose(num_ctx: int, share: float) -> GenerateCall:
            text = prompt if share == 1 else f"{prompt} {shorter(share)}"
            return GenerateCall(
                call_id="s:worker:x", model="a:1", options=SEEDED, timeout_s=timeout_s,
                messages=(ChatMessage(role="user", content=text),),
            )  # fmt: skip

        def started(node: str, attempt: int, former: CallFailed | None) -> None:
            self.starts += 1

        def heard(delta: Delta) -> None:
            self.deltas.append(delta.text)

        demand = Demand("a:1", "s", 0.0, timeout_s=timeout_s)
        caller = Caller(demand, compose, ask_agent, started, heard)
        return await call_or_recall(self._pcs, self._cache, caller)


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[AnswerCache]:
    made = AnswerCache(tmp_path / FILE, Bounds(ttl_s=100.0))
    await made.open()
    yield made
    await made.close()


async def test_a_hit_is_told_as_one_delta_and_takes_no_slot(cache: AnswerCache) -> None:
    pcs = OnPcs({"pc1": "d"}, script=lambda call: "Because it is.")
    first, again = Asker(pcs, cache), Asker(pcs, cache)
    made, found = await first(), await again()
    assert isinstance(made, Generated) and isinstance(found, Generated)
    assert (len(first.deltas), first.starts) == (2, 1)
    assert (again.deltas, again.starts, len(pcs.demands)) == (["Because it is."], 0, 1)
    assert (found.cached, found.saved, found.usage) == (True, made.usage, TokenUsage())
    assert found.content == made.content and found.timing.queue_ms == 0


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (({"pc1": "d"},), True),
        (({"pc1": "d", "pc2": "d"},), True),
        (({"pc1": "d", "pc2": "e"},), False),
        (({"pc1": "d", "pc2": ""},), False),
        (({"pc2": "d"},), False),  # it was answered by pc1
        (({"pc1": "d"}, {"pc1": "e"}), False),  # replaced while it was asked
        (({"pc1": "d"}, {"pc1": "e"}, {"pc1": "d"}), False),
        (({"pc1": "d"}, {"pc1": "d"}, {"pc1": "e"}), False),  # replaced since
        (({}, {"pc1": "d"}), False),
    ],
)
async def test_an_answer_stands_for_the_model_that_gave_it_and_no_other(
    cache: AnswerCache, told: tuple[dict[str, str], ...], found: bool
) -> None:
    """`told`: before the first call, after it, and from then on."""
    pcs = OnPcs(*told)
    await Asker(pcs, cache)()
    again = await Asker(pcs, cache)()
    assert isinstance(again, Generated) and again.cached == found


async def test_what_was_asked_in_fewer_words_is_no_answer_to_the_whole(cache: AnswerCache) -> None:
    """A prompt that overflowed is composed again; the answer is kept under what was asked."""

    def overflows(call: GenerateCall) -> Any:
        if call.messages[0].content == "Why?":
            return CallFailed(code=ContextOverflow.code, detail="too long", retryable=False)
        return "Because."

    pcs = OnPcs({"pc1": "d"}, script=overflows)
    for calls in (2, 4):
        end = await Asker(pcs, cache)(shorter=lambda share: "shorter")
        assert isinstance(end, Generated) and not end.cached
        assert len(pcs.agent.calls) == calls
    found = await Asker(pcs, cache)("Why? shorter")
    assert isinstance(found, Generated) and found.cached


async def test_a_failure_is_not_kept(cache: AnswerCache) -> None:
    failed = CallFailed(code="model_crashed", detail="as scripted", retryable=False)
    pcs = OnPcs({"pc1": "d"}, script=lambda call: failed if len(pcs.agent.calls) == 1 else "Well.")
    assert isinstance(await Asker(pcs, cache)(), CallFailed)
    again = await Asker(pcs, cache)()
    assert isinstance(again, Generated) and not again.cached


async def test_pcs_that_tell_nothing_are_waited_for_within_the_calls_own_time(
    cache: AnswerCache,
) -> None:
    class Silent(OnPcs):
        async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
            await asyncio.Event().wait()
            return ()

    pcs = Silent({})
    end = await Asker(pcs, cache)(timeout_s=0.05)
    assert isinstance(end, Generated)
    assert pcs.demands[0].timeout_s < 0.05


def test_two_answers_of_one_conversation_are_cached_if_both_are() -> None:
    spent = answer("a")
    known = spent.model_copy(
        update={"cached": True, "saved": TokenUsage(prompt_tokens=1, total_tokens=1)}
    )
    assert one_call(known, known).cached
    assert one_call(known, known).saved == TokenUsage(prompt_tokens=2, total_tokens=2)
    for first, second in ((known, spent), (spent, known)):
        both = one_call(first, second)
        assert not both.cached and both.saved == known.saved
    assert one_call(spent, spent).saved is None


def test_what_was_stored_before_there_was_a_cache_is_read_back() -> None:
    began, said = started(), opinion("s", "Because.")
    older = began.model_dump(mode="json")
    del older["request"]["cache"]
    read = STORED_EVENT.validate_python(older)
    assert isinstance(read, SessionStarted) and read.request.cache
    spoken = said.model_dump(mode="json", exclude={"cached", "saved"})
    heard = STORED_EVENT.validate_python(spoken)
    assert isinstance(heard, OpinionHeard) and not heard.cached and heard.saved is None


def test_a_retry_of_an_older_client_is_still_the_same_body() -> None:
    plain = Idempotency.of("k", CouncilRequest(query="Why?", cache=True))
    assert plain.body_hash == hashlib.sha256(b'{"query":"Why?"}').hexdigest()
    assert Idempotency.of("k", CouncilRequest(query="Why?", cache=False)) != plain


@pytest.mark.parametrize("odd", ["false", 0, 1, None, "no"])
def test_whether_the_cache_may_be_used_is_said_in_jsons_own_words(odd: object) -> None:
    with pytest.raises(ValueError, match="cache"):
        CouncilRequest.model_validate({"query": "Why?", "cache": odd})
    with pytest.raises(ValueError, match="cache"):
        WorkerRequest.model_validate({"model": "a", "prompt": "Why?", "cache": odd})
