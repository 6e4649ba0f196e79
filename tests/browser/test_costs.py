"""What a session cost, as a reader sees it: at a cloud provider, in joules, and what was saved."""

import re
from datetime import date
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import expect

from actors.messages.prices import CloudPrice, PriceTable
from tests.browser.visitor import Visiting
from tests.browser.watched_council import MODELS, QUESTION, complete, council
from tests.fakes import FakeOllama
from tests.http_council import served
from tests.power import zone

PRICES = PriceTable(
    as_of=date(2026, 8, 1),
    models=(
        CloudPrice(name="large", input=500, output=500),
        CloudPrice(name="small", input=0.1, output=0.1),
    ),
)


async def test_what_it_would_have_cost_and_what_the_pcs_used_is_said(
    tmp_path: Path, visit: Visiting
) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    told = council(tmp_path, config={"prices": PRICES}, powercap=tmp_path, latency_s=0.05)
    async with told as base, visit(base) as visitor:
        await visitor.question(QUESTION)
        await complete(visitor)
        costs = visitor.page.locator("section.costs")
        await expect(costs).to_contain_text(
            re.compile(
                r"would have cost about US\$0\.0\d+ \(small\) to US\$\d+\.\d\d \(large\)\. "
                r"An estimate, by a table of prices as of 1 Aug 2026"
            )
        )
        await expect(costs).to_contain_text("Its share of what the PCs used: about 0 J")


async def test_an_opinion_from_the_cache_is_marked_and_so_is_the_answer(
    tmp_path: Path, visit: Visiting
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
            await complete(visitor)
            facts = visitor.page.locator("article.seat-card").first
            await expect(facts).to_contain_text(f"from the cache, {saved} tokens saved")
            await expect(visitor.page.locator("section.answer")).to_contain_text("From the cache.")
    assert len(fake.chats) == 2
