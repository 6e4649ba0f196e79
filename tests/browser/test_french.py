"""The page in French, also where the service speaks: by its codes, or else in English."""

from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import expect

from tests.browser.visitor import Visiting
from tests.browser.watched_council import QUESTION, council, saying
from tests.fakes.replies import Answer, body, silence


async def test_it_speaks_french_and_can_be_told_to_speak_english(
    tmp_path: Path, visit: Visiting
) -> None:
    async with council(tmp_path) as base, visit(base, locale="fr-FR") as visitor:
        page = visitor.page
        await expect(page.locator("#ask")).to_have_text("Demander au conseil")
        await page.locator("#question").fill("Pourquoi ?")
        await page.locator("#language").select_option("en")
        await expect(page.locator("#ask")).to_have_text("Ask the council")
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await expect(page.locator("#question")).to_have_value("Pourquoi ?")


OLD_AND_NEW = """async () => {
  const { noticeText, problemText, rejectionText } = await import("/web/codes.js");
  const heard = { absences: [], seats: new Map() };
  const notice = { code: "context_trimmed", detail: "The answers A were …", agent_id: null };
  const waits = { ...notice, code: "waiting_for_pc", values: ["1", "2", "gamma:1b"] };
  return [
    rejectionText(undefined, "Response A: no score"),
    noticeText(heard, notice),
    noticeText(heard, waits),
    problemText({ code: "queue_full", detail: "…", retry_after_s: 41.2 }),
  ];
}"""
"""What was stored before rejections had codes, and notices values; and what has them."""


async def test_what_the_service_says_is_told_in_french_and_a_draft_is_not_called_the_answer(
    tmp_path: Path, visit: Visiting
) -> None:
    scripts = (
        (saying("opinions", model="gamma"), body(500)),
        (saying("review", "ballot", model="beta"), Answer(text="I like them all.")),
        (saying("synthesis"), Answer(text="It scatters.")),
        (saying("guard"), silence("Half a thought")),
    )
    old = {"version": "0.9.6"}
    async with council(tmp_path, *scripts, **old) as base, visit(base, locale="fr-FR") as visitor:
        visitor.expected = ("422",)
        page = visitor.page
        await page.locator("#add-seat").click()
        await page.get_by_label("Température").fill("7")
        await page.locator("#ask").click()
        await expect(page.locator("fieldset.seat .wrong")).to_have_text("Température : Au plus 5.")
        await page.get_by_role("button", name="Retirer le siège 1").click()
        await page.locator("#question").fill("x" * 40_000)
        await page.locator("#ask").click()
        await expect(page.locator("#question-wrong")).to_have_text(
            "La question est trop longue : au plus 32 000 caractères."
        )
        await expect(page.locator("article.pc")).to_contain_text("0.9.6 est antérieur à 0.17.1")
        await visitor.question(QUESTION)
        answer = page.locator("section.answer")
        await expect(answer).to_contain_text("La garde le compare au meilleur avis …")
        await page.locator("#stop").click()
        await expect(page.locator("p.stage")).to_have_text(
            "Terminé sans réponse : la session a été arrêtée."
        )
        assert "\u00a0:" in (await page.locator("p.stage").text_content() or ""), (
            "it may break there"
        )
        await expect(page.locator("ol.steps .broken")).to_have_text("Garde")
        await expect(answer.locator("h2")).to_have_text("Ébauche de la synthèse")
        await expect(page.locator("section.notes li")).to_have_text(
            [
                "Expert_Gamma était absent (Avis) : autre chose qu’Ollama répond là",
                "Expert_Beta : son bulletin n’a pas pu être lu et ne compte pas.",
            ]
        )
        await page.locator("tr", has_text="Expert_Beta").locator("button.score.none").first.focus()
        await expect(page.locator("p.why")).to_have_text(
            "Expert_Beta n’a pas de vote pour Expert_Alpha : "
            "il n’y a pas de bulletin dans l’évaluation"
        )
        assert await page.evaluate(OLD_AND_NEW) == [
            "Response A: no score",
            "Les réponses ont été raccourcies en leur milieu pour tenir dans le contexte du "
            "modèle\u00a0; augmentez COUNCIL_NUM_CTX pour l’éviter.",
            "1 avis sur 2 sont là. Un PC qui a gamma:1b a quitté la grappe\u00a0; le conseil "
            "l’attend jusqu’à l’échéance.",
            "Trop de questions attendent\u00a0; réessayez dans 42 s.",
        ]
        await expect(page.locator("section.places p")).to_contain_text("est en tête par sa note")
        await visitor.go("constructor")
        await expect(page.locator("h1")).to_have_text("Il n’y a rien ici.")
        assert await page.title() == "Il n’y a rien ici. – Conseil de LLM"
