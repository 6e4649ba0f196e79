"""The page as a reader has it: asks, watches, comes back in the middle, stops, reads, is attacked.

The council is the real one without Ray, over real sockets; its model server is the scripted fake.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")

from playwright.async_api import expect

from actors.messages.prices import CloudPrice, PriceTable
from actors.messages.procedure import ProcedureDefaults
from actors.pc.energy import POWERCAP
from cluster import api_keys
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.browser.visitor import PHONE, Visit, visit
from tests.fake_council import FakeCouncil
from tests.fakes import FakeOllama
from tests.fakes.http import Exchange
from tests.fakes.replies import NDJSON, Answer, Reply, silence
from tests.http_council import served
from tests.local_council import stage_of
from tests.power import zone

MODELS = ("alpha:1b", "beta:1b", "gamma:1b")
QUESTION = "Why is the sky blue?"
KEY = "right-key-4711"
EVIL = (
    "<script>alert(1)</script><img src=https://evil.example/a onerror=alert(2)>\n\n"
    "![beacon](https://evil.example/b.gif) [click](javascript:alert(3)) <svg onload=alert(4)>\n\n"
    "[out](https://evil.example/c) <iframe src=https://evil.example/d></iframe>"
    "<style>body{display:none}</style><meta http-equiv=refresh content=0;url=https://evil.example>"
)


class Held:
    """An answer that stops in the middle until it is let `go_on`, and then until it may `end`."""

    def __init__(self, before: str, after: str) -> None:
        self._texts = (before, after)
        self.go_on, self.end = asyncio.Event(), asyncio.Event()

    async def __call__(self, fake: FakeOllama, exchange: Exchange) -> None:
        before, after = ({"message": {"role": "assistant", "content": one}} for one in self._texts)
        exchange.head(200, NDJSON)
        exchange.line(before)
        await self.go_on.wait()
        exchange.line(after)
        await self.end.wait()
        exchange.line({"done": True, "done_reason": "stop", "eval_count": 9})


GUARDED = ProcedureDefaults(critique=True, guard=True)
PRICES = PriceTable(
    as_of=date(2026, 8, 1),
    models=(
        CloudPrice(name="large", input=500, output=500),
        CloudPrice(name="small", input=0.1, output=0.1),
    ),
)


@asynccontextmanager
async def council(
    home: Path,
    *scripts: tuple[Any, Reply],
    parallel: int = 3,
    powercap: Path = POWERCAP,
    **habits: Any,
) -> AsyncIterator[str]:
    """Where it is served. `scripts`: who answers how, always."""
    async with FakeOllama(MODELS, **habits) as fake:
        for wanted, reply in scripts:
            fake.always(wanted, reply)
        config = {"procedure": GUARDED, "prices": PRICES}
        async with served(home, fake, parallel=parallel, powercap=powercap, **config) as (http, _):
            yield str(http.base_url).rstrip("/")


def saying(*stages: str, model: str = "") -> Any:
    """Calls of these stages, of one model if it is named."""
    return lambda asked: (
        asked.path == "/api/chat"
        and bool(asked.json.get("messages"))
        and model in asked.model
        and stage_of(asked) in stages
    )


async def complete(visitor: Visit) -> None:
    await expect(visitor.page.locator("p.stage")).to_have_text(re.compile("Complete|Terminé"))
    await expect(visitor.page.locator("section.costs svg.waterfall")).to_be_visible()


@pytest.fixture
def clean() -> Iterator[list[Visit]]:
    """Visitors of whom nothing may have gone wrong in the end."""
    visitors: list[Visit] = []
    yield visitors
    assert not [wrong for visitor in visitors for wrong in visitor.wrong]


async def test_an_opinion_from_the_cache_is_marked_and_so_is_the_answer(
    tmp_path: Path, clean: list[Visit]
) -> None:
    seats = [{"model": model, "options": {"seed": 1}} for model in MODELS[:2]]
    question = {"query": QUESTION, "selected_agents": seats, "mode": "fast"}
    async with (
        FakeOllama(MODELS) as fake,
        served(tmp_path, fake, cache_ttl_s=60.0) as (http, _),
    ):
        for _ in range(2):
            session = (await http.post("/api/council/query", json=question)).json()
        saved = session["opinions"][0]["saved_tokens"]
        base = str(http.base_url).rstrip("/")
        async with visit(base, f"/#/session/{session['session_id']}") as visitor:
            clean.append(visitor)
            await complete(visitor)
            facts = visitor.page.locator("article.seat-card").first
            await expect(facts).to_contain_text(f"from the cache, {saved} tokens saved")
            await expect(visitor.page.locator("section.answer")).to_contain_text("From the cache.")
    assert len(fake.chats) == 2


async def test_a_question_is_asked_watched_and_answered(tmp_path: Path, clean: list[Visit]) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    telling = council(tmp_path, latency_s=0.4, powercap=tmp_path)
    async with telling as base, visit(base) as visitor:
        clean.append(visitor)
        await visitor.question(QUESTION)
        page = visitor.page
        await expect(page.locator("article.seat-card")).to_have_count(3)
        await expect(page.locator("article.seat-card .state").first).to_have_text(
            re.compile("writing|done")
        )
        await complete(visitor)
        await expect(page.locator("h1")).to_have_text(QUESTION)
        await expect(page.locator("section.answer .text")).not_to_be_empty()
        assert await page.locator("section.answer").evaluate(
            "one => one.compareDocumentPosition(document.querySelector('.seat-card')) & 4"
        ), "the answer comes first"
        score = page.locator("table.matrix button.score").first
        await score.focus()
        await expect(page.locator("p.why strong")).to_have_text(
            await score.get_attribute("aria-label") + ": "
        )
        await expect(page.locator("table.ranking tbody tr")).to_have_count(3)
        await expect(page.locator("table.tokens tbody tr").last).to_contain_text("Total")
        assert await page.locator("figure.chart table tbody tr").count() >= 7
        await expect(page.locator("section.costs")).to_contain_text(
            re.compile(
                r"would have cost about \$0\.0\d+ \(small\) to \$\d+\.\d\d \(large\)\. An estimate,"
                r" by a table of prices as of Aug 1, 2026"
            )
        )
        used = page.locator("section.costs", has_text="Its share of what the PCs used: about 0 J")
        await expect(used).to_be_visible()


async def test_the_answer_leads_to_its_sources_and_says_what_the_guard_said(
    tmp_path: Path, clean: list[Visit]
) -> None:
    written = Answer(text="It scatters [A], and more so where it is short [B].")
    async with (
        council(tmp_path, (saying("synthesis"), written)) as base,
        visit(base) as visitor,
    ):
        clean.append(visitor)
        await visitor.question(QUESTION)
        await complete(visitor)
        page = visitor.page
        await expect(page.locator(".guard p")).to_contain_text("judges for")
        sources = page.locator(".sources a")
        await expect(sources).to_have_count(2)
        wanted = await sources.first.text_content()
        await sources.first.click()
        card = page.locator("article.seat-card:focus")
        await expect(card.locator("h3")).to_have_text(wanted or "")
        await page.reload()
        await expect(card.locator("h3")).to_have_text(wanted or "")


async def test_a_reload_in_the_middle_goes_on_where_it_was(
    tmp_path: Path, clean: list[Visit]
) -> None:
    held = Held("The first half 🌈🌈", ", and the second.")
    async with (
        council(tmp_path, (saying("opinions", model="alpha:1b"), held)) as base,
        visit(base) as visitor,
    ):
        clean.append(visitor)
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


async def test_a_lost_connection_is_made_again(tmp_path: Path, clean: list[Visit]) -> None:
    held = Held("The first half 🌈🌈", ", and the second.")
    async with (
        council(tmp_path, (saying("opinions", model="alpha:1b"), held)) as base,
        visit(base) as visitor,
    ):
        clean.append(visitor)
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
    tmp_path: Path, clean: list[Visit]
) -> None:
    async with council(tmp_path, ("*", thinks), parallel=1) as base, visit(base) as visitor:
        clean.append(visitor)
        await visitor.question(QUESTION)
        page = visitor.page
        await expect(page.locator("article.seat-card .state.thinking")).to_have_count(3)
        await page.goto(f"{base}/#/")
        await visitor.question("Is 91 a prime number?")
        await expect(page.locator("p.stage")).to_contain_text("in the queue")
        await expect(page.locator("article.seat-card .state.waiting")).to_have_count(3)


async def test_stop_cancels(tmp_path: Path, clean: list[Visit]) -> None:
    async with (
        council(tmp_path, ("*", silence("Half a thought"))) as base,
        visit(base) as visitor,
    ):
        clean.append(visitor)
        await visitor.question(QUESTION)
        page = visitor.page
        await expect(page.locator("article.seat-card .text").first).to_have_text("Half a thought")
        await page.locator("#stop").click()
        await expect(page.locator("p.stage")).to_contain_text("Ended without an answer")
        await expect(page.locator("#stop")).to_be_hidden()
        await expect(page.locator("article.seat-card .state").first).to_have_text("stopped")


async def test_history_is_searched_opened_asked_again_saved_and_deleted(
    tmp_path: Path, clean: list[Visit]
) -> None:
    async with council(tmp_path) as base, visit(base) as visitor:
        clean.append(visitor)
        page = visitor.page
        for question in (QUESTION, "Is 91 a prime number?"):
            await page.goto(f"{base}/#/")
            await visitor.question(question)
            await complete(visitor)
        await page.locator("nav a", has_text="History").click()
        lines = page.locator("ul.sessions > li")
        await expect(lines).to_have_count(2)
        await page.locator("#search").fill("prime")
        await expect(lines).to_have_count(1)
        async with page.expect_download() as download:
            await lines.get_by_role("button", name="Save as Markdown").click()
        saved = await (await download.value).path()
        minutes = await asyncio.to_thread(saved.read_text)
        assert minutes.startswith("# Council") and "Is 91 a prime number?" in minutes
        await lines.get_by_role("button", name="Ask again").click()
        await expect(page.locator("#question")).to_have_value("Is 91 a prime number?")
        await page.locator("nav a", has_text="History").click()
        await expect(lines).to_have_count(2)
        await lines.first.get_by_role("button", name="Delete").click()
        await lines.first.get_by_role("button", name="Delete for good?").click()
        await expect(lines).to_have_count(1)
        await page.locator("ul.sessions a", has_text=QUESTION).click()
        await complete(visitor)


async def test_unfit_choices_say_why(tmp_path: Path, clean: list[Visit]) -> None:
    async with council(tmp_path) as base, visit(base) as visitor:
        clean.append(visitor)
        visitor.expected = ("422",)
        page = visitor.page
        await page.locator("#add-seat").click()
        await page.get_by_label("Temperature").fill("7")
        await page.locator("#ask").click()
        await expect(page.locator("#question-wrong")).not_to_be_empty()
        await expect(page.locator("fieldset.seat .wrong")).to_contain_text(
            "less than or equal to 5"
        )
        await page.get_by_label("Temperature").fill("0.3")
        await page.locator("#question").fill(QUESTION)
        await page.locator("#add-seat").click()
        await page.locator("#ask").click()
        await expect(page.locator("article.seat-card")).to_have_count(2)
        await complete(visitor)


async def test_row_42_what_a_model_writes_is_inert(tmp_path: Path, clean: list[Visit]) -> None:
    async with council(tmp_path, ("*", Answer(text=EVIL))) as base, visit(base) as visitor:
        clean.append(visitor)
        await visitor.question(f"Why? {EVIL}")
        page = visitor.page
        await complete(visitor)
        await expect(page.locator("section.answer .text a").first).to_be_visible()
        links = page.locator("main .text a")
        for at in range(await links.count()):
            link = links.nth(at)
            address = await link.get_attribute("href")
            assert address is None or address.startswith("https://evil.example/")
            if address:
                assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
                assert await link.get_attribute("target") == "_blank"
        for tag in ("script", "iframe", "style", "img", "meta", "object", "form", "link"):
            assert await page.locator(f"main {tag}").count() == 0, tag
        await page.locator("nav a", has_text="History").click()
        await expect(page.locator("ul.sessions a")).to_contain_text("<script>")


async def test_off_loopback_the_key_is_asked_for_once(tmp_path: Path, clean: list[Visit]) -> None:
    (tmp_path / "api_key").write_text(KEY)
    api_keys.take_in_own(tmp_path, datetime.now(UTC))
    config = ApiConfig("1", "3", "2", require_key=True, keys_file=tmp_path / "api_keys.json")
    async with listening(build_api(FakeCouncil(), config), "127.0.0.1", 0) as port:
        base = f"http://127.0.0.1:{port}"
        async with visit(base) as visitor:
            clean.append(visitor)
            visitor.expected = ("401",)
            page = visitor.page
            await page.locator("#lock-key").fill("wrong-key")
            await page.keyboard.press("Enter")
            await expect(page.locator("#lock-wrong")).not_to_be_empty()
            await page.locator("#lock-key").fill(KEY)
            await page.keyboard.press("Enter")
            await visitor.question(QUESTION)
            await expect(page.locator("p.stage")).to_have_text("Complete")
            await page.reload()
            await expect(page.locator("p.stage")).to_have_text("Complete")
            assert KEY not in page.url
            await page.locator("footer a", has_text="HTTP interface").click()
            await expect(page.locator("dl.docs dt").first).to_be_visible()
            await page.locator("nav a", has_text="Cluster").click()
            await expect(page.get_by_label("pc1")).to_contain_text("Power41.7 W; 2 Wh since")
            await expect(page.get_by_label("pc2")).not_to_contain_text("Power")


async def test_it_speaks_french_and_can_be_told_to_speak_english(
    tmp_path: Path, clean: list[Visit]
) -> None:
    async with council(tmp_path) as base, visit(base, locale="fr-FR") as visitor:
        clean.append(visitor)
        page = visitor.page
        await expect(page.locator("#ask")).to_have_text("Demander au conseil")
        await page.locator("#question").fill("Pourquoi ?")
        await page.locator("#language").select_option("en")
        await expect(page.locator("#ask")).to_have_text("Ask the council")
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await expect(page.locator("#question")).to_have_value("Pourquoi ?")


LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE, "is_mobile": True, "has_touch": True},
}


@pytest.mark.parametrize("look", LOOKS)
async def test_it_fits_and_pictures_of_it_are_kept(
    tmp_path: Path, clean: list[Visit], look: str
) -> None:
    """The pictures are in the test's temporary folder."""
    async with (
        council(
            tmp_path, (saying("opinions", "synthesis"), Answer(text=SPOKEN)), tokens=60
        ) as base,
        visit(base, **LOOKS[look]) as visitor,
    ):
        clean.append(visitor)
        page = visitor.page
        await page.locator("#add-seat").click()
        await page.locator("article.pc").wait_for()
        await fits(visitor, tmp_path / f"{look}-ask.png")
        await page.get_by_role("button", name="Remove seat 1").click()
        await visitor.question(QUESTION)
        await complete(visitor)
        await page.locator("table.matrix button.score").first.focus()
        await fits(visitor, tmp_path / f"{look}-session.png")
        for name in ("History", "Cluster"):
            await page.locator("nav a", has_text=name).click()
            await page.locator("main .card").first.wait_for()
            await fits(visitor, tmp_path / f"{look}-{name.lower()}.png")


async def fits(visitor: Visit, picture: Path) -> None:
    """Nothing reaches beyond the screen sideways, and all that can be acted on has a name."""
    page = visitor.page
    await page.screenshot(path=picture, full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, a')].filter(one =>
            one.checkVisibility() && !one.textContent.trim() && !one.getAttribute('aria-label')
            && !(one.labels && one.labels.length)).map(one => one.outerHTML)"""
    )
    assert nameless == []


SPOKEN = """Sunlight is scattered by **air molecules**, and short waves far more than long ones.

1. Blue light has about *half* the wavelength of red light.
2. Scattering grows with the fourth power of frequency.

| colour | nm | scattered |
|--|--|--|
| blue | 450 | 4.4 |
| red | 650 | 1 |

As [A] and [C] say, see [Rayleigh scattering](https://en.wikipedia.org/wiki/Rayleigh_scattering)."""
