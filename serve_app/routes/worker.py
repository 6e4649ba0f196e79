"""Single generations, without a council: stateless, on whichever PC the pool picks."""

import asyncio

from fastapi import APIRouter, Response
from pydantic import Field

from actors.errors import CouncilError
from actors.messages.message import Message
from actors.messages.requests import Origin, WorkerRequest, WorkerResult
from cluster.council import Council
from serve_app.routes.answers import (
    WITH_BODY,
    CouncilAtHand,
    RequestOrigin,
    json_answer,
    refusals,
)

router = APIRouter(prefix="/api/generate", tags=["worker"])


class BatchRequest(Message):
    requests: tuple[WorkerRequest, ...] = Field(min_length=1, max_length=5)


class BatchResult(Message):
    """`results` in the order of the requests; a failed one has `done` false and an `error`."""

    results: tuple[WorkerResult, ...]
    success_count: int
    error_count: int


@router.post(
    "",
    response_model=WorkerResult,
    responses=refusals(*WITH_BODY, 409, 422, 429, 502, 503, 504),
)
async def generate(
    request: WorkerRequest, council: CouncilAtHand, origin: RequestOrigin
) -> Response:
    """One generation."""
    return json_answer(await council.generate(request, origin))


@router.post("/batch", response_model=BatchResult, responses=refusals(*WITH_BODY, 422, 429, 503))
async def batch(batch: BatchRequest, council: CouncilAtHand, origin: RequestOrigin) -> Response:
    """One to five generations at once; one failure does not fail the others."""
    results = await asyncio.gather(*(_attempt(council, one, origin) for one in batch.requests))
    done = sum(result.done for result in results)
    return json_answer(
        BatchResult(results=tuple(results), success_count=done, error_count=len(results) - done)
    )


async def _attempt(council: Council, request: WorkerRequest, origin: Origin) -> WorkerResult:
    try:
        return await council.generate(request, origin)
    except CouncilError as error:
        return WorkerResult(
            model=request.model,
            content="",
            done=False,
            total_duration=0,
            prompt_eval_count=0,
            eval_count=0,
            error=error.detail,
            error_code=error.code,
        )
