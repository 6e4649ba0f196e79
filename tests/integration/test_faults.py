"""Rows of faults.md played against a whole council: what is seen, what is kept, what was asked.

The council is the real one without Ray (`tests/local_council.py`), its model servers are scripted
fakes on real sockets. How one call meets the same faults is in `test_ollama_rows.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.council.steps import FALLBACK_CHAIRMAN, FALLBACK_OPINION
from actors.errors import ModelNotInstalled, NoModelServer
from actors.messages.events import AbsenceNoted, AgentStarted, OpinionHeard
from actors.messages.requests import AgentSpec, CouncilRequest
from cluster.pool import PoolConfig
from tests.fakes import FakeModel, FakeOllama, Request
from tests.fakes import replies as say
from tests.fakes.http import Exchange
from tests.local_council import LocalPc, kept, kept_events
from tests.scripted import labels_of
from tests.sittings import (
    ALPHA,
    BETA,
    CHAIR,
    REQUEST,
    SEATS,
    THINKER,
    at,
    chats,
    codes,
    ended,
    sitting,
    until_connected,
)

pytestmark = pytest.mark.wire


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    thinker = FakeModel(THINKER, ("completion", "thinking"))
    async with FakeOllama([ALPHA, BETA, CHAIR, thinker], max_loaded=4) as fake:
        yield fake


async def test_a_council_without_faults_is_whole(tmp_path: Path, fake: FakeOllama) -> None:
    """What the rows below are held against."""
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert ended(session) == ("complete", None, False)
    assert not (session.notices or session.absences or session.error)
    assert [len(chats(fake, s)) for s in ("opinions", "review", "synthesis")] == [3, 3, 1]
    assert all(chat.finished for chat in fake.chats)
    assert await kept(tmp_path, session.session_id) == session


class TestRow13:
    """The model is missing."""

    async def test_row_13_before_the_start(self, tmp_path: Path, fake: FakeOllama) -> None:
        request = REQUEST.model_copy(update={"chairman_model": "nobody:7b"})
        async with sitting(tmp_path, fake) as council:
            with pytest.raises(ModelNotInstalled) as refused:
                await council.ask(request)
            assert await council.sessions(10, None, None) == ()
        assert refused.value.status == 422
        for name in ("nobody:7b", ALPHA, BETA, CHAIR):
            assert name in refused.value.detail
        assert not fake.chats

    async def test_row_13_in_mid_run_it_is_an_absence(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        async with sitting(tmp_path, fake) as council:
            await council.catalogue()
            del fake.models[BETA]
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, True)
        (absence,) = session.absences
        assert (absence.agent_id, absence.stage) == ("agent_2", "opinions")
        assert absence.code == "model_not_available"
        assert BETA in absence.detail
        assert "model_not_available" in codes(session)
        assert len(session.reviews) == 2
        assert not [chat for chat in fake.chats if chat.model == BETA]
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_13_removed_while_it_was_loaded(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        async with sitting(tmp_path, fake) as council:
            await council.ask(REQUEST)
            del fake.models[BETA]
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, True)
        assert [(a.agent_id, a.code) for a in session.absences] == [
            ("agent_2", "model_not_available")
        ]

    async def test_row_13_another_pc_that_has_it_is_asked(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        async with (
            FakeOllama([BETA]) as second,
            sitting(tmp_path, fake, second) as council,
        ):
            await council.catalogue()
            del fake.models[BETA]
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)
        assert session.opinions[1].node == "pc2"

    async def test_row_13_also_when_it_was_removed_while_it_was_loaded(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        async with sitting(tmp_path, fake) as council:
            await council.ask(REQUEST)
            async with FakeOllama([BETA]) as second:
                council.hosts.pcs["pc2"] = LocalPc("pc2", second.url)
                await until_connected(council, 2)
                del fake.models[BETA]
                session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)
        assert (session.opinions[1].node, session.opinions[1].attempts) == ("pc2", 2)


BREAKS = {
    "row 17, an error line": (say.broken("The sky is", "out of memory"), "model_load_failed"),
    "row 17, a crash": (say.unfinished("The sky is", cut=True), "model_crashed"),
    "row 18, no last line": (say.unfinished("The sky is"), "truncated_stream"),
}


@pytest.mark.parametrize(("reply", "code"), BREAKS.values(), ids=BREAKS)
class TestRows17And18:
    """The stream breaks off, or ends without `done`."""

    async def test_row_17_row_18_the_step_is_asked_again_and_the_partial_text_logged(
        self, tmp_path: Path, fake: FakeOllama, reply: say.Reply, code: str
    ) -> None:
        fake.script(at("opinions", BETA), reply)
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, False)
        opinion = session.opinions[1]
        assert (opinion.attempts, opinion.agent_id) == (2, "agent_2")
        assert "The sky is" not in session.model_dump_json()
        assert len([c for c in chats(fake, "opinions") if c.model == BETA]) == 2
        attempts = [
            e
            for e in await kept_events(tmp_path, session.session_id)
            if isinstance(e, AgentStarted) and (e.agent_id, e.stage) == ("agent_2", "opinions")
        ]
        assert [e.attempt for e in attempts] == [1, 2]
        assert attempts[0].former is None
        assert attempts[1].former is not None
        assert (attempts[1].former.code, attempts[1].former.partial) == (code, "The sky is")
        stored = await kept_events(tmp_path, session.session_id)
        (answer,) = [e for e in stored if isinstance(e, OpinionHeard) and e.agent_id == "agent_2"]
        assert "The sky is" not in answer.content
        assert await kept(tmp_path, session.session_id) == session
        assert not [c for c in fake.chats if b"The sky is" in c.body], "nobody is shown it"

    async def test_row_17_row_18_after_three_times_it_is_an_absence(
        self, tmp_path: Path, fake: FakeOllama, reply: say.Reply, code: str
    ) -> None:
        fake.always(at("opinions", BETA), reply)
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, True)
        assert [(a.agent_id, a.code, a.attempts) for a in session.absences] == [
            ("agent_2", code, 3)
        ]
        assert "The sky is" not in session.model_dump_json()
        assert len([c for c in chats(fake, "opinions") if c.model == BETA]) == 3
        events = await kept_events(tmp_path, session.session_id)
        (noted,) = [e for e in events if isinstance(e, AbsenceNoted)]
        assert noted.partial == "The sky is"
        assert {e.agent_id for e in events if isinstance(e, OpinionHeard)} == {"agent_1", "agent_3"}
        assert await kept(tmp_path, session.session_id) == session
        assert not [c for c in fake.chats if b"The sky is" in c.body], "nobody is shown it"


async def test_row_19_output_limit(tmp_path: Path, fake: FakeOllama) -> None:
    cut = say.Answer(text="Because it scat", done_reason="length")
    fake.script(at("opinions", BETA), cut)
    fake.script(at("synthesis"), say.Answer(text="Because [A] sa", done_reason="length"))
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert ended(session) == ("complete", None, True)
    assert session.opinions[1].content == "Because it scat"
    assert [o.truncated for o in session.opinions] == [False, True, False]
    assert session.final_answer is not None and session.final_answer.truncated
    assert [n.agent_id for n in session.notices if n.code == "truncated"] == ["agent_2", "chairman"]
    assert len(fake.chats) == 7, "what was cut is kept, not asked again"
    assert await kept(tmp_path, session.session_id) == session


class TestRow20:
    """The prompt is too long."""

    async def test_row_20_answers_are_trimmed_and_it_is_said(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        fake.always(at("opinions"), say.Answer(text="begin " + "a word " * 300 + "the end."))
        pool = PoolConfig(num_ctx=1536, report_s=3600.0)
        async with sitting(tmp_path, fake, pool=pool) as council:
            session = await council.ask(REQUEST)
        assert session.stage == "complete" and session.degraded
        assert "context_trimmed" in codes(session)
        assert {n.agent_id for n in session.notices if n.code == "context_trimmed"} == {
            *SEATS,
            "chairman",
        }
        for chat in (*chats(fake, "review"), *chats(fake, "synthesis")):
            told = chat.json["messages"][-1]["content"]
            assert "characters left out" in told
            assert "begin" in told and "the end." in told
            assert (chat.json["truncate"], chat.json["shift"]) == (False, False)
        assert len(fake.chats) == 7, "what was estimated to fit did fit"

    async def test_row_20_a_server_that_counts_more_is_asked_with_less(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        fake.always(at("opinions"), say.Answer(text="a word " * 400))
        fake.always(lambda r: at("review")(r) and len(r.body) > 8_000, overflow(9_000, 4_096))
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        assert session.stage == "complete" and not session.absences
        assert "context_trimmed" in codes(session)
        sizes = [len(chat.body) for chat in chats(fake, "review")]
        assert min(sizes) <= 8_000 < max(sizes)
        assert all(review.attempts == 1 for review in session.reviews)

    async def test_row_20_a_question_that_is_too_long_alone_is_said_and_asked_once(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        request = REQUEST.model_copy(update={"query": "Why? " * 6_000})
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(request)
        assert ended(session) == ("error", "no_opinions", True)
        assert {a.code for a in session.absences} == {"context_overflow"}
        assert all(
            "question" in a.detail and "COUNCIL_NUM_CTX" in a.detail for a in session.absences
        )
        assert len(fake.chats) == 3
        assert (await kept(tmp_path, session.session_id)).query == request.query


class TestRow21:
    """Empty content, thinking only."""

    REQUEST = CouncilRequest(
        query="Why?",
        selected_agents=tuple(AgentSpec(model=model) for model in (ALPHA, THINKER)),
        chairman_model=CHAIR,
    )

    async def test_row_21_it_is_told_not_to_think(self, tmp_path: Path, fake: FakeOllama) -> None:
        fake.script(at("opinions", THINKER), say.Answer(text="", thinking="Hmm, well"))
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(self.REQUEST)
        assert ended(session) == ("complete", None, False)
        asked = [c.json for c in chats(fake, "opinions") if c.model == THINKER]
        assert [body.get("think") for body in asked] == [None, False]
        assert "Hmm" not in session.model_dump_json()
        assert session.opinions[1].attempts == 1

    async def test_row_21_then_it_is_an_absence(self, tmp_path: Path, fake: FakeOllama) -> None:
        fake.always(at("opinions", THINKER), say.Answer(text="", thinking="Hmm, well"))
        fake.always(at("opinions", ALPHA), say.Answer(text=""))
        request = self.REQUEST.model_copy(
            update={"selected_agents": (*self.REQUEST.selected_agents, AgentSpec(model=BETA)) * 1}
        )
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(request)
        assert {a.agent_id: a.code for a in session.absences} == {
            "agent_1": "empty_answer",
            "agent_2": "empty_answer",
        }
        assert ended(session) == ("error", "no_quorum", True)
        assert [len([c for c in fake.chats if c.model == m]) for m in (ALPHA, THINKER)] == [1, 2]
        assert await kept(tmp_path, session.session_id) == session


async def test_row_22_white_space_without_end(tmp_path: Path, fake: FakeOllama) -> None:
    fake.script(at("review", BETA), say.endless(b'{"message": {"content": "\\n"}}\n'))
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert ended(session) == ("complete", None, False)
    first, again = [c for c in chats(fake, "review") if c.model == BETA]
    assert first.cancelled and again.finished
    assert first.json["format"] == again.json["format"] != "json"
    assert session.reviews[1].attempts == 2
    assert len(session.reviews[1].rankings) == 2


Texts = Callable[[list[str], str], str]
"""(labels that may be judged, the reviewer's own) → what the reviewer says."""


def vote(label: Any, score: Any = 7, **more: Any) -> dict[str, Any]:
    return {"reasoning": "Sound.", "agent_id": label, "score": score, **more}


def ballot(*votes: dict[str, Any]) -> str:
    return json.dumps({"rankings": votes})


def scored(score: Any) -> Texts:
    """The first vote with that score, the others sound."""
    return lambda they, own: ballot(vote(they[0], score), *map(vote, they[1:]))


def sound(they: list[str], own: str) -> str:
    return ballot(*map(vote, they))


REVIEWS: dict[str, tuple[Texts, int, int]] = {
    # what it is: (the text, votes that count, reasons of what was rejected)
    "sound": (sound, 2, 0),
    "fenced": (lambda they, own: f"```json\n{sound(they, own)}\n```", 2, 0),
    "prose around it": (lambda they, own: f"Sure! Here: {sound(they, own)} I hope so.", 2, 0),
    "single quotes": (lambda they, own: str({"rankings": [vote(x) for x in they]}), 2, 0),
    "NaN": (scored(float("nan")), 1, 1),
    "8/10": (scored("8/10"), 2, 0),
    "11": (scored(11), 1, 1),
    "-1": (scored(-1), 1, 1),
    "7.5": (scored(7.5), 1, 1),
    "a missing id": (lambda they, own: ballot({"score": 7}, *map(vote, they[1:])), 1, 1),
    "an id twice": (lambda they, own: ballot(vote(they[0], 9), *map(vote, they)), 1, 1),
    "an unknown id": (lambda they, own: ballot(vote("Z"), *map(vote, they[1:])), 1, 1),
    "a vote for oneself": (lambda they, own: ballot(vote(own, 10), *map(vote, they)), 2, 1),
    "10 MB": (lambda they, own: "so good " * 1_310_720 + sound(they, own), 2, 0),
    "1,000 deep": (lambda they, own: '{"rankings": ' + "[" * 1_000 + "]" * 1_000 + "}", 0, 1),
    "a byte order mark": (lambda they, own: "\ufeff" + sound(they, own), 2, 0),
    "half a surrogate and a NUL": (
        lambda they, own: ballot(*(vote(x, reasoning="\ud83d\x00 fine") for x in they)),
        2,
        0,
    ),
    "nothing but words": (lambda they, own: "I like them all.", 0, 1),
}


def judging(request: Request) -> bool:
    """A review, or the ballot that is asked for once more."""
    return any(at(stage)(request) for stage in ("review", "ballot"))


def reviewing(make: Texts) -> say.Reply:
    async def reply(fake: FakeOllama, exchange: Exchange) -> None:
        they = labels_of(exchange.request.json["format"])
        (own,) = {"A", "B", "C"} - set(they)
        await large(make(they, own))(fake, exchange)

    return reply


def large(text: str) -> say.Reply:
    """Any length of text, in a few big chunks."""
    size = 1_000_000
    chunks = [{"message": {"content": text[at : at + size]}} for at in range(0, len(text), size)]
    return say.lines(*chunks, {"done": True, "done_reason": "stop", "eval_count": 9})


@pytest.mark.parametrize(("make", "votes", "rejected"), REVIEWS.values(), ids=REVIEWS)
async def test_row_23_review_text(
    tmp_path: Path, fake: FakeOllama, make: Texts, votes: int, rejected: int
) -> None:
    fake.always(judging, reviewing(make))
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert (session.stage, session.degraded) == ("complete", votes == 0)
    for review in session.reviews:
        assert len(review.rankings) == votes
        assert len(review.rejected) == rejected
        assert all(1 <= line.score <= 10 for line in review.rankings)
        judged = {line.agent_id for line in review.rankings}
        assert judged <= SEATS - {review.reviewer_id}
    asked = len(chats(fake, "review")) + len(chats(fake, "ballot"))
    assert asked == (3 if votes else 6), "only a ballot without a vote is asked for once more"
    json.loads(session.model_dump_json())
    assert await kept(tmp_path, session.session_id) == session


async def test_row_23_bad_utf8(tmp_path: Path, fake: FakeOllama) -> None:
    bad = b'{"message": {"content": "{\\"rankings\\": [{\\"agent_id\\": \\"\xff\\"}]} \xc3"}}\n'
    fake.always(judging, say.raw(bad, b'{"done": true, "done_reason": "stop"}\n'))
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert session.stage == "complete"
    assert [(r.rankings, len(r.rejected)) for r in session.reviews] == [((), 1)] * 3
    assert await kept(tmp_path, session.session_id) == session


async def test_row_24_all_reviews_invalid(tmp_path: Path, fake: FakeOllama) -> None:
    fake.always(judging, say.Answer(text="I like them all."))
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert ended(session) == ("complete", None, True)
    assert [(s.place, s.votes) for s in session.ranking] == [(1, 0)] * 3
    (rule,) = [n.detail for n in session.notices if n.code == "no_valid_reviews"]
    assert "without a ranking" in rule
    (chair,) = chats(fake, "synthesis")
    assert "ranking" not in chair.json["messages"][-1]["content"].partition("Task:")[0]
    assert await kept(tmp_path, session.session_id) == session


class TestRow25:
    """The chairman fails three times."""

    async def test_row_25_the_best_seats_model_stands_in(
        self, tmp_path: Path, fake: FakeOllama
    ) -> None:
        fake.always(CHAIR, say.broken("As cha", "crashed"))
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, True)
        assert session.final_answer is not None
        assert session.final_answer.fallback == FALLBACK_CHAIRMAN
        best = session.ranking[0].agent_id
        assert session.final_answer.chairman_model == next(
            a.model for a in session.agents if a.agent_id == best
        )
        assert "As cha" not in session.model_dump_json()
        assert [c.model == CHAIR for c in chats(fake, "synthesis")] == [True, True, True, False]
        assert [(a.agent_id, a.attempts) for a in session.absences] == [("chairman", 3)]
        assert await kept(tmp_path, session.session_id) == session

    async def test_row_25_then_the_best_opinion(self, tmp_path: Path, fake: FakeOllama) -> None:
        fake.always(at("synthesis"), say.broken("As cha", "crashed"))
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        assert ended(session) == ("complete", None, True)
        best = session.ranking[0].agent_id
        assert session.final_answer is not None
        assert session.final_answer.fallback == FALLBACK_OPINION
        assert session.final_answer.sources_cited == (best,)
        assert session.final_answer.content == next(
            o.content for o in session.opinions if o.agent_id == best
        )
        assert len(chats(fake, "synthesis")) == 6
        assert await kept(tmp_path, session.session_id) == session


