"""What every route of OpenAI's protocol does: reads what is asked, and tells refusals as OpenAI
does."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.errors import InvalidRequest
from cluster.embedded.exchange import ClientGone
from serve_app import problems
from serve_app.openai.asks import wrong_field
from serve_app.openai.faults import Refused, openai_error

GONE = 499
Ask = TypeVar("Ask", bound=BaseModel)


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


async def read(request: Request, kind: type[Ask]) -> Ask:
    """Raises `Refused`, naming a field that is wrong. The body is JSON already."""
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise Refused(*wrong_field(error)) from None


def now() -> int:
    return int(datetime.now(UTC).timestamp())
