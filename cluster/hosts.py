"""What the pool asks of the PCs: who is there, what they have, start and stop an agent on one.

`cluster.ray_pool` implements it over Ray; tests implement it without.
"""

from dataclasses import dataclass
from typing import Protocol

from actors.messages.calls import Agent, CallFailed
from actors.messages.nodes import ModelLimits, NodeReport
from cluster.nodes import NodeView


@dataclass(frozen=True)
class Site:
    """Where an agent is wanted: `model` as the PC's own list names it, `url` of its server."""

    node: str
    model: str
    url: str = ""
    num_parallel: int = 1


class Hosts(Protocol):
    async def nodes(self) -> tuple[NodeView, ...]:
        """The PCs that are alive now."""
        ...

    async def report(self, node: NodeView) -> NodeReport:
        """What the PC tells of itself now; without vitals and server if it does not answer in
        time."""
        ...

    async def limits(self, node: NodeView, model: str) -> ModelLimits | CallFailed:
        """What the PC's model server tells of a model, named as it names it."""
        ...

    async def start(self, site: Site) -> Agent | CallFailed:
        """An agent there, with its model loaded; takes over one that is there already."""
        ...

    async def stop(self, site: Site) -> None:
        """Unloads the model and ends the agent, as far as it can still be reached. Bounded."""
        ...

    async def found(self) -> tuple[Site, ...]:
        """Agents that a former pool left behind."""
        ...
