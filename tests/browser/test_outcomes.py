"""How a session ends, as the page tells it: by the synthesis, by an opinion that the guard prefers,
after a second writing, without a seat whose PC was unplugged, or with that seat asked elsewhere."""

from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import Locator, expect

from actors.ollama.deadlines import Deadlines
from cluster.pool import PoolConfig
from tests.browser.visitor import Visit, Visiting
from tests.browser.watched_council import (
    GUARDED,
    QUESTION,
    SYNTHESIS_BEGINS,
    complete,
    council,
    prefers_the_opinion,
    saying,
)
from tests.fakes import FakeOllama
from tests.fakes.replies import Answer, silence
from tests.http_council import served

SYNTHESIS = f"{SYNTHESIS_BEGINS} [A], and more so where it is short [B]."
REVISION = "Second thoughts: it scatters."
LEAVES = PoolConfig(return_s=0.3, report_s=0.1, watch_s=0.02)
"""A PC that left is waited for only a moment."""
PATIENT = Deadlines(connect_s=5, first_token_s=30, stall_s=30, generation_s=30)


def card(visitor: Visit, model: str) -> Locator:
    return visitor.page.locator("article.seat-card", has_text=model)


async def test_the_answer_leads_to_its_sources_and_says_what_the_guard_said(
    tmp_path: Path, visit: Visiting
) -> None:
    async with (
        council(tmp_path, (saying("synthesis"), Answer(text=SYNTHESIS))) as base,
        visit(base) as visitor,
    ):
        await visitor.question(QUESTION)
        await complete(visitor)
        page = visitor.page
        await expect(page.locator(".guard p")).to_contain_text("let the synthesis stand")
        sources = page.locator(".sources a")
        await expect(sources).to_have_count(2)
        wanted = await sources.first.text_content()
        await sources.first.click()
        focused = page.locator("article.seat-card:focus")
        await expect(focused.locator("h3")).to_have_text(wanted or "")
        await page.reload()
        await expect(focused.locator("h3")).to_have_text(wanted or "")


async def test_where_the_guard_prefers_the_opinion_that_is_the_answer(
    tmp_path: Path, visit: Visiting
) -> None:
    scripts = (
        (saying("synthesis"), Answer(text=SYNTHESIS)),
        (saying("guard"), prefers_the_opinion),
    )
    async with council(tmp_path, *scripts) as base, visit(base) as visitor:
        await visitor.question(QUESTION)
        await complete(visitor)
        answer = visitor.page.locator("section.answer")
        await expect(answer.locator(".guard.lost > p")).to_have_text(
            "The guard put the best opinion in the place of the synthesis. "
            "Judges for the opinion: 2, for the synthesis: 0, for neither: 0."
        )
        name = await answer.locator(".sources a").text_content()
        await expect(answer).to_contain_text(f"This is the opinion of {name} as it stands.")
        chosen = visitor.page.locator("article.seat-card", has=visitor.page.get_by_text(name or ""))
        opinion = await chosen.first.locator(".text").first.text_content()
        await expect(answer.locator(".large-text")).to_have_text((opinion or "").strip())
        lost = answer.locator(".guard details .text")
        await expect(lost).to_be_hidden()
        await answer.get_by_text("The synthesis that lost").click()
        await expect(lost).to_contain_text(SYNTHESIS_BEGINS)


async def test_an_opinion_that_was_written_again_shows_both_texts(
    tmp_path: Path, visit: Visiting
) -> None:
    """Where all are scored alike, everybody may be first and writes again."""
    scripts = ((saying("revision"), Answer(text=REVISION)),)
    async with council(tmp_path, *scripts, scores=lambda *_: 7) as base, visit(base) as visitor:
        page = visitor.page
        await page.locator("input[name=mode][value=thorough]").check()
        await visitor.question(QUESTION)
        await complete(visitor)
        await expect(page.locator("ol.steps")).to_contain_text("Written again")
        for seat in await page.locator("article.seat-card").all():
            await expect(seat.locator(".text").first).to_contain_text("says: The answer")
            again = seat.locator("details", has_text="Written again after the reviews")
            await again.locator("summary").click()
            await expect(again.locator(".text")).to_have_text(REVISION)
        await expect(page.locator("table.tokens")).to_contain_text("Written again")


async def test_a_pc_that_is_unplugged_leaves_its_seat_empty_and_the_card_says_why(
    tmp_path: Path, visit: Visiting
) -> None:
    async with (
        FakeOllama(["alpha:1b", "beta:1b"]) as pc1,
        FakeOllama(["gamma:1b"]) as pc2,
        served(tmp_path, pc1, pc2, pool=LEAVES, deadlines=PATIENT, procedure=GUARDED) as sitting,
    ):
        http, local = sitting
        pc2.always("*", silence("The sky"))
        async with visit(str(http.base_url).rstrip("/")) as visitor:
            await visitor.question(QUESTION)
            seat = card(visitor, "gamma:1b")
            await expect(seat.locator(".text").first).to_have_text("The sky")
            await expect(seat.locator(".tag")).to_have_text("pc2")
            await local.hosts.unplug("pc2")
            await expect(seat.locator(".state")).to_have_text(
                "absent: The PC that had gamma:1b left the cluster and is not back."
            )
            await complete(visitor)
            notes = visitor.page.locator("section.notes.degraded")
            await expect(notes).to_contain_text("gamma:1b left the cluster")
            await expect(visitor.page.locator("section.answer .text").first).not_to_be_empty()
            await visitor.page.reload()
            await expect(seat.locator(".state")).to_contain_text("left the cluster")
            await visitor.go("history")
            await expect(visitor.page.locator("ul.sessions")).to_contain_text("degraded")


async def test_a_seat_whose_pc_is_unplugged_is_asked_elsewhere_and_the_card_says_so(
    tmp_path: Path, visit: Visiting
) -> None:
    async with (
        FakeOllama(["alpha:1b", "beta:1b"]) as pc1,
        FakeOllama(["gamma:1b"]) as pc2,
        FakeOllama(["gamma:1b"]) as pc3,
        served(tmp_path, pc1, pc2, pc3, pool=LEAVES, deadlines=PATIENT) as sitting,
    ):
        http, local = sitting
        pc2.script("*", silence("The sky"))
        pc3.script("*", silence("The sky"))
        async with visit(str(http.base_url).rstrip("/")) as visitor:
            await visitor.question(QUESTION)
            seat = card(visitor, "gamma:1b")
            await expect(seat.locator(".text").first).to_have_text("The sky")
            first = await seat.locator(".tag").text_content() or ""
            other = {"pc2": pc3, "pc3": pc2}[first]
            other.unscript()
            await local.hosts.unplug(first)
            await complete(visitor)
            await expect(seat.locator(".state")).to_have_text("done")
            await expect(seat.locator(".tag")).not_to_have_text(first)
            await expect(seat).to_contain_text(
                f"asked again, attempt 2: {first}, or what ran for the council there, went away."
            )
            await expect(visitor.page.locator("section.notes.degraded")).to_be_hidden()
