"""The statements that a session's rows are written and read with. Each is for one transaction.

Knows the tables and nothing of threads. Whatever can be refused is refused before the first write.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from actors.errors import (
    IdempotencyKeyReused,
    SessionFinished,
    SessionNotFound,
    SessionRunning,
)
from actors.messages.events import STORED_EVENT, SessionStarted, StoredEvent
from actors.store.idempotency import Idempotency

_INSERT = "INSERT INTO events (session_id, seq, kind, at, body) VALUES (?, ?, ?, ?, ?)"
_NEWEST = """
SELECT session_id, (SELECT max(seq) FROM events WHERE events.session_id = sessions.session_id)
FROM sessions
WHERE created_at < :before AND (:q = '' OR EXISTS (
    SELECT 1 FROM events
    WHERE events.session_id = sessions.session_id AND (
        kind IN ('opinion', 'final_answer') AND holds(json_extract(body, '$.content'), :q)
        OR kind = 'session_started' AND holds(json_extract(body, '$.request.query'), :q))))
ORDER BY created_at DESC, session_id DESC LIMIT :limit
"""


@dataclass(frozen=True)
class Created:
    """`existing`: the key and body were seen before, and this is the session they began."""

    session_id: str
    existing: bool


def create(
    db: sqlite3.Connection, started: SessionStarted, idempotency: Idempotency | None
) -> Created:
    if idempotency and (existing := find(db, idempotency)):
        return Created(existing, existing=True)
    key, body_hash = (idempotency.key, idempotency.body_hash) if idempotency else (None, None)
    session_id = started.session_id
    if db.execute("SELECT 1 FROM sessions WHERE session_id = ?", (session_id,)).fetchone():
        raise ValueError("a session with that id is stored already")
    first = _row(session_id, 1, started)
    db.execute("UPDATE sessions SET idempotency_key = NULL WHERE idempotency_key = ?", (key,))
    db.execute(
        "INSERT INTO sessions VALUES (?, ?, 0, ?, ?)",
        (session_id, _text(started.at), key, body_hash),
    )
    db.execute(_INSERT, first[1])
    return Created(session_id, existing=False)


def find(db: sqlite3.Connection, idempotency: Idempotency) -> str | None:
    query = """SELECT session_id, body_hash FROM sessions
        WHERE idempotency_key = ? AND created_at >= ?"""
    seen = db.execute(query, (idempotency.key, _text(idempotency.since))).fetchone()
    if seen is not None and seen[1] != idempotency.body_hash:
        raise IdempotencyKeyReused("That Idempotency-Key came with another body before.")
    return seen[0] if seen else None


def append(
    db: sqlite3.Connection, session_id: str, new: Sequence[StoredEvent]
) -> list[StoredEvent]:
    if _is_closed(db, session_id):
        raise SessionFinished("The session has ended; nothing can be added to it.")
    query = "SELECT max(seq) FROM events WHERE session_id = ?"
    (last,) = db.execute(query, (session_id,)).fetchone()
    rows = [_row(session_id, last + n, event) for n, event in enumerate(new, 1)]
    if any(event.kind == "session_closed" for event in new[:-1]):
        raise ValueError("an event after session_closed")
    db.executemany(_INSERT, [row for _, row in rows])
    if new and new[-1].kind == "session_closed":
        db.execute("UPDATE sessions SET closed = 1 WHERE session_id = ?", (session_id,))
    return [event for event, _ in rows]


def delete(db: sqlite3.Connection, session_id: str) -> None:
    if not _is_closed(db, session_id):
        raise SessionRunning("The session is still running; cancel it first.")
    db.execute("DELETE FROM events WHERE session_id = ?", (session_id,))
    db.execute("DELETE FROM sessions WHERE session_id = ?", (session_id,))


def events(db: sqlite3.Connection, session_id: str, after: int) -> list[StoredEvent]:
    query = "SELECT body FROM events WHERE session_id = ? AND seq > ? ORDER BY seq"
    rows = db.execute(query, (session_id, after)).fetchall()
    if not rows:
        _is_closed(db, session_id)
    return [STORED_EVENT.validate_json(body) for (body,) in rows]


def read_only(db: sqlite3.Connection) -> None:
    """Makes `db` a reader that knows the function `newest` searches with."""
    db.execute("PRAGMA query_only = ON")
    db.create_function("holds", 2, _holds, deterministic=True)


def newest(
    db: sqlite3.Connection, limit: int, before: datetime | None, q: str | None
) -> list[tuple[str, int]]:
    """Session ids with their last `seq`, newest first."""
    bound = _text(before) if before else "~"
    values = {"before": bound, "q": (q or "").casefold(), "limit": limit}
    return db.execute(_NEWEST, values).fetchall()


def open_sessions(db: sqlite3.Connection) -> list[str]:
    query = "SELECT session_id FROM sessions WHERE closed = 0 ORDER BY created_at, session_id"
    return [session_id for (session_id,) in db.execute(query)]


def touch(db: sqlite3.Connection, now: datetime) -> None:
    """A write that changes nothing of a session."""
    db.execute("UPDATE health SET checked_at = ?", (_text(now),))


def _is_closed(db: sqlite3.Connection, session_id: str) -> bool:
    query = "SELECT closed FROM sessions WHERE session_id = ?"
    if (row := db.execute(query, (session_id,)).fetchone()) is None:
        raise SessionNotFound("There is no session with that id.")
    return bool(row[0])


def _row(
    session_id: str, seq: int, event: StoredEvent
) -> tuple[StoredEvent, tuple[str, int, str, str, str]]:
    """The event with its number, and as it is stored. Raises if the event cannot be JSON."""
    if event.session_id != session_id:
        raise ValueError("an event of another session")
    numbered = event.model_copy(update={"seq": seq})
    row = (session_id, seq, event.kind, _text(event.at), numbered.model_dump_json())
    return numbered, row


def _holds(text: str | None, folded: str) -> bool:
    """`LIKE` knows upper and lower case of ASCII only."""
    return text is not None and folded in text.casefold()


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
