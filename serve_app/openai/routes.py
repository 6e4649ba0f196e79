"""OpenAI's routes, under `/v1`."""

import base64
import struct
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.council.table.model_names import canonical
from actors.errors import ModelNotInstalled
from actors.messages.requests import Origin
from cluster.council import Council
from cluster.embedded.exchange import while_connected
from serve_app.clients.council_models import is_council
from serve_app.clients.local_models import installed
from serve_app.clients.sitting import sitting
from serve_app.clients.telling import Telling, answer_of, left_out
from serve_app.configuration import ApiConfig
from serve_app.openai import shapes
from serve_app.openai.asks import ChatAsk, EmbeddingsAsk
from serve_app.openai.faults import Refused
from serve_app.openai.frames import streamed
from serve_app.openai.opening import (
    HEADER,
    Key,
    local_model,
    open_session,
    waited,
    with_known_tools,
)
from serve_app.openai.responses import routes as responses_routes
from serve_app.openai.route import OpenAiRoute, now, read
from serve_app.openai.talk import Talk, reason_of, whole
from serve_app.openai.translation import council_request, local_chat, local_embedding
from serve_app.routes.answers import Config, CouncilAtHand, RequestOrigin, page_of

NO_COMPLETIONS = "There is no /v1/completions here; use /v1/chat/completions."

router = APIRouter(prefix="/v1", route_class=OpenAiRoute, include_in_schema=False)
router.include_router(responses_routes.router)


@router.get("/models")
async def list_models(council: CouncilAtHand) -> Response:
    models = installed(await council.nodes())
    return JSONResponse(shapes.models(list(models.values()), now()))


@router.get("/models/{name:path}")
async def get_model(name: str, council: CouncilAtHand) -> Response:
    if is_council(name):
        return JSONResponse(shapes.model(name, now()))
    found = installed(await council.nodes()).get(canonical(name))
    if found is None:
        raise ModelNotInstalled(f"No PC of the council has the model {name!r}.")
    return JSONResponse(shapes.model(found.name, now()))


@router.post("/chat/completions")
async def chat(
    request: Request,
    council: CouncilAtHand,
    config: Config,
    origin: RequestOrigin,
    key: Key = None,
) -> Response:
    ask = await read(request, ChatAsk)
    if (model := await local_model(ask, council, config)) is not None:
        return await _local(request, ask, model, council, origin)
    return await _council(request, ask, council, config, origin, key)


@router.post("/completions")
async def completions() -> Response:
    raise Refused(NO_COMPLETIONS, code="not_found", status=404)


@router.post("/embeddings")
async def embeddings(request: Request, council: CouncilAtHand, origin: RequestOrigin) -> Response:
    ask = await read(request, EmbeddingsAsk)
    if is_council(ask.model):
        raise Refused("A council makes no embeddings; name a model that does.", "model")
    made = await while_connected(request, council.embed(local_embedding(ask), origin))
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(vector, ask.encoding_format)}
        for index, vector in enumerate(made.vectors)
    ]
    counted = {"prompt_tokens": made.usage.prompt_tokens, "total_tokens": made.usage.prompt_tokens}
    return JSONResponse({"object": "list", "data": data, "model": ask.model, "usage": counted})


async def _local(
    request: Request, ask: ChatAsk, model: str, council: Council, origin: Origin
) -> Response:
    """A client that leaves ends the call."""
    question = local_chat(await with_known_tools(ask, model, council), model)
    completion = shapes.Completion(model, now())
    if ask.stream:
        talk = Talk(completion, ask.stream_options.include_usage)
        return await streamed(talk.local(question, council, origin), {})
    said = await while_connected(request, whole(council.chat(question, origin)))
    message: dict[str, Any] = {"content": said.content or None}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if called := shapes.tool_calls(said):
        message["tool_calls"] = [{k: v for k, v in one.items() if k != "index"} for one in called]
    return JSONResponse(completion.whole(message, reason_of(said), shapes.usage(said)))


async def _council(
    request: Request,
    ask: ChatAsk,
    council: Council,
    config: ApiConfig,
    origin: Origin,
    key: str | None,
) -> Response:
    """A client that leaves a stream cancels its session, unless it has given a key to come back
    with; one that waits for the whole answer may come back anyway: its retry finds the session."""
    wanted = council_request(ask)
    session_id = await open_session(request, wanted, council, origin, key, outlives=not ask.stream)
    headers = {HEADER: session_id}
    completion = shapes.Completion(ask.model, now(), {"session_id": session_id})
    remarks = left_out(ask.offers_tools, ask.has_images)
    if ask.stream:
        talk = Talk(completion, ask.stream_options.include_usage)
        page = page_of(request, session_id)
        telling = Telling(config.stream_judged, page, remarks)
        sits = sitting(session_id, council, telling, config.heartbeat_s, kept=key is not None)
        return await streamed(talk.council(sits, telling), headers)
    session = await waited(request, wanted, council, session_id)
    answer = answer_of(session)
    assert session.final_answer is not None
    reason = "length" if session.final_answer.truncated else "stop"
    told = completion.whole({"content": answer}, reason, shapes.council_usage(session))
    return JSONResponse(told | shapes.of_council(session, remarks=remarks), headers=headers)


def _vector(numbers: tuple[float, ...], encoding: str) -> list[float] | str:
    if encoding == "float":
        return list(numbers)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
