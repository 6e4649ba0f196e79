"""Ollama's routes, under `/ollama`: what its clients may ask of the council and its models."""

from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from actors.errors import ModelNotAvailable, ModelNotInstalled
from actors.messages.calls import Generated
from actors.messages.nodes import InstalledModel
from actors.messages.requests import Origin
from cluster.council import Council
from cluster.embedded.asks import ChatAsk, GenerateAsk, ShowAsk
from cluster.embedded.exchange import ClientGone, Lines, every, first_of, read, while_connected
from cluster.embedded.faults import BadAsk, EngineError
from cluster.embedded.protocol import SPOKEN, bare_line, gathered
from serve_app import problems
from serve_app.clients.council_models import is_council
from serve_app.clients.side_requests import is_side_request, task_model
from serve_app.clients.sitting import sitting
from serve_app.clients.telling import Telling, left_out
from serve_app.configuration import ApiConfig
from serve_app.ollama import catalogue
from serve_app.ollama.asks import EmbedAsk, EmbeddingsAsk
from serve_app.ollama.faults import code_of, not_found
from serve_app.ollama.talk import NS_PER_MS, Flow, council_lines, model_lines, with_last_words
from serve_app.ollama.translation import council_request, local_chat, local_embedding
from serve_app.routes.answers import Config, CouncilAtHand, RequestOrigin, page_of

HEADER = "X-Council-Session"
ELSEWHERE = (
    "models are not changed through the council: run ollama {verb} on the PC that shall have the"
    " model; the council offers it a few seconds later"
)
MAINTENANCE = (
    ("/api/pull", "POST"),
    ("/api/push", "POST"),
    ("/api/create", "POST"),
    ("/api/copy", "POST"),
    ("/api/delete", "DELETE"),
    ("/api/blobs/{digest}", "POST"),
    ("/api/blobs/{digest}", "HEAD"),
)
GONE = 499


