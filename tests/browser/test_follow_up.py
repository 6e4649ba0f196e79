"""Going on with a session: the question under the answer, what was said above it, and asking it
again with or without what was said."""

from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import expect

from tests.browser.looking import Looking
from tests.browser.visitor import Visiting
from tests.browser.watched_council import QUESTION, complete
from tests.fakes import FakeOllama
from tests.http_council import served

NEXT = "And at sunset?"


async def test_a_session_is_gone_on_with_and_the_council_sees_what_was_said(
    tmp_path: Path, visit: Visiting
) -> None:
    async with (
        FakeOllama(("alpha:1b", "beta:1b", "gamma:1b")) as fake,
        served(tmp_path, fake) as (http, _),
        visit(str(http.base_url).rstrip("/")) as visitor,
    ):
        page, look = visitor.page, Looking(visitor)
        visitor.expected = ("422",)
        await visitor.question(QUESTION)
        await complete(visitor)
        first, before = page.url, len(fake.chats)
        answer = await page.locator("section.answer .text").inner_text()
        await expect(page.locator("details.earlier")).to_be_hidden()

        await page.locator("#next").focus()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#next-wrong")).to_have_text("There is no question yet.")
        await page.locator("#next").fill(NEXT)
        for language in ("fr", "en"):  # what was typed stays, whatever the words around it
            await page.locator("#language").select_option(language)
            await expect(page.locator("#next")).to_have_value(NEXT)
        await page.locator("#next").focus()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("h1")).to_have_text(NEXT)
        await complete(visitor)
        assert page.url != first
        said = [chat.body.decode() for chat in fake.chats[before:]]
        assert said and all(QUESTION in one and NEXT in one for one in said)

        earlier = page.locator("details.earlier")
        await expect(earlier.locator("summary")).to_be_visible()
        await earlier.locator("summary").click()
        await expect(earlier.locator("li")).to_contain_text([QUESTION])
        assert answer.split()[0] in await earlier.locator("li .text").inner_text()
        await look.at("follow-up")

        await page.get_by_role("button", name="Ask again").click()
        await expect(page.locator("#question")).to_have_value(NEXT)
        await expect(page.get_by_text("Goes on with an earlier session.")).to_be_visible()
        before = len(fake.chats)
        await page.locator("#ask").click()
        await expect(page.locator("h1")).to_have_text(NEXT)
        await complete(visitor)
        assert all(QUESTION in chat.body.decode() for chat in fake.chats[before:])
        await page.get_by_role("button", name="Ask again").click()
        await page.get_by_role("button", name="Ask it afresh").click()
        before = len(fake.chats)
        await page.locator("#ask").click()
        await expect(page.locator("h1")).to_have_text(NEXT)
        await complete(visitor)
        assert not any(QUESTION in chat.body.decode() for chat in fake.chats[before:])

        await visitor.go("history")
        await expect(page.locator(".sessions > li")).to_have_count(4)
        await expect(page.locator(".sessions > li", has_text="follow-up")).to_have_count(2)
        await page.locator(".sessions > li", has_text="follow-up").first.locator("a").click()
        await complete(visitor)
        await page.locator("details.earlier summary").click()
        await page.get_by_role("link", name="The session that this one goes on with").click()
        await expect(page.locator("h1")).to_have_text(QUESTION)
        assert page.url == first
        assert not look.faults, "\n".join(look.faults)
