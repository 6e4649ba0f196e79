"""The page as a reader has it: asks, watches, comes back in the middle, stops."""

import asyncio
import re
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import expect

from tests.browser.visitor import Visit, Visiting
from tests.browser.watched_council import QUESTION, Held, complete, council, saying
from tests.fakes import FakeOllama
from tests.fakes.http import Exchange
from tests.fakes.replies import NDJSON, Answer, silence


async def test_a_question_is_asked_watched_and_answered(tmp_path: Path, visit: Visiting) -> None:
    async with council(tmp_path, latency_s=0.4) as base, visit(base) as visitor:
        await visitor.question(QUESTION)
        page = visitor.page
        await expect(page.locator("article.seat-card")).to_have_count(3)
        await expect(page.locator("article.seat-card .state").first).to_have_text(
            re.compile("writing|done")
        )
        await complete(visitor)
        await expect(page.locator("h1")).to_have_text(QUESTION)
        ballot = page.locator("article.seat-card details pre code").first
        await expect(ballot).to_contain_text('{"rankings"')
        await expect(page.locator("section.answer .text")).not_to_be_empty()
        assert await page.locator("section.answer").evaluate(
            "one => one.compareDocumentPosition(document.querySelector('.seat-card')) & 4"
        ), "the answer comes first"
        score = page.locator("table.matrix button.score").first
        await score.focus()
        await expect(page.locator("p.why strong")).to_have_text(
            await score.get_attribute("aria-label") + ": "
        )
        seats = await page.locator("table.matrix thead th").all_text_contents()
        labels = await page.locator("p.labels").text_content()
        assert labels and all(f"{label} = " in labels for label in "ABC")
        assert all(f" = {seat}" in labels for seat in seats[1:])
        await expect(page.locator("table.ranking tbody tr")).to_have_count(3)
        await expect(page.locator("table.tokens tbody tr").last).to_contain_text("Total")
        assert await page.locator("figure.chart table tbody tr").count() >= 7


async def test_a_reload_in_the_middle_goes_on_where_it_was(tmp_path: Path, visit: Visiting) -> None:
    held = Held("The first half 🌈🌈", ", and the second.")
    async with (
        council(tmp_path, (saying("opinions", model="alpha:1b"), held)) as base,
        visit(base) as visitor,
    ):
        await visitor.question(QUESTION)
        text = visitor.page.locator("article.seat-card .text", has_text="The first half 🌈🌈")
        await expect(text).to_have_text("The first half 🌈🌈")
        address = visitor.page.url
        await visitor.page.reload()
        await expect(text).to_have_text("The first half 🌈🌈")
        assert visitor.page.url == address
        held.go_on.set()
        await expect(text).to_have_text("The first half 🌈🌈, and the second.")
        held.end.set()
        await complete(visitor)


