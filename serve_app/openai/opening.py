"""A chat that is asked for, in whichever words: who answers it, the session opened for it and
waited for."""

from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from actors.messages.requests import CouncilRequest, Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from cluster.embedded.exchange import ClientGone, while_connected
from serve_app.clients.council_models import is_council
from serve_app.clients.side_requests import is_side_request, task_model
from serve_app.configuration import ApiConfig
from serve_app.openai.asks import ChatAsk
from serve_app.openai.retries import LostLines, mark_of, tried

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
        told = {"tried": tried(request, wanted.model_dump_json(), lines_of(request))}
        origin = origin.model_copy(update=told)
    return (await council.open(wanted, key, origin)).session_id


async def waited(
    request: Request, wanted: CouncilRequest, council: Council, session_id: str
) -> CouncilSession:
    """The session once it has ended. Raises `ClientGone` when the client leaves first: the session
    goes on, and who asks the same again at once is given it."""
    try:
        return await while_connected(request, council.wait(session_id))
    except ClientGone:
        lines_of(request).lost(mark_of(request, wanted.model_dump_json()))
        raise


def lines_of(request: Request) -> LostLines:
    lines: LostLines = request.app.state.lost_lines
    return lines
