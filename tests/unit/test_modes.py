"""Whole sessions in each mode, over scripted agents: what is asked, and what stands in the end."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.chairman import ChairmanActor
from actors.council.telling.export import markdown
from actors.messages.calls import CallFailed, GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import AnswerEvent, ReviewDelta, StoredEvent
from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.messages.sessions import CouncilSession
from actors.orchestrator import CouncilOrchestrator
from tests.scripted import (
    Reply,
    ScriptedPool,
    labels_of,
    plausible,
    seat_of_call,
    stage_of_call,
)

MODELS = ("a:1", "b:1", "c:1", "d:1")
FULL = ProcedureDefaults(critique=True, guard=True, early_stop=True)
QUERY = "Why is the sky blue?"


def request(mode: str | None = None, seats: int = 3, query: str = QUERY) -> CouncilRequest:
    return CouncilRequest.model_validate(
        {
            "query": query,
            "mode": mode,
            "selected_agents": [AgentSpec(model=model) for model in MODELS[:seats]],
            "chairman_model": "d:1",
        }
    )


@asynccontextmanager
async def council(
    home: Path, pool: ScriptedPool, procedure: ProcedureDefaults = FULL
) -> AsyncIterator[CouncilOrchestrator]:
    config = OrchestratorConfig(store_path=home / "sessions.db", procedure=procedure)
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    try:
        async with asyncio.timeout(20):
            yield orchestrator
    finally:
        await orchestrator.close()


async def sat(
    home: Path,
    asked: CouncilRequest,
    script: Callable[[GenerateCall], Reply] = plausible,
    procedure: ProcedureDefaults = FULL,
) -> tuple[CouncilSession, list[GenerateCall], list[StoredEvent]]:
    """The session once it has ended, what was asked for it, and its events."""
    pool = ScriptedPool(MODELS, script)
    async with council(home, pool, procedure) as orchestrator:
        session_id = (await orchestrator.open(asked)).session_id
        session = await orchestrator.wait(session_id)
        events = [e async for batch in orchestrator.events(session_id) for e in batch]
    return session, pool.agent.calls, events  # type: ignore[return-value]


def stages(calls: list[GenerateCall]) -> Counter[str]:
    return Counter(map(stage_of_call, calls))


def saying(stage: str, reply: Callable[[GenerateCall], Reply]) -> Callable[[GenerateCall], Reply]:
    """Plausible, but in that stage."""
    return lambda call: reply(call) if stage_of_call(call) == stage else plausible(call)


def guarding(*words: str) -> Callable[[GenerateCall], Reply]:
    """Judges of the guard who prefer what contains one of these words, wherever it stands."""

    def prefer(call: GenerateCall) -> str:
        first = call.messages[-1].content.partition("Answer 2:")[0]
        return json.dumps({"better": "1" if any(word in first for word in words) else "2"})

    return saying("guard", prefer)


class TestFast:
    async def test_only_opinions_are_asked_and_the_one_most_agree_with_stands(
        self, tmp_path: Path
    ) -> None:
        texts = {
            "agent_1": "Air scatters blue light more than red light.",
            "agent_2": "Blue light is scattered more by air than red light is.",
            "agent_3": "It reflects the ocean.",
        }
        said = saying("opinions", lambda call: texts[seat_of_call(call)])
        session, calls, _ = await sat(tmp_path, request("fast"), said)
        assert stages(calls) == {"opinions": 3}
        final = session.final_answer
        assert final is not None and final.content in (texts["agent_1"], texts["agent_2"])
        assert (final.basis, final.fallback, final.guard) == ("opinion", None, None)
        assert session.stage == "complete" and not session.degraded and not session.notices
        assert session.ranking_method == "consensus"
        assert session.ranking[-1].agent_id == "agent_3"
        assert session.token_usage.stage3_synthesis is None

    async def test_a_closed_question_is_voted_on(self, tmp_path: Path) -> None:
        texts = {
            "agent_1": "Six times seven is 42.",
            "agent_2": "We multiply the two numbers and add nothing. The answer is 41.",
            "agent_3": "42",
        }
        said = saying("opinions", lambda call: texts[seat_of_call(call)])
        asked = request("fast", query="How many is 6 times 7?")
        session, _, _ = await sat(tmp_path, asked, said)
        count = session.answer_count
        assert count is not None and (count.kind, count.winner, count.votes) == ("number", "42", 2)
        assert count.answers == {"agent_1": "42", "agent_2": "41", "agent_3": "42"}
        assert session.final_answer is not None and "42" in session.final_answer.content

    async def test_one_seat_alone_needs_no_other(self, tmp_path: Path) -> None:
        session, calls, _ = await sat(tmp_path, request("fast", seats=1))
        assert session.final_answer is not None
        assert session.final_answer.content == "Opinion of agent_1" and len(calls) == 1


class TestStandard:
    async def test_a_review_is_a_critique_and_then_a_ballot_in_the_same_conversation(
        self, tmp_path: Path
    ) -> None:
        session, calls, _ = await sat(tmp_path, request())
        reviews = [call for call in calls if stage_of_call(call) == "review"]
        assert len(reviews) == 3
        for call in reviews:
            assert call.format is None and call.then is not None
            assert "JSON" in call.then.ask and isinstance(call.then.format, dict)
        assert [[vote.reasoning for vote in r.rankings] for r in session.reviews] == [
            ["fine", "fine"]
        ] * 3

    async def test_an_own_opinion_is_hidden_unless_the_context_is_shared(
        self, tmp_path: Path
    ) -> None:
        models = ("a:1", "a:1", "b:1")
        asked = request().model_copy(
            update={"selected_agents": tuple(AgentSpec(model=m) for m in models)}
        )
        session, calls, _ = await sat(tmp_path, asked)
        own = {r.reviewer_id: (r.own_answer, len(r.order)) for r in session.reviews}
        assert own == {
            "agent_1": ("excluded", 3),
            "agent_2": ("excluded", 3),
            "agent_3": ("hidden", 2),
        }
        prompts = {
            seat_of_call(call): call.messages[1].content
            for call in calls
            if stage_of_call(call) == "review"
        }
        assert "Opinion of agent_3" not in prompts["agent_3"]
        shared = [prompts[seat].partition("Task:")[0] for seat in ("agent_1", "agent_2")]
        assert shared[0] == shared[1], "reviewers of one model share all but the task"
        for review in session.reviews:
            assert review.reviewer_id not in {vote.agent_id for vote in review.rankings}

    async def test_by_its_labels_one_knows_whom_a_judge_means(self, tmp_path: Path) -> None:
        session, calls, _ = await sat(tmp_path, request())
        (labels,) = {tuple(review.labels.items()) for review in session.reviews}
        assert sorted(label for _, label in labels) == ["A", "B", "C"]
        shown = [call.messages[1].content for call in calls if stage_of_call(call) == "review"]
        for agent_id, label in labels:
            block = re.compile(rf"^Response {label}:\n<[^>]+>\n?Opinion of {agent_id}\b", re.M)
            assert sum(bool(block.search(prompt)) for prompt in shown) >= 2
        told = markdown(session)
        assert all(f" {label} = " in told for _, label in labels)

    async def test_no_seat_profits_from_its_place(self, tmp_path: Path) -> None:
        """Four models, each reviewer another row of the square: no answer is always the first."""
        asked = request(seats=4).model_copy(update={"chairman_model": "a:1"})
        session, _, _ = await sat(tmp_path, asked)
        firsts = Counter(review.order[0] for review in session.reviews)
        assert max(firsts.values()) <= 2 and len(firsts) >= 2

    async def test_a_ballot_that_cannot_be_read_is_asked_for_once_more(
        self, tmp_path: Path
    ) -> None:
        def script(call: GenerateCall) -> Reply:
            if isinstance(call.format, dict) and "again" not in call.call_id:
                return "I like them all." if seat_of_call(call) == "agent_1" else plausible(call)
            return plausible(call)

        session, calls, _ = await sat(tmp_path, request(), saying("review", script))
        review = session.reviews[0]
        assert review.repaired and len(review.rankings) == 2 and not review.rejected
        again = next(call for call in calls if "again" in call.call_id)
        roles = [message.role for message in again.messages]
        assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
        assert again.messages[4].content == "I like them all."
        assert "could not be read" in again.messages[5].content
        assert not session.degraded
        assert review.tokens_used > session.reviews[1].tokens_used, "both calls are counted"

    @pytest.mark.parametrize("then", ["No.", CallFailed(code="x", detail="y", retryable=False)])
    async def test_after_one_more_attempt_it_is_an_abstention(
        self, tmp_path: Path, then: Reply
    ) -> None:
        def script(call: GenerateCall) -> Reply:
            if seat_of_call(call) != "agent_1":
                return plausible(call)
            return then if "again" in call.call_id else "Fine."

        session, calls, _ = await sat(tmp_path, request(), saying("review", script))
        assert not session.reviews[0].rankings and session.reviews[0].rejected
        assert [n.code for n in session.notices] == ["abstention"]
        assert stages(calls)["review"] == 4 and not session.absences

    async def test_the_chairman_reads_what_judges_wrote(self, tmp_path: Path) -> None:
        def script(call: GenerateCall) -> Reply:
            if call.then is None:
                votes = [{"agent_id": x, "score": 5} for x in labels_of(call.format)]  # type: ignore[arg-type]
                return json.dumps({"rankings": votes})
            labels = labels_of(call.then.format)  # type: ignore[arg-type]
            return "\n".join(f"Response {x}: lacks <|im_start|>{x}." for x in labels)

        session, calls, _ = await sat(tmp_path, request(), saying("review", script))
        prompt = next(c for c in calls if stage_of_call(c) == "synthesis").messages[-1].content
        for label in "ABC":
            assert prompt.count(f"5/10: lacks (|im_start|){label}.") == 2
        assert session.reviews[0].rankings[0].reasoning.startswith("lacks ")

    async def test_the_first_is_certain_and_the_rest_is_not_waited_for(
        self, tmp_path: Path
    ) -> None:
        """Three of four judges agree on the fourth seat; the fourth judge never answers."""

        def script(call: GenerateCall) -> Reply:
            votable = labels_of(call.format)  # type: ignore[arg-type]
            prompt = call.messages[1].content
            votes = [
                {
                    "agent_id": x,
                    "score": 9 if f"Response {x}:\n" in prompt and is_best(prompt, x) else 2,
                }
                for x in votable
            ]
            return json.dumps({"rankings": votes})

        def is_best(prompt: str, label: str) -> bool:
            return "agent_4" in prompt.partition(f"Response {label}:")[2].partition("Response ")[0]

        held = asyncio.Event()
        slow = lambda call: (  # noqa: E731
            held if (stage_of_call(call), seat_of_call(call)) == ("review", "agent_4") else None
        )
        pool = ScriptedPool(MODELS, saying("review", script), slow)
        plain = ProcedureDefaults(early_stop=True)
        async with council(tmp_path, pool, plain) as orchestrator:
            session = await orchestrator.wait(
                (await orchestrator.open(request(seats=4))).session_id
            )
        assert len(session.reviews) == 3 and pool.agent.cancelled == 1
        assert session.ranking[0].agent_id == "agent_4"
        assert [notice.code for notice in session.notices] == ["first_is_certain"]
        assert "Expert_Delta" in session.notices[0].detail
        assert session.stage == "complete" and not session.degraded and not session.absences


class TestGuard:
    async def test_judges_see_both_orders_and_the_author_is_not_asked(self, tmp_path: Path) -> None:
        session, calls, events = await sat(tmp_path, request(), guarding("As  says", "because"))
        best = session.ranking[0].agent_id
        judges = {agent.agent_id for agent in session.agents} - {best}
        asked = [call for call in calls if stage_of_call(call) == "guard"]
        assert Counter(map(seat_of_call, asked)) == dict.fromkeys(judges, 2)
        assert all("[A]" not in call.messages[-1].content for call in asked)
        final = session.final_answer
        assert final is not None and final.guard is not None
        assert (final.guard.verdict, final.guard.for_synthesis, final.guard.ties) == (
            "stands",
            2,
            0,
        )
        assert final.basis == "synthesis" and "because" in final.content
        kinds = [event.kind for event in events]
        assert kinds.index("synthesis") < kinds.index("guard_ballot") < kinds.index("final_answer")

    async def test_a_synthesis_that_loses_gives_way_to_the_best_opinion(
        self, tmp_path: Path
    ) -> None:
        session, _, events = await sat(tmp_path, request(), guarding("Opinion of"))
        final, best = session.final_answer, session.ranking[0].agent_id
        assert final is not None and final.guard is not None
        assert (final.content, final.basis) == (f"Opinion of {best}", "opinion")
        assert (final.guard.verdict, final.guard.opinion) == ("lost", best)
        assert final.guard.synthesis is not None and "because" in final.guard.synthesis
        assert final.sources_cited == (best,) and not session.degraded
        usage = session.token_usage
        assert usage.guard is not None and usage.stage3_synthesis is not None
        spoken = [e.usage.total_tokens for e in events if isinstance(e, AnswerEvent)]
        assert usage.total_tokens == sum(spoken) - final.tokens_used, "the synthesis counts once"

    async def test_who_favours_a_place_decides_nothing(self, tmp_path: Path) -> None:
        session, _, _ = await sat(tmp_path, request())
        assert session.final_answer is not None and session.final_answer.guard is not None
        assert session.final_answer.guard.ties == 2
        assert session.final_answer.guard.verdict == "stands"

    async def test_a_guard_that_fails_leaves_the_synthesis(self, tmp_path: Path) -> None:
        failed = CallFailed(code="x", detail="y", retryable=False)
        session, _, _ = await sat(tmp_path, request(), saying("guard", lambda call: failed))
        assert session.stage == "complete" and session.final_answer is not None
        assert session.final_answer.guard is not None
        assert session.final_answer.guard.verdict == "stands"
        assert {absence.stage for absence in session.absences} == {"guard"}

    async def test_at_the_deadline_the_draft_is_the_answer(self, tmp_path: Path) -> None:
        never = asyncio.Event()
        pool = ScriptedPool(
            MODELS, plausible, lambda call: never if stage_of_call(call) == "guard" else None
        )
        asked = request().model_copy(update={"deadline_s": 1.0})
        async with council(tmp_path, pool) as orchestrator:
            session = await orchestrator.wait((await orchestrator.open(asked)).session_id)
        assert session.stage == "complete" and session.final_answer is not None
        assert session.final_answer.guard is not None
        assert session.final_answer.guard.verdict == "unfinished"
        assert "because" in session.final_answer.content

    async def test_where_the_chairman_fails_the_stand_in_is_guarded_too(
        self, tmp_path: Path
    ) -> None:
        failed = CallFailed(code="x", detail="y", retryable=False)

        def script(call: GenerateCall) -> Reply:
            is_chair = stage_of_call(call) == "synthesis" and call.model == "d:1"
            return failed if is_chair else plausible(call)

        session, calls, _ = await sat(tmp_path, request(), script)
        final = session.final_answer
        assert final is not None and final.guard is not None
        assert final.fallback == "chairman_failed_best_agent_model_stood_in"
        assert stages(calls)["guard"] == 4 and session.degraded

    async def test_a_synthesis_that_repeats_the_best_opinion_is_not_compared(
        self, tmp_path: Path
    ) -> None:
        same = saying("synthesis", lambda call: "Because.")
        said = lambda call: (  # noqa: E731
            "Because." if stage_of_call(call) == "opinions" else same(call)
        )
        session, calls, _ = await sat(tmp_path, request(), said)
        assert "guard" not in stages(calls)
        assert session.final_answer is not None and session.final_answer.guard is not None
        assert session.final_answer.guard.verdict == "stands"

    @pytest.mark.parametrize("guard", [True, False])
    async def test_an_answer_that_is_being_stored_at_the_deadline_is_the_one_answer(
        self, tmp_path: Path, guard: bool
    ) -> None:
        """A slow disk: the commit of the answer ends after the session's deadline."""
        wanted = FULL.model_copy(update={"guard": guard})
        asked = request().model_copy(update={"deadline_s": 1.5})
        async with council(tmp_path, ScriptedPool(MODELS), wanted) as orchestrator:
            append = orchestrator._store.append

            async def slowly(session_id: str, events: Sequence[StoredEvent]) -> list[StoredEvent]:
                if any(event.kind == "final_answer" for event in events):
                    await asyncio.sleep(1.7)
                return await append(session_id, events)

            orchestrator._store.append = slowly  # type: ignore[method-assign]
            session_id = (await orchestrator.open(asked)).session_id
            session = await orchestrator.wait(session_id)
            events = [e async for batch in orchestrator.events(session_id) for e in batch]
        assert (session.stage, session.error_code) == ("complete", None)
        assert [event.kind for event in events].count("final_answer") == 1
        assert session.final_answer is not None
        verdict = session.final_answer.guard
        assert verdict is None if not guard else verdict and verdict.verdict == "stands"

    async def test_one_opinion_has_nobody_to_judge_it(self, tmp_path: Path) -> None:
        session, calls, _ = await sat(tmp_path, request(seats=1))
        assert stages(calls) == {"opinions": 1, "synthesis": 1}
        assert session.final_answer is not None and session.final_answer.guard is None

    async def test_the_settings_can_do_without(self, tmp_path: Path) -> None:
        plain = FULL.model_copy(update={"guard": False})
        _, calls, events = await sat(tmp_path, request(), procedure=plain)
        assert "guard" not in stages(calls)
        assert "synthesis" not in [event.kind for event in events]


