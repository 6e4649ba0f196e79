"""Whose each model call was: the chats that fake Ollamas were asked, by (inquiry, stage, seat).

Reads the marks that `clients.py` puts into its questions, and the prompts' own words. Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Step = tuple[int, str, str]
"""(inquiry's number, stage, who); who = `seat_n`, a reviewer's own label, or the chairman."""
_INQUIRY = re.compile(r"inquiry-(\d+)\)")
_SEAT = re.compile(r"seat_\d+")
_OWN = re.compile(r"Do not judge Response (\w)\.")


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
    number = int(inquiry[1])
    if asked.get("format"):
        own = _OWN.search(messages[-1])
        return number, "review", own[1] if own else ""
    if "you are the chairman" in messages[-1]:
        return number, "synthesis", "chairman"
    seat = _SEAT.search(text)
    return number, "opinions", seat[0] if seat else ""


def ledger(pcs: Iterable[tuple[str, Iterable[dict[str, Any]]]]) -> dict[Step, list[Chat]]:
    """The chats of each step in their order, from what each PC's fake was asked."""
    found: dict[Step, list[Chat]] = defaultdict(list)
    for pc, chats in pcs:
        for told in chats:
            asked = told["json"]
            if whose := step(asked):
                found[whose].append(Chat(told["at"], asked["model"], pc, told["finished"]))
    return {s: sorted(chats, key=lambda chat: chat.at) for s, chats in found.items()}
