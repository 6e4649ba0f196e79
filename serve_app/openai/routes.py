"""OpenAI's routes, under `/v1`."""

import base64
import struct
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.council.table.model_names import canonical
from actors.errors import InvalidRequest, ModelNotInstalled
from actors.messages.requests import Origin
from cluster.council import Council
from cluster.embedded.exchange import ClientGone, while_connected
from serve_app import problems
from serve_app.clients.council_models import is_council
from serve_app.clients.local_models import installed
from serve_app.clients.side_requests import is_side_request, task_model
from serve_app.clients.sitting import sitting
from serve_app.clients.telling import Telling, answer_of
from serve_app.configuration import ApiConfig
from serve_app.openai import shapes
from serve_app.openai.asks import ChatAsk, EmbeddingsAsk, wrong_field
from serve_app.openai.faults import Refused, openai_error
from serve_app.openai.frames import streamed
from serve_app.openai.retries import Retries, while_waiting
from serve_app.openai.talk import Talk, reason_of, whole
from serve_app.openai.translation import council_request, local_chat, local_embedding
from serve_app.routes.answers import Config, CouncilAtHand, RequestOrigin, page_of

HEADER = "X-Council-Session"
GONE = 499
NO_COMPLETIONS = "There is no /v1/completions here; use /v1/chat/completions."
NO_RESPONSES = "There is no /v1/responses here; use /v1/chat/completions."
Ask = TypeVar("Ask", bound=BaseModel)
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, pattern=r"^[!-~]+$")]


class OpenAiRoute(APIRoute):
    """Tells what a route refuses as OpenAI does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Refused as no:
                code = no.code or InvalidRequest.code
                name = problems.request_id(request.scope)
                problems.note(
                    problems.from_status(no.status, name, no.sentence, code), request.scope
                )
                status, body = openai_error(no.status, code, no.sentence, no.param)
                return JSONResponse(body, status)
            except ClientGone:
                return Response(status_code=GONE)

        return handled


router = APIRouter(prefix="/v1", route_class=OpenAiRoute, include_in_schema=False)


@router.get("/models")
async def list_models(council: CouncilAtHand) -> Response:
    models = installed(await council.nodes())
    return JSONResponse(shapes.models(list(models.values()), _now()))


@router.get("/models/{name:path}")
async def get_model(name: str, council: CouncilAtHand) -> Response:
    if is_council(name):
        return JSONResponse(shapes.model(name, _now()))
    found = installed(await council.nodes()).get(canonical(name))
    if found is None:
        raise ModelNotInstalled(f"No PC of the council has the model {name!r}.")
    return JSONResponse(shapes.model(found.name, _now()))


@router.post("/chat/completions")
async def chat(
    request: Request,
    council: CouncilAtHand,
    config: Config,
    origin: RequestOrigin,
    key: Key = None,
) -> Response:
    ask = await _read(request, ChatAsk)
    if not is_council(ask.model):
        return await _local(request, ask, ask.model, council, origin)
    if is_side_request(ask.question, config.task_markers):
        model = task_model(config.task_model, await council.nodes())
        if model is not None:
            return await _local(request, ask, model, council, origin)
    return await _council(request, ask, council, config, origin, key)


@router.post("/completions")
async def completions() -> Response:
    raise Refused(NO_COMPLETIONS, code="not_found", status=404)


@router.post("/embeddings")
async def embeddings(request: Request, council: CouncilAtHand, origin: RequestOrigin) -> Response:
    ask = await _read(request, EmbeddingsAsk)
    if is_council(ask.model):
        raise Refused("A council makes no embeddings; name a model that does.", "model")
    made = await while_connected(request, council.embed(local_embedding(ask), origin))
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(vector, ask.encoding_format)}
        for index, vector in enumerate(made.vectors)
    ]
    counted = {"prompt_tokens": made.usage.prompt_tokens, "total_tokens": made.usage.prompt_tokens}
    return JSONResponse({"object": "list", "data": data, "model": ask.model, "usage": counted})


@router.api_route("/responses", methods=["GET", "POST"])
@router.api_route("/responses/{rest:path}", methods=["GET", "POST", "DELETE"])
async def responses() -> Response:
    raise Refused(NO_RESPONSES, code="not_found", status=404)


async def _local(
    request: Request, ask: ChatAsk, model: str, council: Council, origin: Origin
) -> Response:
    """A client that leaves ends the call."""
    question = local_chat(ask, model)
    completion = shapes.Completion(model, _now())
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

    async def opened() -> str:
        return (await council.open(wanted, key, origin)).session_id

    if ask.stream:
        session_id = await opened()
    else:
        retries: Retries = request.app.state.retries
        session_id = await retries.session(request, wanted.model_dump_json(), opened)
    headers = {HEADER: session_id}
    completion = shapes.Completion(ask.model, _now(), {"session_id": session_id})
    if ask.stream:
        talk = Talk(completion, ask.stream_options.include_usage)
        telling = Telling(config.stream_judged, page_of(request, session_id))
        sits = sitting(session_id, council, telling, config.heartbeat_s, kept=key is not None)
        return await streamed(talk.council(sits, telling), headers)
    waiting = council.wait(session_id)
    session = await while_waiting(request, wanted.model_dump_json(), waiting)
    answer = answer_of(session)
    assert session.final_answer is not None
    reason = "length" if session.final_answer.truncated else "stop"
    told = completion.whole({"content": answer}, reason, shapes.council_usage(session))
    return JSONResponse(told | shapes.of_council(session), headers=headers)


async def _read(request: Request, kind: type[Ask]) -> Ask:
    """Raises `Refused`, naming a field that is wrong. The body is JSON already."""
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise Refused(*wrong_field(error)) from None


def _vector(numbers: tuple[float, ...], encoding: str) -> list[float] | str:
    if encoding == "float":
        return list(numbers)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
