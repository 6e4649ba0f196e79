"""Somebody who looks at the page: a window of its own, and what went on in it that must not."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page

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
        page.on("dialog", self._dialog)
        page.context.on("request", self._request)

    def _console(self, message: Any) -> None:
        told = f"{message.type}: {message.text}"
        if message.type in ("error", "warning") and not any(one in told for one in self.expected):
            self.wrong.append(told)

    async def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.base, f"blob:{self.base}")):
            self.wrong.append(f"left for {request.url}")

    async def go(self, place: str) -> None:
        """To a view, by its address."""
        await self.page.goto(f"{self.base}/#/{place}")

    async def question(self, text: str) -> None:
        """Asks it, by the keyboard, once the form is whole."""
        await self.page.locator("#add-seat").wait_for()
        await self.page.locator("#question").fill(text)
        await self.page.keyboard.press("Control+Enter")
        await self.page.wait_for_url("**/#/session/*")


Visiting = Callable[..., AbstractAsyncContextManager[Visit]]


@asynccontextmanager
async def window(
    chromium: Browser, base: str, path: str = "/", **options: Any
) -> AsyncIterator[Visit]:
    """`options` of the browser's context: viewport, color_scheme, locale, …"""
    wanted = {"viewport": WIDE, "locale": "en-GB", **options}
    context = await chromium.new_context(**wanted)
    try:
        page = await context.new_page()
        page.set_default_timeout(20_000)
        visitor = Visit(page, base)
        await page.goto(f"{base}{path}")
        yield visitor
    finally:
        await context.close()
