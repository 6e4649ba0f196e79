"""A chat that is asked for, in whichever words: who answers it, the session opened for it."""

from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from actors.messages.requests import CouncilRequest, Origin
from cluster.council import Council
from serve_app.clients.council_models import is_council
from serve_app.clients.side_requests import is_side_request, task_model
from serve_app.configuration import ApiConfig
from serve_app.openai.asks import ChatAsk
from serve_app.openai.retries import tried

HEADER = "X-Council-Session"
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, pattern=r"^[!-~]+$")]


async def local_model(ask: ChatAsk, council: Council, config: ApiConfig) -> str | None:
    """The model of the cluster that answers; None = the council does."""
    if not is_council(ask.model):
        return ask.model
    if is_side_request(ask.question, config.task_markers, ask.orders):
        return task_model(config.task_model, await council.nodes())
    return None


async def with_known_tools(ask: ChatAsk, model: str, council: Council) -> ChatAsk:
    """A model of the cluster that knows no tools leaves them alone where it may, as a council
    does."""
    if not ask.offers_tools or ask.has_to_call:
        return ask
    can = (await council.limits(model)).capabilities
    return ask if not can or "tools" in can else ask.model_copy(update={"tools": ()})


async def open_session(
    request: Request,
    wanted: CouncilRequest,
    council: Council,
    origin: Origin,
    key: str | None,
    outlives: bool,
) -> str:
    """The session's id. `outlives`: a client that leaves does not end it, so that its retry is
    given it."""
    if outlives and key is None:
        told = {"tried": tried(request, wanted.model_dump_json())}
        origin = origin.model_copy(update=told)
    return (await council.open(wanted, key, origin)).session_id
