"""What all routes share: the council at hand, and how answers and problems look in OpenAPI."""

from collections import Counter
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Response
from pydantic import BaseModel, ValidationError
from starlette.requests import HTTPConnection

from actors.errors import InvalidRequest
from actors.messages.requests import Origin
from cluster.council import Council
from serve_app.configuration import ApiConfig
from serve_app.problems import MEDIA_TYPE, Problem, request_id

_TITLES = {
    400: "The body is not acceptable JSON",
    401: "A bearer key is needed",
    403: "The request comes from a foreign origin",
    404: "There is no such session or PC",
    409: "The session's state does not allow it",
    413: "The body is too large",
    415: "Send application/json",
    422: "A field of the request is not valid",
    429: "Too many questions are waiting; see Retry-After",
    502: "The models gave no answer",
    503: "Not available just now; see Retry-After",
    504: "The deadline passed",
}
WITH_BODY = (400, 403, 413, 415)
"""What a request with a body can run into on top of the rest."""


async def _council(connection: HTTPConnection) -> Council:
    council: Council = connection.app.state.council
    return council


async def _config(connection: HTTPConnection) -> ApiConfig:
    config: ApiConfig = connection.app.state.config
    return config


async def origin_of(connection: HTTPConnection) -> Origin:
    """A trace context that cannot be read counts as none, and a `tracestate` that cannot be read
    leaves its `traceparent` as it is: so the standard wants it."""
    named = Origin(request_id=request_id(connection.scope))
    parents = connection.headers.getlist("traceparent")
    if len(parents) != 1:
        return named
    state = ",".join(connection.headers.getlist("tracestate")) or None
    for readable in (state, None):
        with suppress(ValidationError):
            return Origin(request_id=named.request_id, traceparent=parents[0], tracestate=readable)
    return named


def page_of(connection: HTTPConnection, session_id: str) -> str:
    """Where a person reads the session, as this client reaches the council."""
    return f"{connection.base_url}#/session/{session_id}"


CouncilAtHand = Annotated[Council, Depends(_council)]
RequestOrigin = Annotated[Origin, Depends(origin_of)]
Config = Annotated[ApiConfig, Depends(_config)]
SessionId = Annotated[UUID, Path(description="The session's UUID")]


async def once_each(connection: HTTPConnection) -> None:
    """Refuses a parameter of the route that the URL has twice: which one was meant?"""
    dependant = getattr(connection.scope.get("route"), "dependant", None)
    ours = {field.alias for field in dependant.query_params} if dependant else set()
    given = Counter(name for name, _ in connection.query_params.multi_items() if name in ours)
    twice = [name for name, times in given.items() if times > 1]
    if twice:
        raise InvalidRequest(
            f"query {', '.join(twice)}: stands more than once in the URL",
            [
                {"place": "query", "loc": [name], "msg": "Input should stand once", "type": "twice"}
                for name in twice
            ],
        )


def json_answer(
    model: BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """`model` as JSON, written once: FastAPI would validate it a second time."""
    return Response(model.model_dump_json(), status, headers, media_type="application/json")


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for these statuses, and for those that every route can give."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({401, *statuses})
    }


def problem_schema() -> dict[str, Any]:
    """`Problem` and what it refers to, for OpenAPI's components."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "Problem": schema}
