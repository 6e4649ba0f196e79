"""What the meters of one process say at a moment, on its way to whoever shows them."""

from typing import Literal

from actors.messages.message import Message

Sample = tuple[str, dict[str, str], float]
"""Name as Prometheus wants it (with `_bucket`, `_sum`, …), labels, value."""


class MeterReading(Message):
    """One meter with all of its labels. `name` without `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[Sample, ...]
