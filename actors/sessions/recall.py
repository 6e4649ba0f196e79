"""A model call that may have been made before: then its answer stands, and no PC is asked.

Before a slot is leased. An answer counts for the model that gave it, by the digest that its PC
told, and not for what another PC has under the same name.
"""

import asyncio
from dataclasses import dataclass, replace

from actors.council.asking.repeats import (
    agreed,
    digests,
    fingerprint,
    repeatable,
    worth_keeping,
)
from actors.errors import ModelCallError
from actors.messages.calls import CallFailed, CallTiming, Delta, GenerateCall, Generated, TokenUsage
from actors.pool import Pool
from actors.sessions.calls import Caller, Task, call_model
from actors.store.answers import AnswerCache


@dataclass(frozen=True)
class _Asked:
    """A call as it was composed for a context of `num_ctx` tokens."""

    call: GenerateCall
    num_ctx: int

    def key(self, digest: str) -> str:
        return fingerprint(self.call, digest, self.num_ctx)


async def call_or_recall(
    pool: Pool, cache: AnswerCache, caller: Caller[Task], anew: bool = False
) -> Generated | CallFailed:
    """The answer to the same call, told as one delta, where there is one and it is not to be made
    `anew`; else as `call_model`. The chairman is always asked: its options have no seed."""
    if not cache.on or (asked := _composed(caller, pool.num_ctx)) is None:
        return await call_model(pool, caller)
    clock = asyncio.get_running_loop().time
    began, council = clock(), caller.demand.council
    there = await _digests(pool, caller.demand.model, caller.demand.timeout_s)
    digest = agreed(there)
    if digest and not anew and (known := await cache.find(asked.key(digest), council)):
        caller.heard(Delta(text=known.content))
        return _again(known, clock() - began)
    left_s = max(0.001, caller.demand.timeout_s - (clock() - began))
    composed = [asked]
    answer = await call_model(pool, _noting(caller, left_s, composed))
    if isinstance(answer, Generated) and worth_keeping(answer):
        # A model that was replaced meanwhile: nobody knows which of the two has answered.
        now_there = await _digests(pool, caller.demand.model, left_s)
        if (digest := there.get(answer.node, "")) and digest == now_there.get(answer.node):
            cache.keep(composed[-1].key(digest), council, answer)
    return answer


def _composed(caller: Caller[Task], num_ctx: int) -> _Asked | None:
    """The call as it would be made; None where it would not say the same again."""
    try:
        task = caller.compose(num_ctx, 1.0)
    except ModelCallError:  # which `call_model` makes an event of
        return None
    repeats = isinstance(task, GenerateCall) and repeatable(task)
    return _Asked(task, num_ctx) if isinstance(task, GenerateCall) and repeats else None


def _noting(caller: Caller[Task], timeout_s: float, composed: list[_Asked]) -> Caller[Task]:
    """The caller with so much time left; what it asks in the end is the last of `composed`."""

    def compose(num_ctx: int, share: float) -> Task:
        task = caller.compose(num_ctx, share)
        if isinstance(task, GenerateCall):
            composed.append(_Asked(task, num_ctx))
        return task

    demand = replace(caller.demand, timeout_s=timeout_s)
    return replace(caller, demand=demand, compose=compose)


async def _digests(pool: Pool, model: str, timeout_s: float) -> dict[str, str]:
    """As the PCs told last; before they told anything, no call could be made either."""
    try:
        async with asyncio.timeout(timeout_s):
            return digests(await pool.reports(), model)
    except TimeoutError:
        return {}


def _again(known: Generated, took_s: float) -> Generated:
    """The same words; nothing was spent on them now but the time to find them."""
    return known.model_copy(
        update={
            "usage": TokenUsage(),
            "timing": CallTiming(wall_ms=round(took_s * 1000)),
            "attempts": 1,
            "prompt_evaluated": 0,
            "joules": 0.0,
            "cached": True,
            "saved": known.usage,
        }
    )