async def test_a_lost_connection_is_made_again(tmp_path: Path, visit: Visiting) -> None:
    held = Held("The first half 🌈🌈", ", and the second.")
    async with (
        council(tmp_path, (saying("opinions", model="alpha:1b"), held)) as base,
        visit(base) as visitor,
    ):
        visitor.expected = ("ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "ERR_NETWORK")
        await visitor.page.route("**/events", lambda route: route.abort(), times=2)
        await visitor.question(QUESTION)
        text = visitor.page.locator("article.seat-card .text", has_text="The first half 🌈🌈")
        await expect(text).to_have_text("The first half 🌈🌈")
        held.go_on.set()
        held.end.set()
        await complete(visitor)


async def thinks(fake: FakeOllama, exchange: Exchange) -> None:
    """On and on, as models do: a thought that nobody listened to is not told again."""
    exchange.head(200, NDJSON)
    while True:
        exchange.line({"message": {"role": "assistant", "content": "", "thinking": "Let me see."}})
        await asyncio.sleep(0.1)


async def test_who_thinks_and_who_waits_in_the_queue_is_shown(
    tmp_path: Path, visit: Visiting
) -> None:
    async with council(tmp_path, ("*", thinks), parallel=1) as base, visit(base) as visitor:
        await visitor.question(QUESTION)
        page = visitor.page
        await expect(page.locator("article.seat-card .state.thinking")).to_have_count(3)
        await page.goto(f"{base}/#/")
        await visitor.question("Is 91 a prime number?")
        await expect(page.locator("p.stage")).to_have_text("Opinions 0/3. Place 2 in the queue.")
        await expect(page.locator("p.stage + .quiet")).to_contain_text("s to wait.")
        await expect(page.locator("article.seat-card .state.waiting")).to_have_count(3)


async def test_a_model_that_is_loaded_first_is_told(tmp_path: Path, visit: Visiting) -> None:
    async with council(tmp_path, load_s=3.0) as base, visit(base) as visitor:
        await visitor.question(QUESTION)
        seat = visitor.page.locator("article.seat-card", has_text="beta:1b")
        await expect(seat.locator(".state")).to_have_text("loading beta:1b …")
        await expect(seat.locator(".state")).to_have_text("done")
        await visitor.go("cluster")
        await expect(visitor.page.locator("article.pc")).to_contain_text("3 of 3 used")


async def test_stop_cancels(tmp_path: Path, visit: Visiting) -> None:
    async with (
        council(tmp_path, ("*", silence("Half a thought"))) as base,
        visit(base) as visitor,
    ):
        await visitor.question(QUESTION)
        page = visitor.page
        await expect(page.locator("article.seat-card .text").first).to_have_text("Half a thought")
        await page.locator("#stop").click()
        await expect(page.locator("p.stage")).to_contain_text("Ended without an answer")
        await expect(page.locator("#stop")).to_be_hidden()
        await expect(page.locator("article.seat-card .state").first).to_have_text("stopped")
        await expect(page.locator("ol.steps .broken")).to_have_text("Opinions")
        await visitor.go("")
        await expect(page.get_by_role("radio", name="standard")).to_be_checked()


async def test_unfit_choices_say_why(tmp_path: Path, visit: Visiting) -> None:
    async with council(tmp_path) as base, visit(base) as visitor:
        visitor.expected = ("422",)
        page = visitor.page
        await page.locator("#add-seat").click()
        await page.get_by_label("Temperature").fill("7")
        await page.locator("#ask").click()
        await expect(page.locator("#question-wrong")).to_have_text("There is no question yet.")
        await expect(page.locator("fieldset.seat .wrong")).to_contain_text(
            "Temperature: Input should be less than or equal to 5"
        )
        assert await page.get_by_label("Temperature").evaluate(
            "field => document.getElementById(field.getAttribute('aria-describedby')).textContent"
        ), "nobody who only hears it knows why"
        await page.get_by_label("Temperature").fill("0.3")
        await page.locator("#question").fill(QUESTION)
        await page.locator("#add-seat").click()
        await page.locator("#ask").click()
        await expect(page.locator("article.seat-card")).to_have_count(2)
        await complete(visitor)


async def test_from_question_to_source_by_the_keyboard_alone(
    tmp_path: Path, visit: Visiting
) -> None:
    written = Answer(text="It scatters [A].")
    async with (
        council(tmp_path, (saying("synthesis"), written)) as base,
        visit(base) as visitor,
    ):
        page, keys = visitor.page, visitor.page.keyboard
        await page.locator("#add-seat").wait_for()
        await keys.type(QUESTION)  # the form is where one begins
        await tab_to(visitor, "#ask")
        await keys.press("Enter")
        await complete(visitor)
        await tab_to(visitor, "table.matrix button.score")
        told = await page.locator("button.score:focus").get_attribute("aria-label")
        await expect(page.locator("p.why strong")).to_have_text(f"{told}: ")
        await tab_to(visitor, "details > summary")
        await keys.press("Enter")
        await expect(page.locator("details[open]")).to_have_count(1)
        await page.reload()
        await complete(visitor)
        await tab_to(visitor, ".skip")
        await keys.press("Enter")
        await tab_to(visitor, ".sources a")
        await keys.press("Enter")
        await expect(page.locator("article.seat-card:focus")).to_have_count(1)


async def tab_to(visitor: Visit, wanted: str) -> None:
    """Presses Tab until the focus is there; on its way it never is where nobody sees it."""
    for _ in range(40):
        await visitor.page.keyboard.press("Tab")
        focused = visitor.page.locator(":focus")
        assert await focused.count() == 0 or await focused.bounding_box(), "focus is out of sight"
        if await visitor.page.locator(f"{wanted}:focus").count():
            return
    raise AssertionError(f"no Tab leads to {wanted}")
