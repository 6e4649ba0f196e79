"""All checks in order, shown line by line as they are made or as JSON at the end."""

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from cluster import run_record
from cluster.settings import Settings
from serve_app.cli.address import address, key
from serve_app.cli.client import Client
from serve_app.cli.doctor import council, home, pc
from serve_app.cli.doctor.finding import Finding, fault
from serve_app.cli.terminal import Stop, out, printable, say

STYLES = {"ok": "green", "warning": "yellow", "fault": "bold red"}


def go(settings: Settings, as_json: bool) -> int:
    """The exit code: 1 if there is a fault."""
    found = []
    for finding in findings(settings):
        found.append(finding)
        if not as_json:
            show(finding)
    faults = sum(finding.state == "fault" for finding in found)
    if as_json:
        say(json.dumps({"ok": not faults, "findings": [asdict(f) for f in found]}, indent=2))
    return 1 if faults else 0


def findings(settings: Settings) -> Iterator[Finding]:
    record = run_record.read(settings.home)
    client = Client(address(settings, record), key(settings))
    why_not = council.why_not(client)
    yield from pc.check(settings, not why_not)
    yield from home.check(settings.home, not why_not)
    if why_not:
        yield council.absent(why_not, record is not None)
        return
    try:
        yield from council.check(client, configured(settings))
    except Stop as stop:
        yield fault("council", *stop.lines[:2])


def configured(settings: Settings) -> tuple[str, ...]:
    """The models that the settings name."""
    return (*settings.models, *filter(None, [settings.chairman_model]))


def show(finding: Finding) -> None:
    for line in lines(finding, out.width if sys.stdout.isatty() else sys.maxsize):
        out.print(line, soft_wrap=True)


def lines(finding: Finding, width: int) -> Iterator[Text]:
    """One line where there is room for it. Else no word is broken, and what mends it begins a line
    of its own, which may be longer: so it can be copied whole."""
    head = Text(f"{finding.state:<9}", style=STYLES[finding.state])
    head.append(f"{finding.about:<12}", style="bold" if finding.state == "fault" else "")
    says = printable(" ".join(finding.says.split()))
    mend = f"→ {printable(finding.mend)}" if finding.mend else ""
    whole = head + Text(says) + Text(mend and f"  {mend}", style="cyan")
    if len(whole) <= width:
        yield whole
        return
    indent = len(head) if width > 3 * len(head) else 2
    first, *more = textwrap.wrap(says, max(20, width - indent), break_on_hyphens=False) or [""]
    if indent == len(head):
        yield head + Text(first)
    else:
        yield from (head, Text(" " * indent + first))
    yield from (Text(" " * indent + line) for line in more)
    if mend:
        yield Text(" " * indent + mend, style="cyan")
