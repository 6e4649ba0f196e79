"""What tells a question that comes again from a new one: a key, or a count of tries."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from actors.messages.requests import CouncilRequest, Origin, Try

TRIES_WITHIN = timedelta(minutes=15)
"""Longer than a session takes unless it is told to, and than a client waits before it retries."""


@dataclass(frozen=True)
class Idempotency:
    """A key, and a hash of what it came with. Sessions begun before `since` are not meant."""

    key: str
    body_hash: str
    since: datetime = datetime.min.replace(tzinfo=UTC)

    @classmethod
    def told(
        cls, key: str | None, request: CouncilRequest, origin: Origin, at: datetime
    ) -> "Idempotency | None":
        """What a request says of itself that came `at` that time; its key goes first."""
        if key:
            return cls.of(key, request)
        return cls.of_try(origin.tried, at) if origin.tried else None

    @classmethod
    def of(cls, key: str, request: CouncilRequest) -> "Idempotency":
        """Fields at their default do not count, so a field added later changes no hash."""
        body = request.model_dump_json(exclude_defaults=True)
        return cls(key, hashlib.sha256(body.encode()).hexdigest())

    @classmethod
    def of_try(cls, tried: Try, at: datetime) -> "Idempotency":
        """A first try is a new question, whatever was asked before; a retry means the session that
        the try before it began. The space keeps it apart from keys, which have none."""
        since = at - TRIES_WITHIN if tried.again else datetime.max.replace(tzinfo=UTC)
        return cls(f"try {tried.mark}", tried.mark, since)
