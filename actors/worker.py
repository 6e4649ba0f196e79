"""What is asked of one model, without a council, on whichever PC the pool picks: a generation, a
chat, vectors. Stateless."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from actors.council.asking.briefs import Limits, too_long, worker_call
from actors.errors import ContextOverflow, model_call_error
from actors.messages.calls import CallFailed, Delta, Embedding, GenerateCall, Generated
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.requests import ModelOptions, Origin, WorkerRequest, WorkerResult
from actors.pool import Demand, Pool
from actors.sessions.calls import Caller, ask_agent
from actors.sessions.recall import call_or_recall
from actors.store.answers import AnswerCache

Started = Callable[[str, int, CallFailed | None], None]


@dataclass(frozen=True)
class Line:
    """How a single call reaches a model: `model` is the installed model's whole name; a trace
    context goes on as it came."""

    pool: Pool
    cache: AnswerCache
    model: str
    timeout_s: float
    origin: Origin

    async def call(
        self,
        compose: Callable[[int, float], GenerateCall],
        started: Started,
        heard: Callable[[Delta], None],
        anew: bool,
    ) -> Generated | CallFailed:
        now = asyncio.get_running_loop().time()
        demand = Demand(self.model, str(uuid.uuid4()), now, timeout_s=self.timeout_s)
        caller = Caller(demand, compose, ask_agent, started, heard)
        return await call_or_recall(self.pool, self.cache, caller, anew)


async def generate(line: Line, request: WorkerRequest, limits: Limits) -> Generated:
    """The whole answer. Raises `ModelCallError`s."""
    call_id = str(uuid.uuid4())

    def compose(num_ctx: int, share: float) -> GenerateCall:
        if share < 1:
            raise ContextOverflow(too_long("The prompt", num_ctx))
        wanted, timeout_s = limits.opinion(num_ctx), line.timeout_s
        return worker_call(call_id, request, line.model, wanted, timeout_s, line.origin)

    outcome = await line.call(compose, _ignore_start, _ignore_text, not request.cache)
    if isinstance(outcome, CallFailed):
        raise model_call_error(outcome.code, outcome.detail)
    return outcome


async def embed(line: Line, request: LocalEmbedding) -> Generated:
    """A vector for each input. Raises `ModelCallError`s."""
    call_id = str(uuid.uuid4())

    def compose(num_ctx: int, share: float) -> GenerateCall:
        if share < 1:
            raise ContextOverflow("A text is longer than the model's context length.")
        return GenerateCall(
            call_id=call_id,
            model=line.model,
            messages=(),
            options=ModelOptions(),
            embed=Embedding(**request.model_dump(exclude={"model"})),
            timeout_s=line.timeout_s,
            origin=line.origin,
        )

    outcome = await line.call(compose, _ignore_start, _ignore_text, True)
    if isinstance(outcome, CallFailed):
        raise model_call_error(outcome.code, outcome.detail)
    return outcome


async def chat(line: Line, request: LocalChat) -> AsyncIterator[Delta | Generated]:
    """The answer's pieces, then the `Generated`. Raises `ModelCallError`s: once something was said
    no other attempt is made, since nobody can take words back."""
    call_id = str(uuid.uuid4())
    said: asyncio.Queue[Delta | CallFailed | None] = asyncio.Queue()
    told = False

    def compose(num_ctx: int, share: float) -> GenerateCall:
        if share < 1:
            raise ContextOverflow(too_long("The conversation", num_ctx))
        wanted = {"num_predict": request.options.num_predict or num_ctx}
        return GenerateCall(
            call_id=call_id,
            model=line.model,
            messages=request.messages,
            options=request.options.model_copy(update=wanted),
            format=request.format,
            think=request.think,
            tools=request.tools,
            timeout_s=line.timeout_s,
            origin=line.origin,
        )

    def started(node: str, attempt: int, former: CallFailed | None) -> None:
        if told and former is not None:
            said.put_nowait(former)

    def heard(delta: Delta) -> None:
        nonlocal told
        told = True
        said.put_nowait(delta)

    asked = asyncio.create_task(line.call(compose, started, heard, not request.cache))
    asked.add_done_callback(lambda _: said.put_nowait(None))
    try:
        while (event := await said.get()) is not None:
            if isinstance(event, CallFailed):
                raise model_call_error(event.code, event.detail)
            yield event
        outcome = asked.result()
        if isinstance(outcome, CallFailed):
            raise model_call_error(outcome.code, outcome.detail)
        yield outcome
    finally:
        asked.cancel()
        await asyncio.wait((asked,))


def result(model: str, answer: Generated) -> WorkerResult:
    """What `/api/generate` says of an answer."""
    return WorkerResult(
        model=model,
        content=answer.content,
        done=True,
        total_duration=answer.timing.total_ns,
        prompt_eval_count=answer.usage.prompt_tokens,
        eval_count=answer.usage.completion_tokens,
        node=answer.node,
        truncated=answer.truncated,
        cached=answer.cached,
        saved_tokens=answer.saved.total_tokens if answer.saved else 0,
    )


def _ignore_start(node: str, attempt: int, former: CallFailed | None) -> None: ...
def _ignore_text(delta: Delta) -> None: ...