class TestThorough:
    async def test_each_reviewer_judges_one_opinion_a_call_and_never_its_own(
        self, tmp_path: Path
    ) -> None:
        session, calls, _ = await sat(tmp_path, request("thorough"), scoring)
        reviews = [call for call in calls if stage_of_call(call) == "review"]
        assert len(reviews) == 6
        assert all(call.messages[1].content.count("</response-") == 1 for call in reviews)
        for review in session.reviews:
            others = {"agent_1", "agent_2", "agent_3"} - {review.reviewer_id}
            assert {vote.agent_id for vote in review.rankings} == others
            assert set(review.order) == others and review.own_answer == "hidden"
        assert session.procedure.review == "pairwise"

    async def test_where_it_is_open_who_is_first_those_who_may_be_write_again(
        self, tmp_path: Path
    ) -> None:
        session, calls, events = await sat(tmp_path, request("thorough"))
        assert stages(calls)["revision"] == 3, "all scores are equal"
        assert [opinion.revision for opinion in session.opinions] == [
            f"Opinion of agent_{n}" for n in (1, 2, 3)
        ]
        kinds = [event.kind for event in events]
        assert kinds.index("ranking") < kinds.index("revision") < kinds.index("synthesis")
        assert kinds.count("ranking") == 1
        asked = next(call for call in calls if stage_of_call(call) == "revision")
        assert asked.messages[2].role == "assistant"
        assert asked.messages[-1].content.count("</response-") == 2, "two judges wrote of it"
        assert session.token_usage.revision is not None
        assert session.latency_stats.revision is not None

    async def test_where_judges_agree_nobody_writes_again(self, tmp_path: Path) -> None:
        _, calls, _ = await sat(tmp_path, request("thorough"), scoring)
        assert "revision" not in stages(calls)

    async def test_the_chairman_sees_revised_opinions(self, tmp_path: Path) -> None:
        revised = saying("revision", lambda call: f"Better words of {seat_of_call(call)}")
        session, calls, _ = await sat(tmp_path, request("thorough"), revised)
        prompt = next(c for c in calls if stage_of_call(c) == "synthesis").messages[-1].content
        assert prompt.count("Better words of agent_") == 3 and "Opinion of" not in prompt
        assert "Written again after the reviews: Response A, B, C." in prompt
        assert session.opinions[0].content == "Opinion of agent_1", "what was said first is kept"

    async def test_at_the_deadline_a_revision_that_is_owed_is_an_absence(
        self, tmp_path: Path
    ) -> None:
        never = asyncio.Event()
        pool = ScriptedPool(
            MODELS, plausible, lambda call: never if stage_of_call(call) == "revision" else None
        )
        asked = request("thorough").model_copy(update={"deadline_s": 1.0})
        async with council(tmp_path, pool) as orchestrator:
            session = await orchestrator.wait((await orchestrator.open(asked)).session_id)
        assert session.error_code == "deadline"
        assert {(a.stage, a.code) for a in session.absences} == {("revision", "timeout")}
        assert len(session.absences) == 3

    async def test_a_reviewer_that_fails_is_absent_once(self, tmp_path: Path) -> None:
        failed = CallFailed(code="x", detail="y", retryable=False)

        def script(call: GenerateCall) -> Reply:
            return failed if seat_of_call(call) == "agent_1" else plausible(call)

        session, calls, _ = await sat(tmp_path, request("thorough"), saying("review", script))
        assert [(a.agent_id, a.stage) for a in session.absences] == [("agent_1", "review")]
        assert stages(calls)["review"] == 5 and session.stage == "complete"

    async def test_who_comes_back_during_the_second_review_hears_its_text_so_far(
        self, tmp_path: Path
    ) -> None:
        """The seat has an answer in the stage already: that one, and not this text, is over."""
        held = asyncio.Event()
        waits = lambda call: (  # noqa: E731
            held if call.call_id.endswith(":review:agent_1:agent_3") else None
        )
        pool = ScriptedPool(MODELS, plausible, waits)
        async with council(tmp_path, pool) as orchestrator:
            session_id = (await orchestrator.open(request("thorough"))).session_id
            await quiet(orchestrator, session_id)
            told: list[Any] = []
            events = orchestrator.events(session_id)
            while not any(isinstance(event, ReviewDelta) for event in told):
                told += await asyncio.wait_for(anext(events), 5)
            held.set()
            session = await orchestrator.wait(session_id)
        (piece,) = [event for event in told if isinstance(event, ReviewDelta)]
        assert (piece.agent_id, piece.offset) == ("agent_1", 0) and piece.text
        assert session.stage == "complete"


