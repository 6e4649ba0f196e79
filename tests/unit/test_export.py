"""The minutes as Markdown: all of a session, and nothing that its texts could break."""

import re

from actors.council.telling.export import markdown
from actors.messages.calls import TokenUsage
from actors.messages.judgement import Agreement, GuardVerdict, PlaceInterval
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.messages.sessions import (
    CouncilSession,
    SessionTokenUsage,
    StageLatencyStats,
    StageTokenUsage,
)
from tests.fake_council import MODEL, FakeCouncil


async def session(error_code: str | None = None, **changes: object) -> CouncilSession:
    council = FakeCouncil(error_code=error_code)
    request = CouncilRequest(
        query="Why?", selected_agents=(AgentSpec(model=MODEL, name="Ann"), AgentSpec(model=MODEL))
    )
    opened = await council.open(request)
    return (await council.wait(opened.session_id)).model_copy(update=changes)


async def test_a_whole_session_is_told() -> None:
    tokens = StageTokenUsage(
        stage="opinions",
        total_prompt_tokens=244,
        total_completion_tokens=256,
        total_tokens=500,
        by_model={MODEL: TokenUsage()},
    )
    usage = SessionTokenUsage(stage1_opinions=tokens, stage2_review=tokens, total_tokens=1000)
    times = StageLatencyStats(stage="opinions", total_duration_ms=77, by_model={}, by_agent={})
    whole = await session(token_usage=usage)
    latency = whole.latency_stats.model_copy(update={"stage1_opinions": times})
    text = markdown(whole.model_copy(update={"latency_stats": latency}))
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Question", "Answer", "Ranking", "Opinions", "Reviews", "Notices"] + [
        "Tokens and time"
    ]
    assert "> Why?" in text and "> It scatters." in text
    assert "Sources: Ann." in text
    assert "| 1 | Ann | 0.00 | 8.00 | 1 |" in text
    assert "- Ann: 8/10 – Clear." in text
    assert "| opinions | 244 | 256 | 500 | 77 |" in text
    assert "| opinions | 244 | 256 | 500 | 0 |" in text


async def test_a_session_without_an_answer_says_why() -> None:
    text = markdown(await session("no_opinions"))
    assert "Ended without an answer: It went wrong." in text
    assert "Ann was absent in opinions: It stopped. (model\\_crashed)" in text
    assert "## Answer" not in text


async def test_a_quiet_session_has_no_empty_sections() -> None:
    text = markdown(await session(notices=()))
    assert "## Notices" not in text


async def test_cut_and_stood_in_answers_are_marked() -> None:
    whole = await session(degraded=True)
    assert whole.final_answer is not None
    answer = whole.final_answer.model_copy(
        update={"truncated": True, "fallback": "top_ranked_model", "sources_cited": ()}
    )
    opinions = tuple(one.model_copy(update={"truncated": True}) for one in whole.opinions)
    silent = tuple(
        one.model_copy(update={"rankings": (), "rejected": ("no JSON",)}) for one in whole.reviews
    )
    mute = silent[0].model_copy(update={"rejected": ()})
    bare = tuple(
        one.model_copy(
            update={"rankings": tuple(v.model_copy(update={"reasoning": ""}) for v in one.rankings)}
        )
        for one in whole.reviews
    )
    changes = {"final_answer": answer, "opinions": opinions, "reviews": (mute, *silent, *bare)}
    text = markdown(whole.model_copy(update=changes))
    assert "Cut at the output limit." in text and "cut at the output limit" in text
    assert "It stood in for the chairman." in text and "ranked\\_model" not in text
    assert "Abstained." in text and "- Rejected: no JSON" in text
    assert "- Ann: 8/10\n" in text
    assert "complete, degraded" in text


async def test_an_answer_that_the_guard_put_in_the_place_of_the_synthesis_says_so() -> None:
    whole = await session()
    assert whole.final_answer is not None
    guard = GuardVerdict(verdict="lost", opinion="agent_1", for_synthesis=0, for_opinion=2, ties=0,
                         synthesis="# Lost")  # fmt: skip
    changes = {"guard": guard, "basis": "opinion", "sources_cited": ("agent_1",)}
    text = markdown(
        whole.model_copy(update={"final_answer": whole.final_answer.model_copy(update=changes)})
    )
    assert "The opinion of Ann. The guard put it in the place of the synthesis: " in text
    assert "The synthesis that lost:\n\n> # Lost\n" in text


async def test_what_came_from_the_cache_says_so() -> None:
    whole = await session()
    assert "cache" not in markdown(whole)
    assert whole.final_answer is not None
    found = {"cached": True, "saved_tokens": 77}
    changes = {
        "final_answer": whole.final_answer.model_copy(update=found),
        "opinions": tuple(one.model_copy(update=found) for one in whole.opinions),
        "reviews": tuple(one.model_copy(update=found) for one in whole.reviews),
        "token_usage": whole.token_usage.model_copy(update={"saved_tokens": 154}),
    }
    text = markdown(whole.model_copy(update=changes))
    opinions, reviews = len(whole.opinions), len(whole.reviews)
    assert text.count(", from the cache (77 tokens saved)") == opinions > 0
    assert text.count("From the cache (77 tokens saved).") == reviews > 0
    assert text.count("From the cache.") == 1
    assert "Saved by the cache: 154 tokens." in text


async def test_a_text_cannot_leave_its_quote() -> None:
    hostile = (
        "a\n# Forged\r\n```\n\u2028## Answer\x0b---\n<script>alert(1)</script>\n![x](http://e)"
    )
    whole = await session(query=hostile)
    text = markdown(whole)
    question = text.partition("## Question\n\n")[2].partition("\n\n## Answer")[0]
    assert all(line.startswith(">") for line in question.split("\n"))
    assert "# Forged" not in re.findall(r"^#.*$", text, re.MULTILINE)
    assert not re.search(r"(?<!\\)<script", text)
    assert "![" not in text
    assert markdown(await session(query="\n")).count("## Question") == 1


async def test_a_name_cannot_break_a_line_or_a_table() -> None:
    whole = await session()
    name = "A|B\n# x [l](javascript:1) <img>"
    agents = tuple(one.model_copy(update={"name": name}) for one in whole.agents)
    text = markdown(whole.model_copy(update={"agents": agents}))
    row = next(line for line in text.splitlines() if line.startswith("| 1 |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert not re.search(r"(?<!\\)\]\(", text) and not re.search(r"(?<!\\)<img", text)


async def test_the_ranking_says_how_sure_it_is() -> None:
    whole = await session()
    first = whole.ranking[0].model_copy(
        update={"points": 7.25, "interval": PlaceInterval(best=1, worst=3)}
    )
    agreed = Agreement(ballots=3, sentence="2 of 3 judges put Ann|Bob first.")
    told = markdown(whole.model_copy(update={"ranking": (first,), "agreement": agreed}))
    assert "| 1 (1–3) | Ann | 7.25 | 8.00 | 1 |" in told
    assert "2 of 3 judges put Ann\\|Bob first." in told