async def test_row_26_all_agents_fail(tmp_path: Path, fake: FakeOllama) -> None:
    fake.always(at("opinions", ALPHA), say.error(500, "llama-server process has terminated: OOM"))
    fake.always(at("opinions", BETA), say.broken("The sky", "boom"))
    async with sitting(tmp_path, fake) as council:
        session = await council.ask(REQUEST)
    assert ended(session) == ("error", "no_opinions", True)
    assert session.error is not None
    for cause in ("agent_1: model_load_failed", "agent_2: model_crashed", "agent_3: model_load_f"):
        assert cause in session.error
    assert not chats(fake, "review") and not chats(fake, "synthesis")
    assert len(fake.chats) == 9
    assert await kept(tmp_path, session.session_id) == session


IMPOSTORS: dict[str, Callable[[], say.Reply]] = {
    "HTML": lambda: say.body(200, "<html>Hello</html>", "text/html"),
    "a redirect": lambda: say.redirect("http://127.0.0.1:9/elsewhere"),
    "10 GB": lambda: say.endless(b"x" * 65_536),
    "10 GB of lines": lambda: say.endless(b'{"x": 1}\n' * 8_000),
    "a gzip bomb": lambda: say.bomb(),
}
DRIP: dict[str, Callable[[], say.Reply]] = {"1 byte/s": lambda: say.dribble(0.05)}
"""From the start it is `test_status_never_waits_for_ever`: a wait that nobody needs twice."""


