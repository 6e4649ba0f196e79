"""A span of a trace as a plain value. Knows nothing of sessions, nor of how spans are sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

Attributes = Mapping[str, str | int | float | bool | tuple[str, ...]]


@dataclass(frozen=True)
class Mark:
    """Something that happened within a span."""

    name: str
    at: datetime
    attributes: Attributes


@dataclass(frozen=True)
class Span:
    """`error` = a code, None where nothing failed. `links` = ids of spans that this one repeats."""

    span_id: str
    parent_id: str | None
    name: str
    start: datetime
    end: datetime
    attributes: Attributes
    kind: Literal["internal", "client", "server"] = "internal"
    error: str | None = None
    marks: tuple[Mark, ...] = ()
    links: tuple[str, ...] = ()


def around(span: Span, within: Sequence[Span]) -> Span:
    """As long as all that lies in it, even where a clock was set meanwhile."""
    return replace(
        span,
        start=min(span.start, *(one.start for one in within)) if within else span.start,
        end=max(span.start, span.end, *(one.end for one in within)),
    )
