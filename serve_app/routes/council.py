"""Questions to the council, and its sessions."""

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from actors.council.telling.export import markdown
from actors.errors import CouncilFailed, SessionFinished
from actors.messages.message import Message
from actors.messages.nodes import ModelCatalogue
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import CouncilSession, SessionSummary
from cluster.council import Council
from serve_app.rendering import html_of
from serve_app.routes.answers import (
    WITH_BODY,
    CouncilAtHand,
    RequestOrigin,
    SessionId,
    json_answer,
    refusals,
)

router = APIRouter(prefix="/api/council", tags=["council"])

FAILURES = {failure.code: failure for failure in CouncilFailed.__subclasses__()}
_DATE = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII | re.IGNORECASE)
_BALLOT = re.compile(r'(?<!```\n)(?<!```json\n)^(\{\s*"rankings".*)$', re.MULTILINE)
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The same key with the same body gives the same session",
    ),
]


def _mend(text: object) -> object:
    """A `+` that was not escaped in the query string has become a space. Pydantic would also read
    a number, as seconds since 1970."""
    if not isinstance(text, str) or not _DATE.match(text):
        raise ValueError("Input should be a time such as 2026-01-31T12:00:00Z")
    return text.replace(" ", "+")


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("Input should be a time between the years 1 and 9999") from None


Before = Annotated[AwareDatetime, BeforeValidator(_mend), AfterValidator(_in_utc)]
"""A time with an offset, in UTC."""


class SessionPage(Message):
    """Newest first; ask again with `before` = the last one's `created_at` for more."""

    sessions: tuple[SessionSummary, ...]


class Rendered(Message):
    """Texts as HTML: their Markdown, without anything that runs or is fetched. By `agent_id`."""

    final_answer: str | None
    lost_synthesis: str | None
    opinions: dict[str, str]
    revisions: dict[str, str]
    critiques: dict[str, str]
    earlier: tuple[str, ...]
    """The answers of the earlier turns, in their order."""


@router.post(
    "/query",
    response_model=CouncilSession,
    responses=refusals(*WITH_BODY, 409, 422, 429, 502, 503, 504),
)
async def ask(
    request: Request,
    question: CouncilRequest,
    council: CouncilAtHand,
    origin: RequestOrigin,
    key: IdempotencyKey = None,
    cancel_on_disconnect: bool = False,
) -> Response:
    """Ask, and wait for the whole session."""
    opened = await council.open(question, key, origin)
    ended = council.wait(opened.session_id)
    if cancel_on_disconnect:
        ended = _while_connected(request, council, opened.session_id, ended)
    session = await ended
    if session.stage == "error":
        failure = FAILURES.get(session.error_code or "", CouncilFailed)
        raise failure(session.error or failure.title, session.session_id)
    return json_answer(session)


@router.post(
    "/sessions",
    status_code=202,
    response_model=CouncilSession,
    responses=refusals(*WITH_BODY, 422, 429, 503),
)
async def open_session(
    question: CouncilRequest,
    council: CouncilAtHand,
    origin: RequestOrigin,
    key: IdempotencyKey = None,
) -> Response:
    """Ask, and come back for the answer: `Location` says where."""
    session = await council.open(question, key, origin)
    location = f"/api/council/sessions/{session.session_id}"
    return json_answer(session, 202, {"Location": location})


@router.get("/sessions", response_model=SessionPage, responses=refusals(422, 503))
async def list_sessions(
    council: CouncilAtHand,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[Before | None, Query(description="Only older ones")] = None,
    q: Annotated[str | None, Query(max_length=200, description="Text to look for")] = None,
) -> Response:
    """The history, newest first."""
    return json_answer(SessionPage(sessions=await council.sessions(limit, before, q or None)))


@router.get(
    "/session/{session_id}",
    response_model=CouncilSession,
    responses=refusals(404, 422, 503),
    operation_id="get_session_alias",
)
@router.get(
    "/sessions/{session_id}", response_model=CouncilSession, responses=refusals(404, 422, 503)
)
async def get_session(session_id: SessionId, council: CouncilAtHand) -> Response:
    """The session as it stands."""
    return json_answer(await council.session(str(session_id)))


@router.delete(
    "/sessions/{session_id}",
    response_model=CouncilSession,
    responses={
        204: {"description": "Removed (`purge=true`)"},
        **refusals(403, 404, 409, 422, 503),
    },
)
async def end_session(
    session_id: SessionId, council: CouncilAtHand, purge: bool = False
) -> Response:
    """Cancel a running session; with `purge=true` remove a finished one."""
    if purge:
        await council.purge(str(session_id))
        return Response(status_code=204)
    return json_answer(await council.cancel(str(session_id)))


@router.get(
    "/sessions/{session_id}/export",
    response_class=Response,
    responses={
        200: {
            "description": "The minutes",
            "content": {
                "text/markdown": {"schema": {"type": "string"}},
                "application/json": {"schema": {"$ref": "#/components/schemas/CouncilSession"}},
            },
        },
        **refusals(404, 422, 503),
    },
)
async def export(
    session_id: SessionId, council: CouncilAtHand, format: Literal["md", "json"] = "md"
) -> Response:
    """The minutes, to keep."""
    session = await council.session(str(session_id))
    headers = _attachment(session_id, format)
    if format == "json":
        return Response(
            session.model_dump_json(indent=2), headers=headers, media_type="application/json"
        )
    return Response(markdown(session), headers=headers, media_type="text/markdown")


@router.get(
    "/sessions/{session_id}/rendered", response_model=Rendered, responses=refusals(404, 422, 503)
)
async def rendered(session_id: SessionId, council: CouncilAtHand) -> Response:
    """What models wrote, as HTML that is safe to show."""
    session = await council.session(str(session_id))
    return json_answer(await asyncio.to_thread(_rendered, session))


@router.get("/models", response_model=ModelCatalogue, responses=refusals(503))
async def models(council: CouncilAtHand) -> Response:
    """Recommended models, installed ones, and the PCs that have them."""
    return json_answer(await council.catalogue())


def _rendered(session: CouncilSession) -> Rendered:
    answer, opinions = session.final_answer, session.opinions
    lost = answer.guard.synthesis if answer and answer.guard else None
    return Rendered(
        final_answer=html_of(answer.content) if answer else None,
        lost_synthesis=html_of(lost) if lost else None,
        opinions={one.agent_id: html_of(one.content) for one in opinions},
        revisions={one.agent_id: html_of(one.revision) for one in opinions if one.revision},
        critiques={
            one.reviewer_id: html_of(_set_off(one.critique))
            for one in session.reviews
            if one.critique
        },
        earlier=tuple(html_of(turn.answer) for turn in session.earlier),
    )


def _set_off(critique: str) -> str:
    """The ballot at its end as code, unless it stands as code already: it is no prose to read."""
    return _BALLOT.sub(r"```json\n\1\n```", critique)


def _attachment(session_id: UUID, extension: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="council-{session_id}.{extension}"'}


async def _while_connected(
    request: Request, council: Council, session_id: str, ended: Coroutine[Any, Any, CouncilSession]
) -> CouncilSession:
    """What `ended` gives. When the client leaves first, the session is cancelled: the server says
    so by a message, or (Ray Serve) by cancelling us."""
    waiting = asyncio.create_task(ended)
    leaving = asyncio.create_task(_disconnect(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not waiting.done():
            waiting.cancel()
            with suppress(SessionFinished):
                await asyncio.shield(asyncio.ensure_future(council.cancel(session_id)))
    return await council.session(session_id) if waiting.cancelled() else await waiting


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
