"""Each view fits, is for everybody, and its pictures are kept in `artefacts/page/`."""

from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")

from playwright.async_api import expect

from tests.browser.looking import Looking
from tests.browser.visitor import PHONE, WIDE, Visiting
from tests.browser.watched_council import (
    QUESTION,
    Held,
    complete,
    council,
    prefers_the_opinion,
    saying,
)
from tests.fakes.replies import Answer, body

INK = "rgb(28, 36, 48)"
"""Of the light page: paper is white."""
SPOKEN = """Sunlight is scattered by **air molecules**, and short waves far more than long ones.

1. Blue light has about *half* the wavelength of red light.
2. Scattering grows with the fourth power of frequency.

| colour | nm | scattered |
|--|--|--|
| blue | 450 | 4.4 |
| red | 650 | 1 |

> A quote, `code`, and ~~nothing~~ struck out.

    for wave in light: scatter(wave)

As [A] and [C] say, see [Rayleigh scattering](https://en.wikipedia.org/wiki/Rayleigh_scattering)."""


async def test_every_view_fits_and_is_for_everybody(tmp_path: Path, visit: Visiting) -> None:
    held = Held("Sunlight is **scattered** by the air", ", as everybody knows.")
    async with (
        council(
            tmp_path,
            (saying("opinions", model="beta"), held),
            (saying("opinions", "synthesis"), Answer(text=SPOKEN)),
            tokens=60,
        ) as base,
        visit(base) as visitor,
    ):
        page, look = visitor.page, Looking(visitor)
        await page.locator("#add-seat").click()
        await page.locator("article.pc").wait_for()
        await look.at("ask")
        await page.get_by_role("button", name="Remove seat 1").click()
        await visitor.question(QUESTION)
        await expect(page.locator("article.seat-card .state.speaking")).to_have_count(1)
        await expect(page.locator("article.seat-card .state.done")).to_have_count(2)
        await expect(page.locator(".seat-card strong", has_text="air molecules")).to_have_count(2)
        await look.at("watch")
        held.go_on.set()
        held.end.set()
        await complete(visitor)
        for folded in await page.locator("details:not([hidden]) > summary").all():
            await folded.click()
        await page.locator("table.matrix button.score").first.focus()
        await look.at("session")
        await page.set_viewport_size(PHONE)
        matrix = page.locator("section.reviews .scroll")
        fade = "box => getComputedStyle(box).getPropertyValue('--fade')"
        assert await matrix.evaluate(fade) != "0px", "nothing hints that it goes on"
        await page.locator("p.model").first.evaluate("one => { one.textContent = 'x'.repeat(99); }")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.set_viewport_size(WIDE)
        await page.emulate_media(media="print", color_scheme="dark")
        for unprinted in ("nav", "#next", "button.danger:not([hidden])"):
            await expect(page.locator(unprinted)).to_be_hidden()
        opinions = page.locator(".seat-card .text").first
        assert await opinions.evaluate("box => getComputedStyle(box).maxHeight") == "none"
        assert await page.evaluate("getComputedStyle(document.body).color") == INK
        await page.emulate_media(media="screen")
        for name in ("History", "Cluster"):
            await page.locator("nav a", has_text=name).click()
            await page.locator("main .card").first.wait_for()
            await look.at(name.lower())
        assert not look.faults, "\n".join(look.faults)


async def test_what_went_wrong_is_legible_too(tmp_path: Path, visit: Visiting) -> None:
    async with (
        council(
            tmp_path,
            (saying("opinions", model="gamma"), body(500)),
            (saying("synthesis"), Answer(text=SPOKEN)),
            (saying("guard"), prefers_the_opinion),
        ) as base,
        visit(base) as visitor,
    ):
        visitor.expected = ("422",)
        page, look = visitor.page, Looking(visitor)
        await page.locator("article.pc").wait_for()
        await page.locator("#add-seat").click()
        await page.get_by_label("Temperature").fill("7")
        await page.locator("#ask").click()
        await expect(page.locator("fieldset.seat .wrong")).not_to_be_empty()
        await look.at("ask-refused")
        await page.get_by_role("button", name="Remove seat 1").click()
        await visitor.question(QUESTION)
        await complete(visitor)
        await expect(page.locator("section.notes.degraded")).to_be_visible()
        await page.get_by_text("The synthesis that lost").click()
        await look.at("session-degraded")
        assert not look.faults, "\n".join(look.faults)
