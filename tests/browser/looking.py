"""A view in every way, light and dark, wide and on a phone, and what axe finds wrong with it for
those who do not see it, or not well. Pictures of all are kept in `artefacts/page/`."""

from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe

from tests.browser.visitor import PHONE, WIDE, Visit

PICTURES = Path(__file__).parents[2] / "artefacts" / "page"
LOOKS: dict[str, tuple[Any, Any]] = {
    "light": ("light", WIDE),
    "dark": ("dark", WIDE),
    "phone-dark": ("dark", PHONE),
    "phone": ("light", PHONE),
}
COLOURS = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
"""What else axe looks for is the same in the dark."""
EVERYTHING = {"resultTypes": ["violations"]}


class Looking:
    """Looks at a view in every way, and keeps what is wrong with it."""

    def __init__(self, visitor: Visit) -> None:
        self.page = visitor.page
        self.faults: list[str] = []
        PICTURES.mkdir(parents=True, exist_ok=True)

    async def at(self, view: str) -> None:
        for look, (scheme, size) in LOOKS.items():
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await self.page.set_viewport_size(size)
            await self.page.screenshot(path=PICTURES / f"{view}-{look}.png", full_page=True)
            if await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                self.faults.append(f"{view}, {look}: reaches beyond the screen")
            found = await Axe().run(self.page, options=COLOURS if scheme == "dark" else EVERYTHING)
            self.faults += [
                f"{view}, {look}: {fault['id']}: {node['html'][:200]} {node['failureSummary']}"
                for fault in found.response["violations"]
                for node in fault["nodes"]
            ]
        await self.page.set_viewport_size(WIDE)
