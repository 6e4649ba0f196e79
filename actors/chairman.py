"""ChairmanActor: writes the synthesis (stage 3) on the agent that was leased for it.

Sits on PC1 in a process of its own: when it dies, only the synthesis runs again.
"""

from collections.abc import AsyncIterator

import ray

from actors.council.briefs import synthesis_call
from actors.messages.calls import Agent, CallFailed, Delta, Generated, SynthesisBrief


class ChairmanActor:
    """Thin shell over `council.briefs`: from the brief to the call, and the model's stream back."""

    async def synthesise(
        self, brief: SynthesisBrief, agent: Agent
    ) -> AsyncIterator[Delta | Generated | CallFailed]:
        """Yields the text as it comes, then one `Generated` or `CallFailed`."""
        async for event in agent.generate(synthesis_call(brief)):
            yield event


RemoteChairmanActor = ray.remote(ChairmanActor)
