"""What models, and whoever asks, may write to run something in the reader's browser: it is text.

The browser is told to set the page's policy aside, so that what is seen is not the policy's doing.
"""

import json
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import expect

from tests.browser.visitor import Visit, Visiting
from tests.browser.watched_council import MODELS, complete, council, is_chat
from tests.fakes import FakeOllama, texts
from tests.fakes.http import Exchange
from tests.fakes.replies import Answer
from tests.local_council import stage_of
from tests.payloads import PAYLOADS

RUNS = "<img src=x onerror=alert(1)>"
FORBIDDEN = ", ".join(
    f"main {tag}"
    for tag in (
        *("script", "iframe", "style", "img", "meta", "object", "embed", "link", "base", "video"),
        *("form:not([role], .go-on)", "textarea:not(#next)"),
        *("audio", "template", "math", "dialog", "[style]"),
        *(".text svg", ".text [id]", ".text [class]", ".text [onclick]", "[onload]", "[onerror]"),
    )
)
SHARES = [PAYLOADS[at::5] for at in range(5)]
"""For three opinions, the critiques, and the synthesis."""


def share(stage: str, model: str) -> list[str]:
    return SHARES[{"review": 3, "synthesis": 4}.get(stage, MODELS.index(model))]


async def hostile(fake: FakeOllama, exchange: Exchange) -> None:
    """Says its payloads wherever a model may say something."""
    asked = exchange.request
    text = "\n\n".join(share(stage_of(asked), asked.model))
    if wanted := asked.json.get("format"):
        ballot = texts.instance(wanted, lambda label: 7)
        for vote in ballot.get("rankings", ()):
            vote["reasoning"] = RUNS
        text = json.dumps(ballot)
    await fake.chat(exchange, Answer(text=text, prompt_tokens=100, completion_tokens=9))


async def has_nothing_that_runs(visitor: Visit) -> None:
    page = visitor.page
    found = page.locator(FORBIDDEN)
    assert await found.count() == 0, await found.first.evaluate("one => one.outerHTML")
    addresses = await page.locator("main .text a").evaluate_all(
        "all => all.map(one => [one.getAttribute('href'), one.rel, one.target])"
    )
    for address, rel, target in addresses:
        if address is not None:
            assert address.startswith(("https://", "http://"))
            assert (rel, target) == ("noopener noreferrer nofollow", "_blank")


async def test_row_42_200_payloads_are_inert_wherever_a_model_or_a_reader_can_put_them(
    tmp_path: Path, visit: Visiting
) -> None:
    assert len(PAYLOADS) >= 200
    seats = [{"model": m, "name": f"{RUNS} {m[0]}", "system": f"{RUNS} be {m}"} for m in MODELS]
    asked = {"query": "\n".join(SHARES[0]).replace("\x00", ""), "selected_agents": seats}
    async with (
        council(tmp_path, (is_chat, hostile)) as base,
        visit(base, bypass_csp=True) as visitor,
    ):
        page = visitor.page
        opened = await page.request.post(f"{base}/api/council/sessions", data=asked)
        assert opened.status == 202, await opened.text()
        session_id = (await opened.json())["session_id"]
        await visitor.go(f"session/{session_id}")
        await complete(visitor)
        await expect(page.locator("section.answer .text a").first).to_be_visible()
        await has_nothing_that_runs(visitor)
        session = await (await page.request.get(f"{base}/api/council/sessions/{session_id}")).json()
        told = json.dumps(session)
        assert not [one for one in PAYLOADS if json.dumps(one.strip())[1:-1] not in told]
        stage_of_bar = page.locator("svg.waterfall g:not(.axis) > text").first
        await expect(stage_of_bar).to_contain_text("… · Opinions")  # however long the name
        await page.locator("table.matrix button.score").first.focus()
        await expect(page.locator("p.why")).to_contain_text(RUNS)
        await visitor.go("history")
        await expect(page.locator("ul.sessions a")).to_contain_text("alert(1)")
        await has_nothing_that_runs(visitor)


async def test_row_42_the_page_lets_nothing_through_even_if_the_service_should(
    tmp_path: Path, visit: Visiting
) -> None:
    """Each payload by itself, as HTML that nobody cleaned."""
    async with council(tmp_path) as base, visit(base, bypass_csp=True) as visitor:
        await visitor.page.locator("#add-seat").wait_for()
        await visitor.page.evaluate(
            """async (payloads) => {
                const { showHtml } = await import("/web/markdown.js");
                document.querySelector("main").replaceChildren(...payloads.map((payload) => {
                    const text = document.createElement("div");
                    text.className = "text";
                    showHtml(text, payload);
                    return text;
                }));
            }""",
            PAYLOADS,
        )
        await expect(visitor.page.locator("main .text")).to_have_count(len(PAYLOADS))
        await has_nothing_that_runs(visitor)


async def test_what_ran_would_be_seen(tmp_path: Path, visit: Visiting) -> None:
    async with council(tmp_path) as base, visit(base, bypass_csp=True) as visitor:
        await visitor.page.locator("#add-seat").wait_for()
        async with visitor.page.expect_event("dialog"):
            await visitor.page.evaluate(
                "html => { document.querySelector('main').innerHTML = html; }", RUNS
            )
        assert "dialog: 1" in visitor.wrong
        with pytest.raises(AssertionError, match="<img"):
            await has_nothing_that_runs(visitor)
        visitor.wrong.clear()
