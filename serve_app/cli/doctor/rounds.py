"""All checks in order, shown line by line as they are made or as JSON at the end."""

import json
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
    """One line."""
    line = Text(f"{finding.state:<9}", style=STYLES[finding.state])
    line.append(f"{finding.about:<12}", style="bold" if finding.state == "fault" else "")
    line.append(printable(" ".join(finding.says.split())), style="")
    if finding.mend:
        line.append(f"  → {printable(finding.mend)}", style="cyan")
    out.print(line, soft_wrap=True)
