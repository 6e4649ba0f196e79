"""A council that is open to the network, as its page has it: the key, and how another PC joins."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")

from playwright.async_api import expect

from cluster import api_keys
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.browser.looking import Looking
from tests.browser.visitor import Visiting
from tests.browser.watched_council import QUESTION
from tests.fake_council import FakeCouncil

KEY = "right-key-4711"
JOIN = "./council join 192.168.1.10 --ray-port 6389 --token -"
DASHBOARD = "http://127.0.0.1:8265"


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[str]:
    """Where it is served."""
    (tmp_path / "api_key").write_text(KEY)
    api_keys.take_in_own(tmp_path, datetime.now(UTC))
    config = ApiConfig(
        "1", "3", "2",
        require_key=True,
        keys_file=tmp_path / "api_keys.json",
        dashboard_url=DASHBOARD,
        join_line=JOIN,
    )  # fmt: skip
    async with listening(build_api(FakeCouncil(), config), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def test_off_loopback_the_key_is_asked_for_once(base: str, visit: Visiting) -> None:
    async with visit(base) as visitor:
        visitor.expected = ("401",)
        page, look = visitor.page, Looking(visitor)
        await page.locator("#lock-key").fill("wrong-key")
        await page.keyboard.press("Enter")
        await expect(page.locator("#lock-wrong")).to_contain_text("does not open the council")
        await look.at("key")
        await page.locator("#lock-key").fill(KEY)
        await page.keyboard.press("Enter")
        await visitor.question(QUESTION)
        await expect(page.locator("p.stage")).to_have_text("Complete")
        await page.reload()
        await expect(page.locator("p.stage")).to_have_text("Complete")
        assert KEY not in page.url
        await page.locator("footer a", has_text="HTTP interface").click()
        await expect(page.locator("dl.docs dt").first).to_be_visible()
        await look.at("http-interface")
        assert not look.faults, "\n".join(look.faults)


async def test_how_another_pc_joins_is_there_to_copy_and_the_token_is_not(
    base: str, visit: Visiting
) -> None:
    async with visit(base, permissions=["clipboard-read", "clipboard-write"]) as visitor:
        visitor.expected = ("401",)
        page, look = visitor.page, Looking(visitor)
        await page.locator("#lock-key").fill(KEY)
        await page.keyboard.press("Enter")
        await page.locator("nav a", has_text="Cluster").click()
        await expect(page.get_by_label("pc1")).to_contain_text("Power41.7 W; 2 Wh since")
        await expect(page.get_by_label("pc2")).not_to_contain_text("Power")
        section = page.locator("section", has=page.locator("#join"))
        await expect(section.locator("pre")).to_have_text(JOIN)
        await expect(section).to_contain_text("./council up --lan on PC1 prints the line")
        await section.get_by_role("button", name="Copy").click()
        await expect(page.locator("#told")).to_have_text("Copied.")
        assert await page.evaluate("navigator.clipboard.readText()") == JOIN
        await section.locator("pre").click()
        assert await page.evaluate("String(getSelection())") == JOIN
        for link in await page.get_by_role("link", name="Ray dashboard").all():
            assert await link.get_attribute("href") == DASHBOARD
            assert await link.get_attribute("rel") == "noopener"
        await expect(page.locator("main").get_by_role("link", name="Ray dashboard")).to_be_visible()
        await page.locator("main .card").first.wait_for()
        await look.at("cluster-lan")
        assert not look.faults, "\n".join(look.faults)
