"""What an open session waits for, looked up between its events: its place in the queue, the models
that PCs load for it. No event tells of these."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from serve_app.cli.client import Client
from serve_app.cli.session.folding import DELTAS, heard
from serve_app.cli.session.hearing import Event, Hearing, begun, somebody_waits
from serve_app.cli.session.listening import BEAT, listen, paced
from serve_app.cli.terminal import Stop

LOOK_S = 1.0


def followed(client: Client, session: dict[str, Any], closely: bool) -> Iterator[Event]:
    """The session's events, and as long as somebody waits, what is waited for: `closely`, looked at
    every second, else in the service's own beat and the queue only."""
    session_id = session["session_id"]
    events = listen(client, session_id)
    yield from _queued(session)
    yield from _attended(client, session_id, paced(events, LOOK_S) if closely else events, closely)


def _attended(
    client: Client, session_id: str, events: Iterable[Event], closely: bool
) -> Iterator[Event]:
    hearing = Hearing()
    for event in events:
        if event != BEAT:
            if event.get("kind") not in DELTAS:
                hearing = heard(hearing, event)
            yield event
        elif somebody_waits(hearing):
            with suppress(Stop):
                if not begun(hearing):
                    yield from _queued(client.get(f"/api/council/sessions/{session_id}"))
                if closely:
                    yield _loading(client.get("/api/cluster/nodes"))


def _queued(session: dict[str, Any]) -> Iterator[Event]:
    """Place 0: it waits in no queue."""
    if "queue" in session:
        yield {"kind": "queued", **(session["queue"] or {"place": 0, "eta_s": 0.0})}


def _loading(cluster: dict[str, Any]) -> Event:
    models = {model for pc in cluster["nodes"] for model in pc["loading"]}
    return {"kind": "loading", "models": sorted(models)}
