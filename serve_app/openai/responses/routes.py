"""The routes of the Responses API, under `/v1/responses`."""

import secrets
from collections.abc import Iterable
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.errors import SessionNotFound
from actors.messages.events import SessionStarted
from actors.messages.requests import CouncilRequest, Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from cluster.embedded.exchange import while_connected
from serve_app.clients.sitting import sitting
from serve_app.clients.telling import Telling, answer_of, left_out
from serve_app.configuration import ApiConfig
from serve_app.openai.asks import ChatAsk
from serve_app.openai.faults import Refused
from serve_app.openai.frames import Manner, streamed
from serve_app.openai.opening import (
    HEADER,
    Key,
    local_model,
    open_session,
    waited,
    with_known_tools,
)
from serve_app.openai.responses.asks import ResponsesAsk
from serve_app.openai.responses.inputs import asked_items, page_of_items
from serve_app.openai.responses.shapes import (
    Outline,
    asked_for,
    council_response,
    kept_outline,
    local_response,
)
from serve_app.openai.responses.talk import OPENING, Talk
from serve_app.openai.responses.translation import chat_of, council_asked, session_of
from serve_app.openai.route import OpenAiRoute, now, read
from serve_app.openai.shapes import Shape
from serve_app.openai.talk import whole
from serve_app.openai.translation import local_chat
from serve_app.routes.answers import Config, CouncilAtHand, RequestOrigin, page_of

router = APIRouter(prefix="/responses", route_class=OpenAiRoute, include_in_schema=False)


@router.post("")
async def create(
    request: Request,
    council: CouncilAtHand,
    config: Config,
    origin: RequestOrigin,
    key: Key = None,
) -> Response:
    ask = await read(request, ResponsesAsk)
    chat = chat_of(ask)
    if (model := await local_model(chat, council, config)) is not None:
        return await _local(request, ask, chat, model, council, origin)
    return await _council(request, ask, chat, council, config, origin, key)


@router.get("/{name}")
async def retrieve(
    request: Request,
    name: str,
    council: CouncilAtHand,
    config: Config,
    stream: bool = False,
    starting_after: int | None = None,
) -> Response:
    """A council's response as it stands, or told from the beginning and to its end."""
    session = await council.session(_session_id(name))
    outline = await _kept(session, council)
    if not stream:
        return _answer(council_response(outline, session), session.session_id)
    if starting_after is not None:
        sentence = "A response is told from its beginning: its pieces are not the same each time."
        raise Refused(sentence, "starting_after")
    return await _told(request, outline, council, config, kept=True)


@router.get("/{name}/input_items")
async def input_items(
    name: str,
    council: CouncilAtHand,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """What a council was asked, in pages: `after` is the id of the last item of the one before."""
    session = await council.session(_session_id(name))
    items = asked_items(session.session_id, await _asked(session, council))
    return _answer(page_of_items(items, after, limit, order), session.session_id)


@router.post("/{name}/cancel")
async def cancel(name: str, council: CouncilAtHand) -> Response:
    session = await council.cancel(_session_id(name))
    outline = await _kept(session, council)
    return _answer(council_response(outline, session), session.session_id)


@router.delete("/{name}")
async def delete(name: str, council: CouncilAtHand) -> Response:
    """Removes the session; one that is still running has to be cancelled first."""
    await council.purge(_session_id(name))
    return JSONResponse({"id": name, "object": "response", "deleted": True})


async def _local(
    request: Request, ask: ResponsesAsk, chat: ChatAsk, model: str, council: Council, origin: Origin
) -> Response:
    """A client that leaves ends the call."""
    question = local_chat(await with_known_tools(chat, model, council), model)
    outline = Outline(secrets.token_hex(12), model, now(), asked_for(ask, stored=False))
    if ask.stream:
        talk = Talk(outline)
        manner = Manner(OPENING, talk.failed)
        return await streamed(talk.local(question, council, origin), {}, manner)
    said = await while_connected(request, whole(council.chat(question, origin)))
    return JSONResponse(local_response(outline, said))


async def _council(
    request: Request,
    ask: ResponsesAsk,
    chat: ChatAsk,
    council: Council,
    config: ApiConfig,
    origin: Origin,
    key: str | None,
) -> Response:
    """A client that leaves a stream cancels its session, unless it can come back: to what it has
    sent into the background, or with a key."""
    wanted = council_asked(ask, chat)
    outlives = ask.background or not ask.stream
    session_id = await open_session(request, wanted, council, origin, key, outlives)
    outline = Outline(session_id, ask.model, now(), asked_for(ask, stored=True))
    remarks = left_out(chat.offers_tools, chat.has_images)
    if ask.stream:
        kept = ask.background or key is not None
        return await _told(request, outline, council, config, kept, remarks)
    if ask.background:
        session = await council.session(session_id)
    else:
        session = await waited(request, wanted, council, session_id)
        answer_of(session)  # raises where there is none
    return _answer(council_response(outline, session, remarks=remarks), session_id)


async def _told(
    request: Request,
    outline: Outline,
    council: Council,
    config: ApiConfig,
    kept: bool,
    remarks: Iterable[str] = (),
) -> Response:
    """A council's response as a stream."""
    telling = Telling(config.stream_judged, page_of(request, outline.name), remarks)
    sits = sitting(outline.name, council, telling, config.heartbeat_s, kept)
    talk = Talk(outline)
    headers = {HEADER: outline.name}
    return await streamed(talk.council(sits, telling), headers, Manner(OPENING, talk.failed))


async def _kept(session: CouncilSession, council: Council) -> Outline:
    return kept_outline(session, await _asked(session, council))


async def _asked(session: CouncilSession, council: Council) -> CouncilRequest:
    """Of a session that is there: its record begins with what was asked."""
    async with aclosing(council.events(session.session_id)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, SessionStarted):
                return event.request
    raise AssertionError("a session's record begins with what was asked")


def _session_id(name: str) -> str:
    """Of the session behind a response. Raises `SessionNotFound`."""
    if (session_id := session_of(name)) is None:
        raise SessionNotFound("There is no such response here: only a council's are kept.")
    return session_id


def _answer(response: Shape, session_id: str) -> Response:
    return JSONResponse(response, headers={HEADER: session_id})
