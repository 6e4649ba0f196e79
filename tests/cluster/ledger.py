"""Whose each model call was: the chats that fake Ollamas were asked, by (inquiry, stage, seat).

Reads the marks that `clients.py` puts into its questions, and the prompts' own words. Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

Step = tuple[int, str, str]
"""(inquiry's number, stage, who); who = `agent_n` by the seed that its seat was given, or the
chairman; behind a judge of the guard, which order it saw. A review is two chats: `review`, its
critique, and `ballot`, which is asked right after it and never without it."""
_INQUIRY = re.compile(r"inquiry-(\d+)\)")


@dataclass(frozen=True)
class Chat:
    """A call as the fake saw it. `at` = monotonic seconds, the same on all simulated PCs."""

    at: float
    model: str
    pc: str
    finished: bool


def step(asked: dict[str, Any]) -> Step | None:
    """None for a chat that belongs to no inquiry."""
    messages = [message["content"] for message in asked["messages"]]
    text = "\n".join(messages)
    inquiry = _INQUIRY.search(text)
    if inquiry is None:
        return None
    number, who = int(inquiry[1]), f"agent_{asked['options'].get('seed', '')}"
    wanted = asked.get("format")
    if wanted and "better" in wanted["properties"]:
        return number, "guard", f"{who} {crc32(messages[-1].encode()):x}"
    if wanted:
        return number, "ballot", who
    if "you are the chairman" in messages[-1]:
        return number, "synthesis", "chairman"
    return number, "review" if "Give no scores yet" in messages[-1] else "opinions", who


def ledger(pcs: Iterable[tuple[str, Iterable[dict[str, Any]]]]) -> dict[Step, list[Chat]]:
    """The chats of each step in their order, from what each PC's fake was asked."""
    found: dict[Step, list[Chat]] = defaultdict(list)
    for pc, chats in pcs:
        for told in chats:
            asked = told["json"]
            if whose := step(asked):
                found[whose].append(Chat(told["at"], asked["model"], pc, told["finished"]))
    return {s: sorted(chats, key=lambda chat: chat.at) for s, chats in found.items()}
