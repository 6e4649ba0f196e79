"""What a session would have cost elsewhere: by the table that is at hand when it is looked at."""

from datetime import date
from pathlib import Path

import pytest

from actors.chairman import ChairmanActor
from actors.council.telling.cost import amount, cloud_cost
from actors.council.telling.export import markdown
from actors.messages.configs import OrchestratorConfig
from actors.messages.prices import CloudPrice, PriceTable
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import CouncilSession, SessionTokenUsage, StageTokenUsage
from actors.orchestrator import CouncilOrchestrator
from tests.scripted import ScriptedPool

SMALL = CloudPrice(name="small", input=0.5, output=2)
LARGE = CloudPrice(name="large", input=5, output=20)


def table(*models: CloudPrice) -> PriceTable:
    return PriceTable(as_of=date(2026, 8, 1), currency="EUR", source="a list", models=models)


def stage(name: str, prompt: int, completion: int) -> StageTokenUsage:
    return StageTokenUsage(
        stage=name,
        total_prompt_tokens=prompt,
        total_completion_tokens=completion,
        total_tokens=prompt + completion,
        by_model={},
    )


def the_requirements_table() -> SessionTokenUsage:
    """500 + 1,887 + 853 = 3,240 tokens."""
    return SessionTokenUsage(
        stage1_opinions=stage("opinions", 244, 256),
        stage2_review=stage("review", 1293, 594),
        stage3_synthesis=stage("synthesis", 501, 352),
        total_prompt_tokens=2038,
        total_completion_tokens=1202,
        total_tokens=3240,
    )


def test_what_is_read_and_what_is_written_have_a_price_each() -> None:
    small, large = cloud_cost(the_requirements_table(), table(SMALL, LARGE)).models
    assert small.by_stage == {"opinions": 0.000634, "review": 0.0018345, "synthesis": 0.0009545}
    assert small.total == pytest.approx(sum(small.by_stage.values())) == 0.003423
    assert large.total == 0.03423
    assert (large.input_per_million, large.output_per_million) == (5, 20)


def test_it_says_that_it_is_an_estimate_and_of_which_day() -> None:
    told = cloud_cost(the_requirements_table(), table(LARGE, SMALL))
    assert (told.as_of, told.currency, told.source) == (date(2026, 8, 1), "EUR", "a list")
    assert told.sentence == (
        "At a cloud provider these tokens would have cost about 0.0034 EUR (small) to "
        "0.034 EUR (large): an estimate, by prices as of 2026-08-01."
    )
    alone = cloud_cost(the_requirements_table(), table(SMALL)).sentence
    assert "about 0.0034 EUR (small): an estimate" in alone


def test_nothing_said_costs_nothing() -> None:
    (only,) = cloud_cost(SessionTokenUsage(), table(LARGE)).models
    assert (only.total, only.by_stage) == (0, {})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00"),
        (0.1, "0.10"),
        (1234.567, "1,234.57"),
        (0.0999, "0.100"),
        (0.0123, "0.012"),
        (0.0000042, "0.0000042"),
        (0.00000000042, "0.000000000"),
    ],
)
def test_a_small_amount_is_written_out(value: float, shown: str) -> None:
    assert amount(value) == shown


async def seen(home: Path, prices: PriceTable | None, session_id: str | None) -> CouncilSession:
    """The session of that id, or a new one at its end, by a council with these prices."""
    config = OrchestratorConfig(store_path=home / "sessions.db", prices=prices)
    orchestrator = CouncilOrchestrator(config, ScriptedPool, ChairmanActor())
    try:
        if session_id is None:
            opened = await orchestrator.open(CouncilRequest(query="Why?"))
            return await orchestrator.wait(opened.session_id)
        return await orchestrator.session(session_id)
    finally:
        await orchestrator.close()


async def test_prices_are_those_of_the_look_and_not_of_the_record(tmp_path: Path) -> None:
    first = await seen(tmp_path, table(SMALL), None)
    assert first.cloud_cost == cloud_cost(first.token_usage, table(SMALL))
    assert first.cloud_cost.models[0].total > 0
    later = await seen(tmp_path, table(LARGE), first.session_id)
    assert later.cloud_cost == cloud_cost(first.token_usage, table(LARGE))
    without = await seen(tmp_path, None, first.session_id)
    assert without == first.model_copy(update={"cloud_cost": None})
    assert "At a cloud provider" in markdown(first) and "what the PCs used" not in markdown(first)
    assert "about 36 J (0.010 Wh), an estimate" in markdown(
        first.model_copy(update={"joules": 36.0})
    )
    assert "At a cloud provider" not in markdown(without)
