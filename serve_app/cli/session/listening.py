"""A session's events over HTTP: reads server-sent events, comes back where the stream broke."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import httpx

from serve_app.cli.client import Client, refused, unreachable

PATIENCE_S = 90.0
"""How long a lost council is waited for: its head may be starting again."""
SILENCE_S = 45.0
"""The server sends a comment every 10 s; longer silence is a dead link."""
BEAT = {"kind": "beat"}
"""Stands for a comment: there is nothing to tell, and the council is there."""


def listen(client: Client, session_id: str, patience_s: float = PATIENCE_S) -> Iterator[Any]:
    """Events until the closing one, and beats. Raises `Stop` when the council stays away."""
    last_seq, lost_at = 0, None
    while True:
        try:
            for event in _stream(client, session_id, last_seq):
                lost_at = None
                if "_delta" not in str(event.get("kind")):
                    last_seq = max(last_seq, int(event.get("seq", 0)))
                yield event
                if event.get("kind") == "session_closed":
                    return
            reason = None
        except httpx.TransportError as error:
            reason = error
        now = time.monotonic()
        lost_at = lost_at or now
        if now - lost_at > patience_s:
            raise unreachable(client.base_url, reason or httpx.ReadError("the stream ends early"))
        time.sleep(1.0)


def paced(events: Iterable[Any], every_s: float) -> Iterator[Any]:
    """The events as they come, and a beat every `every_s` seconds, however many come."""
    come: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_read, args=(events, come), daemon=True).start()
    due = time.monotonic() + every_s
    while True:
        with suppress(Empty):
            event = come.get(timeout=max(0.0, due - time.monotonic()))
            if isinstance(event, Exception):
                raise event
            if event is None:
                return
            yield event
        if time.monotonic() >= due:
            due = time.monotonic() + every_s
            yield BEAT


def _read(events: Iterable[Any], come: SimpleQueue[Any]) -> None:
    """In a thread of its own, since it waits as long as nothing comes. None = the end."""
    try:
        for event in events:
            come.put(event)
        come.put(None)
    except Exception as error:
        come.put(error)


def events_of(lines: Iterable[str]) -> Iterator[Any]:
    """The JSON of each server-sent event, a beat for each comment."""
    frames = Frames()
    for line in lines:
        if line.startswith(":"):
            yield BEAT
        elif (event := frames.taken(line)) is not None:
            yield event


class Frames:
    """Server-sent events, line by line; comments and unknown fields are passed over."""

    def __init__(self) -> None:
        self._data: list[str] = []

    def taken(self, line: str) -> Any | None:
        """The JSON of the event that this line ends."""
        if line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
        elif not line and self._data:
            data, self._data = self._data, []
            return json.loads("\n".join(data))
        return None


def _stream(client: Client, session_id: str, after: int) -> Iterator[Any]:
    headers = {"Last-Event-ID": str(after)} if after else {}
    url = f"{client.base_url}/api/council/sessions/{session_id}/events"
    timeout = httpx.Timeout(SILENCE_S, connect=5)
    with client.http.stream("GET", url, headers=headers, timeout=timeout) as answer:
        if answer.status_code in (502, 503, 504):
            raise httpx.ReadError("not there yet")
        if answer.is_error:
            answer.read()
            raise refused(answer)
        yield from events_of(answer.iter_lines())
