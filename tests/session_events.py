"""The smallest events that a session can be stored with, a summary that counts them, and a file as
the first release left it."""

import sqlite3
from contextlib import closing as closed_after
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from actors.messages.calls import CallTiming, TokenUsage
from actors.messages.events import (
    NoticeGiven,
    OpinionHeard,
    SessionClosed,
    SessionStarted,
    StoredEvent,
)
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import SessionSummary

T0 = datetime(2026, 8, 1, 12, tzinfo=UTC)


def started(query: str = "Why?", minutes: int = 0) -> SessionStarted:
    at = T0 + timedelta(minutes=minutes)
    return SessionStarted(
        session_id=str(uuid4()),
        at=at,
        request=CouncilRequest(query=query),
        seats=(),
        chairman_model="m",
        seed=1,
        deadline_at=at,
    )


def notice(session_id: str, detail: str = "") -> NoticeGiven:
    return NoticeGiven(session_id=session_id, at=T0, code="n", detail=detail)


def opinion(session_id: str, content: str) -> OpinionHeard:
    return OpinionHeard(
        session_id=session_id,
        at=T0,
        agent_id="agent_1",
        model="m",
        usage=TokenUsage(),
        timing=CallTiming(),
        started_at=T0,
        content=content,
    )


def closed(session_id: str) -> SessionClosed:
    return SessionClosed(session_id=session_id, at=T0, outcome="complete")


class Summaries:
    """A summary that tells how many events it was made of (`total_tokens`); counts its calls."""

    calls = 0

    def __call__(self, events: list[StoredEvent]) -> SessionSummary:
        self.calls += 1
        first = events[0]
        assert isinstance(first, SessionStarted)
        return SessionSummary(
            session_id=first.session_id,
            query=first.request.query,
            stage="pending",
            degraded=False,
            created_at=first.at,
            total_tokens=len(events),
            duration_ms=0,
        )


def write_schema_1(path: Path) -> None:
    """Makes `path` as the release 0.1.0 left it, with two open sessions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closed_after(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(Path(__file__).with_name("schema_1.sql").read_text())
