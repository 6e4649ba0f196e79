"""The sessions that were: searched, opened, asked again, saved, deleted."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")

from playwright.async_api import Locator, expect

from tests.browser.visitor import Visit, Visiting
from tests.browser.watched_council import QUESTION, complete, council

OTHER = "Is 91 a prime number?"
NAMED = "The doubter"


async def saved(visitor: Visit, button: Locator) -> tuple[str, str]:
    """Name and text of the file that the button saves."""
    async with visitor.page.expect_download() as coming:
        await button.click()
    download = await coming.value
    path = await download.path()
    return download.suggested_filename, await asyncio.to_thread(path.read_text)


def button(place: Any, name: str) -> Locator:
    return place.get_by_role("button", name=name, exact=True)


async def test_history_is_searched_opened_asked_again_saved_and_deleted(
    tmp_path: Path, visit: Visiting
) -> None:
    async with council(tmp_path) as base, visit(base) as visitor:
        page = visitor.page
        await page.locator("input[name=mode][value=fast]").check()
        await visitor.question(QUESTION)
        await complete(visitor)
        columns = page.locator("table.ranking thead th")  # nobody voted
        await expect(columns).to_have_text(["Place", "Seat", "Agreement"])
        await visitor.go("")
        await page.locator("#add-seat").click()
        await page.get_by_label("Name").fill(NAMED)
        await page.locator("input[name=mode][value=fast]").check()
        await visitor.question(OTHER)
        await complete(visitor)
        await page.locator("nav a", has_text="History").click()
        lines = page.locator("ul.sessions > li")
        await expect(lines).to_have_count(2)
        await page.locator("#search").fill("nothing has these words")
        await expect(page.get_by_text("No session has these words.")).to_be_visible()
        await page.locator("#search").fill("prime")
        await expect(lines).to_have_count(1)

        name, text = await saved(visitor, button(lines, "Save as Markdown"))
        assert name.startswith("council-") and name.endswith(".md")
        assert text.startswith("# Council") and OTHER in text
        name, text = await saved(visitor, button(lines, "Save as JSON"))
        assert name.endswith(".json") and json.loads(text)["query"] == OTHER

        await button(lines, "Ask again").click()
        await expect(page.locator("#question")).to_have_value(OTHER)
        await expect(page.get_by_label("Name")).to_have_value(NAMED)
        await expect(page.locator("input[name=mode][value=fast]")).to_be_checked()

        await page.locator("nav a", has_text="History").click()
        await expect(lines).to_have_count(2)
        await button(lines.first, "Delete").click()
        await page.locator("#search").focus()
        await expect(button(lines.first, "Delete")).to_be_visible()  # second thoughts: not deleted
        await button(lines.first, "Delete").click()
        await button(lines.first, "Delete for good?").click()
        await expect(page.locator("#told")).to_have_text("Deleted.")
        await expect(lines).to_have_count(1)
        await page.reload()
        await expect(lines).to_have_count(1)
        await page.locator("ul.sessions a", has_text=QUESTION).click()
        await complete(visitor)
        await expect(page.locator("h1")).to_have_text(QUESTION)


async def test_a_session_that_is_open_is_found_and_watched_on(
    tmp_path: Path, visit: Visiting
) -> None:
    async with council(tmp_path, latency_s=0.3) as base, visit(base) as visitor:
        await visitor.question(QUESTION)
        await visitor.page.locator("nav a", has_text="History").click()
        await visitor.page.locator("ul.sessions a", has_text=QUESTION).click()
        await complete(visitor)
        await button(visitor.page, "Delete").click()
        await button(visitor.page, "Delete for good?").click()
        await expect(visitor.page.get_by_text("Nothing was asked yet.")).to_be_visible()
        await visitor.page.get_by_text("Ask the first question").click()
        await expect(visitor.page.locator("#ask")).to_be_visible()
        await visitor.page.route("**/api/**", lambda asked: asked.abort())
        visitor.expected = ("ERR_FAILED",)
        for view in ("history", "cluster"):
            await visitor.go(view)
            await expect(visitor.page.locator("main")).to_contain_text(
                "The council cannot be reached. On PC1,"
            )
        await visitor.go("session/0")
        await expect(visitor.page.locator("p.stage")).to_contain_text("The connection is lost")
