"""One call to a model, from the wish to the verdict: lease a slot, ask, try again elsewhere.

Retries happen here and nowhere else: at most three attempts with full jitter, only for failures
that say they are worth it, another PC first, never past the deadline, and only while the budget of
retries that all calls share lasts. What the pool refuses is final: it knows of no PC to ask. A PC
that was out of reach twice is not asked a third time, and a model that one PC lacks is looked for
on another. A prompt that turns out too long for the context is composed again with a smaller
budget; that is not an attempt.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, stop_before_delay

from actors.errors import (
    ContextOverflow,
    ModelCallError,
    ModelNotAvailable,
    NodeUnreachable,
    ServerBusy,
)
from actors.messages.calls import CallFailed, Delta, GenerateCall, Generated
from actors.pool import Demand, Lease, Pool

ATTEMPTS = 3
PAUSE_S = 0.25
"""Up to so long before the second attempt, twice that before the third."""
BUSY_PAUSE_S = 2.0
"""The same for a model server that is busy: its queue of loads takes seconds to get shorter."""
USED_UP = "Not tried again: too many calls had to be tried again within the last minute."
SMALLER = 0.7
"""Each time the prompt overflows, it is composed again with this share of the last budget."""
SMALLEST = 0.2


Stream = AsyncIterator[Delta | Generated | CallFailed]
Task = TypeVar("Task")


@dataclass(frozen=True)
class Caller(Generic[Task]):
    """Who wants the call, how it is asked, and who is told about it.

    `compose(num_ctx, share)` builds the task for an agent with `num_ctx` tokens of context; `share`
    in (0, 1] says how much of the text budget may be used. `ask` streams the leased agent's answer.
    `started(node, attempt, former)` and `heard(delta)` are told as it happens; `former` is how the
    attempt before ended.
    """

    demand: Demand
    compose: Callable[[int, float], Task]
    ask: Callable[[Lease, Task], Stream]
    started: Callable[[str, int, CallFailed | None], None]
    heard: Callable[[Delta], None]


def ask_agent(lease: Lease, call: GenerateCall) -> Stream:
    """The usual way to ask: the leased agent itself."""
    return lease.agent.generate(call)


async def call_model(pool: Pool, caller: Caller[Task]) -> Generated | CallFailed:
    """The answer, or the last failure once no attempt is left. Cancelling it cancels the call."""
    clock = asyncio.get_running_loop().time
    ends_at = clock() + caller.demand.timeout_s
    former: list[CallFailed] = []
    refused = False

    async def once() -> Generated | CallFailed:
        demand = replace(
            caller.demand,
            avoid=frozenset(failure.node for failure in former),
            timeout_s=max(0.001, ends_at - clock()),
        )
        outcome = await _attempt(pool, replace(caller, demand=demand), former)
        if isinstance(outcome, CallFailed):
            former.append(outcome)
            return outcome.model_copy(update={"attempts": len(former)})
        return outcome.model_copy(update={"attempts": len(former) + 1})

    def again(outcome: Generated | CallFailed) -> bool:
        nonlocal refused
        if not isinstance(outcome, CallFailed) or not _worth_it(former) or clock() >= ends_at:
            return False
        refused = not pool.retries.spend(clock())
        return not refused

    retrying = AsyncRetrying(
        retry=retry_if_result(again),
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(caller.demand.timeout_s),
        wait=lambda state: pause_s(former[-1], len(former), random.random()),
        sleep=asyncio.sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    outcome: Generated | CallFailed = await retrying(once)
    if refused and isinstance(outcome, CallFailed):
        return outcome.model_copy(update={"detail": f"{outcome.detail} {USED_UP}"})
    return outcome


def pause_s(failure: CallFailed, attempts: int, chance: float) -> float:
    """How long to wait after so many attempts. Full jitter: `chance` in [0, 1) of the longest."""
    longest = BUSY_PAUSE_S if failure.code == ServerBusy.code else PAUSE_S
    return chance * longest * float(2 ** (attempts - 1))


def _worth_it(former: Sequence[CallFailed]) -> bool:
    """Whether another attempt may end better than the last one did."""
    last, nodes_before = former[-1], {failure.node for failure in former[:-1]}
    if not last.node or len(former) == ATTEMPTS:
        return False
    if last.code == NodeUnreachable.code:
        return last.node not in nodes_before
    return last.retryable or last.code == ModelNotAvailable.code


async def _attempt(
    pool: Pool, caller: Caller[Task], former: Sequence[CallFailed]
) -> Generated | CallFailed:
    node = ""
    try:
        async with pool.lease(caller.demand) as lease:
            node = lease.node
            if not former:
                pool.retries.called(asyncio.get_running_loop().time())
            caller.started(node, len(former) + 1, former[-1] if former else None)
            outcome = _shared(await _fitting(lease, caller), lease.share())
    except ModelCallError as error:
        return failed(error, node)
    if isinstance(outcome, Generated):
        queued = outcome.timing.queue_ms + lease.queue_ms
        timing = outcome.timing.model_copy(update={"queue_ms": queued})
        return outcome.model_copy(update={"timing": timing, "node": node})
    return outcome.model_copy(update={"node": node})


def _shared(outcome: Generated | CallFailed, share: float) -> Generated | CallFailed:
    """With this call's share of the joules that its PC used."""
    if isinstance(outcome, CallFailed) or outcome.joules is None:
        return outcome
    return outcome.model_copy(update={"joules": round(outcome.joules * share, 3)})


async def _fitting(lease: Lease, caller: Caller[Task]) -> Generated | CallFailed:
    """Asks with less and less text until it fits the model's context."""
    share = 1.0
    while True:
        outcome = await _listen(
            caller.ask(lease, caller.compose(lease.num_ctx, share)), caller.heard
        )
        overflowed = isinstance(outcome, CallFailed) and outcome.code == ContextOverflow.code
        share *= SMALLER
        if not overflowed or share < SMALLEST:
            return outcome


async def _listen(stream: Stream, heard: Callable[[Delta], None]) -> Generated | CallFailed:
    async with aclosing(stream) as events:  # type: ignore[type-var]
        async for event in events:
            if not isinstance(event, Delta):
                return event
            heard(event)
    return CallFailed(
        code="truncated_stream", detail="The agent's stream ended without a result", retryable=True
    )


def failed(error: ModelCallError, node: str = "") -> CallFailed:
    """A model call's error as the event that it is."""
    return CallFailed(
        code=error.code,
        detail=error.detail,
        retryable=error.retryable,
        node=node,
        partial=error.partial,
    )
