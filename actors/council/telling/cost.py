"""What a session cost: its tokens at a cloud provider, by a table of prices; energy in words.

An estimate: a cloud model counts other tokens in the same text and writes a text of another length,
and providers give a discount for a prompt that begins as the last one did.
"""

from math import floor, log10

from actors.messages.prices import CloudCost, CloudPrice, ModelCost, PriceTable
from actors.messages.sessions import SessionTokenUsage, StageTokenUsage

MILLION = 1_000_000
WATT_HOUR = 3600
"""In joules."""
DIGITS = 9
"""Decimals that are told: a token of a small model costs less than a millionth."""


def cloud_cost(usage: SessionTokenUsage, table: PriceTable) -> CloudCost:
    """By each entry of the table, in its order."""
    models = tuple(_at(price, usage) for price in table.models)
    return CloudCost(
        as_of=table.as_of,
        currency=table.currency,
        source=table.source,
        models=models,
        sentence=_sentence(models, table),
    )


def amount(value: float) -> str:
    """As people read it: two decimals, or as many as it takes for two digits that are not 0."""
    decimals = 2 if value <= 0 or value >= 0.1 else 1 - floor(log10(value))
    return f"{value:,.{min(DIGITS, decimals)}f}"


def energy(joules: float) -> str:
    """In a sentence."""
    told = f"{joules:,.0f} J ({amount(joules / WATT_HOUR)} Wh)"
    return f"Its share of what the PCs used: about {told}, an estimate."


def _at(price: CloudPrice, usage: SessionTokenUsage) -> ModelCost:
    stages = (
        usage.stage1_opinions,
        usage.stage2_review,
        usage.revision,
        usage.stage3_synthesis,
        usage.guard,
    )
    return ModelCost(
        name=price.name,
        input_per_million=price.input,
        output_per_million=price.output,
        by_stage={stage.stage: _cost(price, stage) for stage in stages if stage},
        total=_cost(price, usage),
    )


def _cost(price: CloudPrice, tokens: SessionTokenUsage | StageTokenUsage) -> float:
    read, written = tokens.total_prompt_tokens, tokens.total_completion_tokens
    return round((read * price.input + written * price.output) / MILLION, DIGITS)


def _sentence(models: tuple[ModelCost, ...], table: PriceTable) -> str:
    ordered = sorted(models, key=lambda model: model.total)
    ends = ordered if len(ordered) < 2 else [ordered[0], ordered[-1]]
    range_told = " to ".join(f"{amount(m.total)} {table.currency} ({m.name})" for m in ends)
    return (
        f"At a cloud provider these tokens would have cost about {range_told}: "
        f"an estimate, by prices as of {table.as_of.isoformat()}."
    )
