"""One stateless generation, without a council, on whichever PC the pool picks."""

import asyncio
import uuid
from collections.abc import Callable

from actors.council.asking.briefs import Limits, too_long, worker_call
from actors.errors import ContextOverflow, model_call_error
from actors.messages.calls import CallFailed, Delta, GenerateCall, Generated
from actors.messages.requests import NOWHERE, Origin, WorkerRequest, WorkerResult
from actors.pool import Demand, Pool
from actors.sessions.calls import Caller, ask_agent
from actors.sessions.recall import call_or_recall
from actors.store.answers import AnswerCache


async def generate(
    pool: Pool,
    cache: AnswerCache,
    request: WorkerRequest,
    model: str,
    limits: Limits,
    timeout_s: float,
    heard: Callable[[Generated], None],
    origin: Origin = NOWHERE,
) -> WorkerResult:
    """`model` is the installed model's whole name; `heard` is told a good answer; a trace context
    goes on as it came. Raises `ModelCallError`s."""
    call_id = str(uuid.uuid4())

    def compose(num_ctx: int, share: float) -> GenerateCall:
        if share < 1:
            raise ContextOverflow(too_long("The prompt", num_ctx))
        return worker_call(call_id, request, model, limits.opinion(num_ctx), timeout_s, origin)

    def ignore_start(node: str, attempt: int, former: CallFailed | None) -> None: ...
    def ignore_text(delta: Delta) -> None: ...

    demand = Demand(model, call_id, asyncio.get_running_loop().time(), timeout_s=timeout_s)
    caller = Caller(demand, compose, ask_agent, ignore_start, ignore_text)
    outcome = await call_or_recall(pool, cache, caller, anew=not request.cache)
    if isinstance(outcome, CallFailed):
        raise model_call_error(outcome.code, outcome.detail)
    heard(outcome)
    return WorkerResult(
        model=model,
        content=outcome.content,
        done=True,
        total_duration=outcome.timing.total_ns,
        prompt_eval_count=outcome.usage.prompt_tokens,
        eval_count=outcome.usage.completion_tokens,
        node=outcome.node,
        truncated=outcome.truncated,
        cached=outcome.cached,
        saved_tokens=outcome.saved.total_tokens if outcome.saved else 0,
    )
