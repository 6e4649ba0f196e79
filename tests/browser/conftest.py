"""The page in the system's chromium, driven by Playwright. Where one of them is missing, every test
here is skipped and says why.

One browser serves all tests; each visitor has a context of its own, with no cookie, cache or key of
another's.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from serve_app.cli.tiers import browser, why_not

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.browser.visitor import Visit, Visiting


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not("browser")
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
async def chromium() -> "AsyncIterator[Browser]":
    from playwright.async_api import async_playwright, expect

    expect.set_options(timeout=15_000)  # other tiers compute beside this one
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=browser(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        await started.close()


@pytest.fixture
def visit(chromium: "Browser") -> "Iterator[Visiting]":
    """`async with visit(base, path="/", **options) as visitor:`. In the end nothing may have gone
    wrong for any of them."""
    from tests.browser.visitor import window

    visitors: list[Visit] = []

    @asynccontextmanager
    async def visiting(base: str, path: str = "/", **options: Any) -> "AsyncIterator[Visit]":
        async with window(chromium, base, path, **options) as visitor:
            visitors.append(visitor)
            yield visitor

    yield visiting
    assert not [wrong for visitor in visitors for wrong in visitor.wrong]
