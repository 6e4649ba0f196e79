"""Sessions as resources: the newest ones listed, each one's minutes at its URI."""

from datetime import datetime

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)
from pydantic import TypeAdapter, ValidationError

from actors.council.telling.export import markdown
from actors.errors import SessionNotFound
from actors.messages.requests import SessionName
from actors.messages.sessions import SessionSummary
from serve_app.mcp.caller import Caller
from serve_app.mcp.results import SCHEME, shortened

PAGE = 50
MARKDOWN = "text/markdown"
NAMED = 80
"""Characters of a question that name its session."""
TEMPLATE = ResourceTemplate(
    uri_template=SCHEME + "{session_id}",
    name="session",
    title="A session's minutes",
    description="Question, answer, ranking, opinions, reviews, tokens and times, as Markdown.",
    mime_type=MARKDOWN,
)
_NAME: TypeAdapter[str] = TypeAdapter(SessionName)


async def listed(caller: Caller, cursor: str | None) -> ListResourcesResult:
    """A page of sessions, newest first. Raises `MCPError` for a cursor that is none of ours."""
    sessions = await caller.council.sessions(PAGE, _before(cursor), None)
    more = sessions[-1].created_at.isoformat() if len(sessions) == PAGE else None
    return ListResourcesResult(resources=[*map(_resource, sessions)], next_cursor=more)


def templates() -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=[TEMPLATE])


async def read(caller: Caller, uri: str) -> ReadResourceResult:
    """Raises `MCPError` where there is no such session, else what the council raises."""
    try:
        name = _NAME.validate_python(uri.removeprefix(SCHEME) if uri.startswith(SCHEME) else "")
        minutes = markdown(await caller.council.session(name))
    except (ValidationError, SessionNotFound):
        raise MCPError(INVALID_PARAMS, "There is no session at that URI.", {"uri": uri}) from None
    content = TextResourceContents(uri=uri, mime_type=MARKDOWN, text=minutes)
    return ReadResourceResult(contents=[content])


def _resource(session: SessionSummary) -> Resource:
    return Resource(
        uri=SCHEME + session.session_id,
        name=shortened(session.query, NAMED),
        description=f"{session.created_at:%Y-%m-%d %H:%M} UTC, {session.stage}",
        mime_type=MARKDOWN,
    )


def _before(cursor: str | None) -> datetime | None:
    if cursor is None:
        return None
    try:
        before = datetime.fromisoformat(cursor)
    except ValueError:
        before = None
    if before is None or before.tzinfo is None:
        raise MCPError(INVALID_PARAMS, "That cursor is none of this list's.")
    return before