def scoring(call: GenerateCall) -> Reply:
    """Every judge finds the seats better by their number."""
    if stage_of_call(call) != "review" or call.format is None:
        return plausible(call)
    prompt = call.messages[1].content
    (label,) = labels_of(call.format)  # type: ignore[arg-type]
    number = int(prompt.partition("Opinion of agent_")[2][0])
    return json.dumps({"rankings": [{"agent_id": label, "score": 3 * number}]})


class TestResumed:
    @pytest.mark.parametrize("mode", ["standard", "thorough"])
    @pytest.mark.parametrize("stage", ["opinions", "review", "synthesis", "guard"])
    async def test_nothing_that_was_heard_is_asked_again(
        self, tmp_path: Path, mode: str, stage: str
    ) -> None:
        """The orchestrator stops in mid-stage, with one seat unheard; another one goes on."""
        held, last = asyncio.Event(), {"synthesis": "chairman"}.get(stage, "agent_3")
        waits = lambda call: (  # noqa: E731
            held if (stage_of_call(call), seat_of_call(call)) == (stage, last) else None
        )
        before = ScriptedPool(MODELS, ranked_last_to_first, waits)
        async with council(tmp_path, before) as orchestrator:
            session_id = (await orchestrator.open(request(mode))).session_id
            await quiet(orchestrator, session_id)
        after = ScriptedPool(MODELS, ranked_last_to_first)
        async with council(tmp_path, after) as orchestrator:
            session = await orchestrator.wait(session_id)
        assert session.stage == "complete" and not session.absences
        again = Counter(c.call_id for c in before.agent.calls) & Counter(
            c.call_id for c in after.agent.calls
        )
        assert all(call_id.split(":")[1:3] == [stage, last] for call_id in again)
        assert session.procedure.mode == mode


def ranked_last_to_first(call: GenerateCall) -> Reply:
    """Ballots whose winner is agent_1, so that agent_3 judges in the guard."""
    if stage_of_call(call) != "review" or call.format is None:
        return plausible(call)
    prompt = call.messages[1].content
    votes: list[dict[str, Any]] = []
    for label in labels_of(call.format):  # type: ignore[arg-type]
        block = prompt.partition(f"Response {label}:\n")[2]
        number = int(block.partition("Opinion of agent_")[2][0])
        votes.append({"agent_id": label, "score": 10 - 2 * number})
    return json.dumps({"rankings": votes})


async def quiet(orchestrator: CouncilOrchestrator, session_id: str) -> None:
    """Until nothing more is told: the held call is all that is left."""
    events = orchestrator.events(session_id)
    try:
        while True:
            await asyncio.wait_for(anext(events), 0.5)
    except TimeoutError:
        return