class TestRow27:
    """Something else than Ollama is on the port."""

    @pytest.mark.parametrize("make", (IMPOSTORS | DRIP).values(), ids=IMPOSTORS | DRIP)
    async def test_row_27_in_mid_run(
        self, tmp_path: Path, fake: FakeOllama, make: Callable[[], say.Reply]
    ) -> None:
        fake.always(at("opinions", BETA), make())
        async with sitting(tmp_path, fake) as council:
            session = await council.ask(REQUEST)
        (absence,) = session.absences
        assert (absence.agent_id, absence.stage) == ("agent_2", "opinions")
        drips = make in DRIP.values()
        assert absence.code == ("timeout" if drips else "not_ollama")
        assert len([c for c in fake.chats if c.model == BETA]) == (3 if drips else 1)
        assert ended(session) == ("complete", None, True)
        assert all("elsewhere" not in request.path for request in fake.requests)
        assert await kept(tmp_path, session.session_id) == session

    @pytest.mark.parametrize("make", IMPOSTORS.values(), ids=IMPOSTORS)
    async def test_row_27_from_the_start(
        self, tmp_path: Path, fake: FakeOllama, make: Callable[[], say.Reply]
    ) -> None:
        fake.always(lambda request: True, make())
        async with sitting(tmp_path, fake) as council:
            with pytest.raises(NoModelServer):
                async with asyncio.timeout(15):
                    await council.ask(REQUEST)
            (node,) = await council.nodes()
        assert node.ollama is not None and not node.ollama.connected
        assert {request.path for request in fake.requests} == {"/api/version"}


def overflow(needed: int, num_ctx: int) -> say.Reply:
    message = f"the prompt is longer than the context length ({needed} > {num_ctx})"
    return say.error(400, message)
