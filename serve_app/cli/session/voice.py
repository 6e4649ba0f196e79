"""One seat in one stage, as a display shows it: what it has said, and how fast. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

CHARS_PER_TOKEN = 4
"""Roughly, of text whose tokens nobody has counted yet."""
SURE_AFTER_S = 1.0
"""How long must have been listened before a speed is told."""


@dataclass(frozen=True)
class Voice:
    """`state`: waiting, asked, thinking, speaking, done, absent, stopped. `detail`: why it is
    absent; `again`: why it was asked again. `cached` = nobody was asked; `saved`: the tokens that
    this saved. `speed` in tokens/s, of its last call, counted once it is done. `since`: when its
    text began to come, and how many characters were there already."""

    name: str
    model: str
    node: str = ""
    text: str = ""
    state: str = "waiting"
    detail: str = ""
    again: str = ""
    cached: bool = False
    saved: int = 0
    tokens: int = 0
    speed: float = 0.0
    truncated: bool = False
    since: tuple[float, int] | None = None


def said(voice: Voice, event: Mapping[str, Any], now: float) -> Voice:
    """A delta goes to its offset: after a reconnection the text so far comes again, in one.
    `now` in seconds."""
    if event.get("thinking"):
        return voice if voice.text else replace(voice, state="thinking")
    text = voice.text[: int(event["offset"])] + str(event["text"])
    began, before = voice.since if voice.text and voice.since else (now, len(text))
    heard_s = now - began
    tokens = max(0, len(text) - before) / CHARS_PER_TOKEN
    speed = tokens / heard_s if heard_s > SURE_AFTER_S else 0.0
    return replace(voice, text=text, state="speaking", speed=speed, since=(began, before))


def asked(voice: Voice, event: Mapping[str, Any]) -> Voice:
    """Its call was sent, perhaps once more."""
    again = ""
    if (attempt := event.get("attempt", 1)) > 1:
        why = (event.get("former") or {}).get("detail", "")
        again = f"attempt {attempt}" + (f": {why}" if why else "")
    return replace(
        voice, state="asked", node=str(event["node"]), again=again, text="", speed=0.0, since=None
    )


def answered(voice: Voice, event: Mapping[str, Any], text: str) -> Voice:
    """The answer is there, with the figures of its call; a judge may give several, one by one."""
    usage, ms = event.get("usage") or {}, (event.get("timing") or {}).get("generate_ms", 0)
    return replace(
        voice,
        text=text,
        state="done",
        node=str(event.get("node", "")) or voice.node,
        detail="",
        cached=bool(event.get("cached")),
        saved=voice.saved + (event.get("saved") or {}).get("total_tokens", 0),
        tokens=voice.tokens + usage.get("total_tokens", 0),
        speed=usage.get("completion_tokens", 0) * 1000 / ms if ms > 0 else 0.0,
        truncated=bool(event.get("truncated")),
    )
