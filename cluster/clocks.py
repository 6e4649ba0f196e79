"""How far another PC's clock is ahead of this one's, from one answer of it. Holds no clock."""

from datetime import datetime

from actors.messages.nodes import ClockReading


def reading(told: datetime, took_s: float, received: datetime, passed_s: float) -> ClockReading:
    """`told`: the other clock when the answer left. `received`: ours when it came, `passed_s` after
    it was asked for, of which the other PC worked `took_s`; the rest was the way there and back.
    How that divides between the two is not known: hence the bound."""
    way_s = max(0.0, passed_s - took_s)
    ahead_s = (told - received).total_seconds() + way_s / 2
    return ClockReading(ahead_s=round(ahead_s, 3), bound_s=round(way_s / 2, 3))
