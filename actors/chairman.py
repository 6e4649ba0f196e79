"""ChairmanActor: writes the synthesis (stage 3) on the agent that was leased for it.

Sits on PC1 in a process of its own: when it dies, only the synthesis runs again.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

import ray

from actors.batches import Batch, Batches
from actors.council.asking.briefs import synthesis_call
from actors.messages.calls import Agent, CallFailed, Delta, Generated, SynthesisBrief
from actors.telemetry.about import About, speaking_of


class ChairmanActor:
    """A thin shell: from the brief to the call, and the model's stream back."""

    async def synthesise(
        self, brief: SynthesisBrief, agent: Agent
    ) -> AsyncIterator[Delta | Generated | CallFailed]:
        """Yields the text as it comes, then one `Generated` or `CallFailed`."""
        async with aclosing(agent.generate(synthesis_call(brief))) as events:  # type: ignore[type-var]
            async for event in events:
                yield event

    async def batches(self, brief: SynthesisBrief, agent: Agent) -> AsyncIterator[Batch]:
        """The events of `synthesise`, several at a time; an empty batch is a sign of life."""
        with speaking_of(About.call(brief)):
            written = Batches(self.synthesise(brief, agent))
        async with aclosing(aiter(written)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                yield batch


RemoteChairmanActor = ray.remote(ChairmanActor)
