"""An agent whose calls are listened to: the pool learns how each call ended.

On its way to another process the listener stays behind: there it is the plain agent.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from actors.messages.calls import Agent, CallFailed, Delta, GenerateCall, Generated


class Watched:
    """`heard(None)` for an answer, `heard(failure)` otherwise. Not told of a call that was cut."""

    def __init__(self, agent: Agent, heard: Callable[[CallFailed | None], None]) -> None:
        self._agent = agent
        self._heard = heard

    async def generate(self, call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        async with aclosing(self._agent.generate(call)) as events:  # type: ignore[type-var]
            async for event in events:
                if not isinstance(event, Delta):
                    self._heard(event if isinstance(event, CallFailed) else None)
                yield event

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain, (self._agent,)


def _plain(agent: Agent) -> Agent:
    return agent
