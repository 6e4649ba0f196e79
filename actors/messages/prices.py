"""What cloud models cost: the table that users edit, and what a session would have cost by it."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from actors.messages.message import Message

PerMillion = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False, strict=True)]


class CloudPrice(Message):
    """Of a million tokens that are read (`input`) or written (`output`)."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    input: PerMillion
    output: PerMillion


def _apart(models: Sequence[CloudPrice]) -> Sequence[CloudPrice]:
    if len({model.name for model in models}) < len(models):
        raise ValueError("each model needs a name of its own")
    return models


class PriceTable(Message):
    """`as_of`: the day of these prices; `currency` as ISO 4217 has it; `source`: where they are
    from."""

    as_of: date
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    source: Annotated[str, Field(max_length=500)] = ""
    models: Annotated[
        tuple[CloudPrice, ...], Field(min_length=1, max_length=20), AfterValidator(_apart)
    ]


class ModelCost(Message):
    """What the tokens would have cost at one entry of the table. `by_stage` as the stages are
    called in `token_usage`."""

    name: str
    input_per_million: float
    output_per_million: float
    by_stage: dict[str, float]
    total: float


class CloudCost(Message):
    """An estimate of what the session's tokens so far would have cost at a cloud provider, by the
    table of this council: computed at each look, never kept. Tokens are as our own models count
    them, each prompt at its full price. `sentence`: the cheapest entry and the dearest, in words.
    """

    as_of: date
    currency: str
    source: str
    models: tuple[ModelCost, ...]
    sentence: str
