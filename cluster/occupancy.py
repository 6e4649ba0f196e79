"""How busy the PCs are, counted from what placement is told. Values only."""

from collections import Counter
from collections.abc import Iterable, Sequence

from actors.messages.occupancy import Occupancy, PcOccupancy
from cluster.situation import AgentState, NodeState, Wanted


def occupancy(
    wanted: Iterable[Wanted], agents: Sequence[AgentState], nodes: Sequence[NodeState]
) -> Occupancy:
    waiting = Counter(demand.model for demand in wanted)
    there = {model: 0 for node in nodes if node.max_models for model in sorted(node.on_disk)}
    pcs = sorted(nodes, key=lambda node: node.name)
    return Occupancy(queued={**there, **waiting}, pcs=tuple(_pc(node, agents) for node in pcs))


def _pc(node: NodeState, agents: Iterable[AgentState]) -> PcOccupancy:
    here = [agent for agent in agents if agent.node == node.name]
    return PcOccupancy(
        name=node.name,
        busy=sum(agent.busy for agent in here),
        slots=node.max_models * node.num_parallel,
        models=tuple(sorted(agent.model for agent in here)),
        breaker_open=not node.usable,
    )
