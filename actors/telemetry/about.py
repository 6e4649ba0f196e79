"""Whom the work at hand is for: the session, the request and the trace that a log line belongs to.

Carried by the context of a task. Work that is for everybody is started in nobody's context, else it
would speak for whoever happened to set it off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, replace

from actors.council.telling.trace_ids import incoming
from actors.messages.calls import GenerateCall, SynthesisBrief
from actors.messages.requests import Origin


@dataclass(frozen=True)
class About:
    session_id: str | None = None
    request_id: str | None = None
    trace_id: str | None = None

    @classmethod
    def request(cls, origin: Origin, session_id: str | None = None) -> "About":
        """Of a request, by where it came from."""
        parent = incoming(origin)
        return cls(session_id, origin.request_id, parent[0] if parent else None)

    @classmethod
    def call(cls, call: GenerateCall | SynthesisBrief) -> "About":
        """Of a call: the first part of the id of a session's call is the session's."""
        session_id, colon, _ = call.call_id.partition(":")
        return cls.request(call.origin, session_id if colon else None)


_NOBODY = About()
_about: ContextVar[About] = ContextVar("about", default=_NOBODY)


def now_about() -> About:
    return _about.get()


@contextmanager
def speaking_of(about: About) -> Iterator[None]:
    """What is logged within, and in tasks that are started within, is about that."""
    token = _about.set(about)
    try:
        yield
    finally:
        _about.reset(token)


def session_is(session_id: str) -> None:
    """From here on the work at hand is for that session: it was opened just now."""
    _about.set(replace(_about.get(), session_id=session_id))


def nobody() -> Context:
    """The context for a task that works for everybody."""
    return Context()