class OllamaRoute(APIRoute):
    """Tells what a route refuses as Ollama does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except EngineError as error:
                name, code = problems.request_id(request.scope), code_of(error)
                problem = problems.from_status(error.status, name, error.text, code)
                problems.note(problem, request.scope)
                return JSONResponse({"error": error.text}, error.status)
            except ClientGone:
                return Response(status_code=GONE)

        return handled


router = APIRouter(prefix="/ollama", route_class=OllamaRoute, include_in_schema=False)


@router.api_route("", methods=["GET", "HEAD"])
@router.api_route("/", methods=["GET", "HEAD"])
async def root() -> Response:
    return PlainTextResponse("Ollama is running")


@router.api_route("/api/version", methods=["GET", "HEAD"])
async def version() -> Response:
    return JSONResponse({"version": SPOKEN})


@router.api_route("/api/tags", methods=["GET", "HEAD"])
async def tags(council: CouncilAtHand) -> Response:
    return JSONResponse(catalogue.tags(await council.nodes()))


@router.get("/api/ps")
async def ps(council: CouncilAtHand) -> Response:
    return JSONResponse(catalogue.ps(await council.nodes(), datetime.now(UTC)))


@router.post("/api/show")
async def show(request: Request, council: CouncilAtHand) -> Response:
    name = (await read(request, ShowAsk)).wanted
    if not name:
        raise BadAsk("model is required")
    if is_council(name):
        return JSONResponse(catalogue.council_shown(name))
    model = await _found(name, council)
    return JSONResponse(catalogue.shown(model, await council.limits(model.name)))


@router.post("/api/chat")
async def chat(
    request: Request, council: CouncilAtHand, config: Config, origin: RequestOrigin
) -> Response:
    return await _answer(request, await read(request, ChatAsk), council, config, origin)


@router.post("/api/generate")
async def generate(
    request: Request, council: CouncilAtHand, config: Config, origin: RequestOrigin
) -> Response:
    return await _answer(request, await read(request, GenerateAsk), council, config, origin)


@router.post("/api/embed")
async def embed(request: Request, council: CouncilAtHand, origin: RequestOrigin) -> Response:
    ask = await read(request, EmbedAsk)
    made = await _vectors(request, ask, council, origin)
    told = {"model": ask.model, "embeddings": made.vectors}
    times = {
        "total_duration": made.timing.total_ns,
        "load_duration": made.timing.load_ms * NS_PER_MS,
        "prompt_eval_count": made.usage.prompt_tokens,
    }
    return JSONResponse(told | (times if made.vectors else {}))


@router.post("/api/embeddings")
async def embeddings(request: Request, council: CouncilAtHand, origin: RequestOrigin) -> Response:
    made = await _vectors(request, await read(request, EmbeddingsAsk), council, origin)
    return JSONResponse({"embedding": made.vectors[0] if made.vectors else []})


async def refuse(request: Request) -> Response:
    verb = request.url.path.removeprefix("/ollama/api/").partition("/")[0]
    raise EngineError(403, ELSEWHERE.format(verb=verb.replace("blobs", "create")))


for path, method in MAINTENANCE:
    router.add_api_route(path, refuse, methods=[method])


async def _answer(
    request: Request,
    ask: ChatAsk | GenerateAsk,
    council: Council,
    config: ApiConfig,
    origin: Origin,
) -> Response:
    """Errors before the first line keep their status; later ones are the last line."""
    headers: dict[str, str] = {}
    if not ask.conversation:
        if not is_council(ask.model):
            await _found(ask.model, council)
        reason = "unload" if ask.keep_alive == 0 else "load"
        return JSONResponse(bare_line(ask, reason, datetime.now(UTC)))
    model = await _model_for(ask, council, config)
    if model is None:
        session_id = (await council.open(council_request(ask), None, origin)).session_id
        headers[HEADER] = session_id
        exact = config.stream_judged or not ask.stream
        remarks = left_out(bool(ask.tools), ask.has_images)
        telling = Telling(exact, page_of(request, session_id), remarks)
        sits = sitting(session_id, council, telling, config.heartbeat_s)
        flow = council_lines(ask, sits, telling)
    else:
        flow = _asked_for(ask.model, model_lines(ask, local_chat(ask, model), council, origin))
    if not ask.stream:
        whole = gathered(await while_connected(request, every(flow)))
        return JSONResponse(whole, headers=headers)
    flow = with_last_words(flow)
    first = await while_connected(request, first_of(flow))
    return Lines(first, flow, headers)


async def _model_for(ask: ChatAsk | GenerateAsk, council: Council, config: ApiConfig) -> str | None:
    """The model of the cluster that answers; None = the council. What front ends ask beside a
    question, under the council's name, is no question for it."""
    if not is_council(ask.model):
        return ask.model
    first, last = ask.conversation[0], ask.conversation[-1]
    orders = first.content if first.role == "system" else ""
    if is_side_request(last.content, config.task_markers, orders):
        return task_model(config.task_model, await council.nodes())
    return None


async def _asked_for(name: str, flow: Flow) -> Flow:
    """The flow of a model that may not be there."""
    async with aclosing(flow):
        try:
            async for line in flow:
                yield line
        except (ModelNotInstalled, ModelNotAvailable):
            raise not_found(name) from None


async def _vectors(
    request: Request, ask: EmbedAsk | EmbeddingsAsk, council: Council, origin: Origin
) -> Generated:
    if is_council(ask.model):
        raise BadAsk(f'"{ask.model}" does not support embeddings')
    try:
        work = council.embed(local_embedding(ask), origin)
        return await while_connected(request, work)
    except (ModelNotInstalled, ModelNotAvailable):
        raise not_found(ask.model) from None


async def _found(name: str, council: Council) -> InstalledModel:
    model = catalogue.find(name, await council.nodes())
    if model is None:
        raise not_found(name)
    return model
