"""What an answer cost, as the server counts it. Knows no stream and no clock."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from actors.messages.calls import CallTiming, TokenUsage

_NS_PER_MS = 1_000_000


class Cost(NamedTuple):
    """Tokens, and nanoseconds. Adds up over attempts."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_ns: int = 0
    load_ns: int = 0
    prompt_ns: int = 0
    generate_ns: int = 0

    def plus(self, other: "Cost") -> "Cost":
        return Cost(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def usage(self) -> TokenUsage:
        return TokenUsage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            total_tokens=self.prompt_tokens + self.completion_tokens,
        )

    def timing(self, wall_s: float) -> CallTiming:
        """`total_ns` holds load, prompt and generation; what the wall clock adds is the network."""
        wall_ms = round(wall_s * 1000)
        return CallTiming(
            network_ms=max(0, wall_ms - self.total_ns // _NS_PER_MS),
            load_ms=self.load_ns // _NS_PER_MS,
            prompt_ms=self.prompt_ns // _NS_PER_MS,
            generate_ms=self.generate_ns // _NS_PER_MS,
            wall_ms=wall_ms,
            total_ns=self.total_ns,
        )


def cost(last: Mapping[str, Any]) -> Cost:
    """From the stream's last line; what an old version does not tell is 0."""
    return Cost(
        prompt_tokens=_count(last.get("prompt_eval_count")),
        completion_tokens=_count(last.get("eval_count")),
        total_ns=_count(last.get("total_duration")),
        load_ns=_count(last.get("load_duration")),
        prompt_ns=_count(last.get("prompt_eval_duration")),
        generate_ns=_count(last.get("eval_duration")),
    )


def evaluated(last: Mapping[str, Any]) -> int | None:
    """Prompt tokens that the prefix cache did not serve. Ollama tells since 0.33; else None."""
    cached = last.get("prompt_eval_cached_count")
    if cached is None:
        return None
    return max(0, _count(last.get("prompt_eval_count")) - _count(cached))


def _count(value: object) -> int:
    """A count or a duration as the server sent it; what is not one is 0."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63:
        return int(value)
    return 0
