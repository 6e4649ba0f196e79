"""Somebody who looks at the page: a browser of its own, and what went on in it that must not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Page, async_playwright

from serve_app.cli.tiers import browser

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 900}


class Visit:
    """`page` to act on; `wrong` = errors, refusals of the policy, dialogs, and requests that left
    for another place than the council's."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.wrong: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of console messages that a test provokes."""
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", self._console)
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}"))
        page.context.on("request", self._request)

    def _console(self, message: Any) -> None:
        told = f"{message.type}: {message.text}"
        if message.type in ("error", "warning") and not any(one in told for one in self.expected):
            self.wrong.append(told)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.base, f"blob:{self.base}")):
            self.wrong.append(f"left for {request.url}")

    async def question(self, text: str) -> None:
        """Asks it, by the keyboard, once the form is whole."""
        await self.page.locator("#add-seat").wait_for()
        await self.page.locator("#question").fill(text)
        await self.page.keyboard.press("Control+Enter")
        await self.page.wait_for_url("**/#/session/*")


@asynccontextmanager
async def visit(base: str, path: str = "/", **options: Any) -> AsyncIterator[Visit]:
    """`options` of the browser's context: viewport, color_scheme, locale, …"""
    wanted = {"viewport": WIDE, "locale": "en-GB", **options}
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = await (await chromium.new_context(**wanted)).new_page()
        page.set_default_timeout(20_000)
        visitor = Visit(page, base)
        await page.goto(f"{base}{path}")
        try:
            yield visitor
        finally:
            await chromium.close()
