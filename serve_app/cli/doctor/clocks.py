"""Checks of the clocks: this PC's and each other PC's against PC1's. Knows no network."""

from collections.abc import Iterator, Sequence
from typing import Any

from serve_app.cli.doctor.finding import Finding, ok, warning
from serve_app.cli.terminal import printable

SKEW_S = 5.0
MEND = "timedatectl set-ntp true"


def skew(ahead_s: float) -> Finding:
    """PC1's clock against this PC's."""
    if abs(ahead_s) <= SKEW_S:
        return ok("clock", "PC1 and this PC tell the same time")
    says = f"PC1's clock is {_apart(ahead_s)} this PC's; deadlines do not mind, people do"
    return warning("clock", says, MEND)


def of_pcs(nodes: Sequence[Any]) -> Iterator[Finding]:
    """As `/health/system` tells: one finding for each that surely differs, one for all others."""
    told = [(printable(str(n["name"])), n["clock"]) for n in nodes if n.get("clock")]
    wrong = [(name, c["ahead_s"]) for name, c in told if abs(c["ahead_s"]) - c["bound_s"] > SKEW_S]
    for name, ahead_s in wrong:
        says = f"its clock is {_apart(ahead_s)} PC1's: times in its logs do not fit the sessions'"
        yield warning(name, says, f"There: {MEND}")
    if told and not wrong:
        sure_s = max(abs(c["ahead_s"]) + c["bound_s"] for _, c in told)
        yield ok("clock", f"all PCs tell PC1's time, to within {max(0.1, sure_s):.1f} s")
    if silent := [printable(str(n["name"])) for n in nodes if not n.get("clock")]:
        yield ok("clock", f"not known yet of {', '.join(silent)}")


def _apart(ahead_s: float) -> str:
    return f"{abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'}"
