"""How each view looks: light and dark, wide and on a phone; and what axe finds wrong with it for
those who do not see it, or not well. Pictures of all are kept in `artefacts/`."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")
pytest.importorskip("axe_playwright_python")

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.visitor import PHONE, WIDE, Visit, Visiting
from tests.browser.watched_council import QUESTION, Held, complete, council, saying
from tests.fakes.replies import Answer

PICTURES = Path(__file__).parents[2] / "artefacts" / "page"
LOOKS: dict[str, tuple[Any, Any]] = {
    "light": ("light", WIDE),
    "dark": ("dark", WIDE),
    "phone-dark": ("dark", PHONE),
    "phone": ("light", PHONE),
}
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


class Looking:
    """Looks at a view in every way, and keeps what is wrong with it."""

    def __init__(self, visitor: Visit) -> None:
        self.page = visitor.page
        self.faults: list[str] = []

    async def at(self, view: str) -> None:
        for look, (scheme, size) in LOOKS.items():
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await self.page.set_viewport_size(size)
            await self.page.screenshot(path=PICTURES / f"{view}-{look}.png", full_page=True)
            if await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                self.faults.append(f"{view}, {look}: reaches beyond the screen")
            found = await Axe().run(self.page)
            self.faults += [
                f"{view}, {look}: {fault['id']}: {node['html'][:200]} {node['failureSummary']}"
                for fault in found.response["violations"]
                for node in fault["nodes"]
            ]
        await self.page.set_viewport_size(WIDE)


@pytest.fixture(scope="module", autouse=True)
def pictures() -> None:
    """None of an earlier run is left."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES.glob("*.png"):
        picture.unlink()


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
        await look.at("watch")
        held.go_on.set()
        held.end.set()
        await complete(visitor)
        for folded in await page.locator("details:not([hidden]) > summary").all():
            await folded.click()
        await page.locator("table.matrix button.score").first.focus()
        await look.at("session")
        for name in ("History", "Cluster"):
            await page.locator("nav a", has_text=name).click()
            await page.locator("main .card").first.wait_for()
            await look.at(name.lower())
        assert not look.faults, "\n".join(look.faults)
