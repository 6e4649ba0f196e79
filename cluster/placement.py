"""PURE: which model sits where, who gets the next slot, what to load, what to unload, who waits.

Values in, actions out; asked again after every change, it remembers nothing. What no action is
returned for waits. One agent = one model resident on one PC. The rules, in this order:

1. A demand for a model that no PC has is refused at once, as is one whose every PC fails.
2. A model without an agent is placed: where Ollama has it resident, else where it is on disk and
   there is room, else an idle agent nobody waits for is evicted (the longest unused first).
3. If there is none to evict, a model that sits on several PCs gives one of them up, and a demand
   that waited past `fairness_s` takes the agent of a model nobody waited longer for: no more slots
   of it are granted until it is idle.
4. A free slot of a ready agent goes to the oldest council that wants its model.
5. What room is left is used to share the work of a model whose slots are all taken; nothing is
   ever evicted for that.
6. A PC that is being drained gets only what no other PC can serve, and ends its idle agents but
   those that open councils may still ask for and find nowhere else; a drained PC gets nothing.

PCs to avoid serve only if no other has the model; the chairman's demand prefers the head.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cluster.situation import (
    Action,
    AgentState,
    Evict,
    Grant,
    NodeState,
    Place,
    Refusal,
    Reject,
    Wanted,
)


def plan(
    demands: Iterable[Wanted],
    agents: Sequence[AgentState],
    nodes: Sequence[NodeState],
    fairness_s: float,
    owed: frozenset[str] = frozenset(),
) -> tuple[Action, ...]:
    """What to do now. Deterministic; the order of the arguments does not matter. `owed` = models
    that open councils may still ask for, besides what is demanded now."""
    oldest_first = sorted(demands, key=lambda demand: (demand.since, demand.number))
    return tuple(_Plan(oldest_first, agents, nodes, fairness_s).actions(owed))


def emptied(
    demands: Iterable[Wanted],
    agents: Sequence[AgentState],
    nodes: Sequence[NodeState],
    owed: frozenset[str],
) -> tuple[str, ...]:
    """The PCs being drained that are drained now: nothing needs them, and no agent is left."""
    seated = {agent.node for agent in agents}
    needed = still_needed(demands, agents, nodes, owed)
    return tuple(name for name, models in needed.items() if not models and name not in seated)


def still_needed(
    demands: Iterable[Wanted],
    agents: Sequence[AgentState],
    nodes: Sequence[NodeState],
    owed: frozenset[str],
) -> dict[str, frozenset[str]]:
    """For each PC that is being drained: what is demanded or owed and can be had nowhere else."""
    plan = _Plan(list(demands), agents, nodes, 0.0)
    models = owed | plan.longest_wait.keys()
    return {
        node.name: frozenset(model for model in models if plan.needs(node, model))
        for node in plan.nodes
        if node.duty == "draining"
    }


@dataclass(eq=False)
class _Seat:
    """An agent while the plan is made. `free` = slots that nobody was promised yet."""

    node: NodeState
    model: str
    ready: bool
    busy: int
    last_used: float
    free: int
    giving_way: bool = False


class _Plan:
    """One plan in the making. `room` = agents that a PC may still start, `leaving` = agents on
    their way out there that nobody counted on yet, `taken` = (PC, model) of every agent."""

    def __init__(
        self,
        demands: list[Wanted],
        agents: Sequence[AgentState],
        nodes: Sequence[NodeState],
        fairness_s: float,
    ) -> None:
        self.demands = demands
        self.fairness_s = fairness_s
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.room = {node.name: node.max_models for node in nodes}
        self.leaving = dict.fromkeys(self.room, 0)
        self.taken: set[tuple[str, str]] = set()
        self.longest_wait: dict[str, float] = {}
        self.allowed: dict[tuple[str, frozenset[str]], list[NodeState]] = {}
        self.full: set[tuple[str, frozenset[str]]] = set()
        self.seats: list[_Seat] = []
        by_name = {node.name: node for node in nodes}
        for agent in agents:
            if agent.node in by_name:
                self._count(agent, by_name[agent.node])
        for demand in demands:
            longest = self.longest_wait.get(demand.model, 0.0)
            self.longest_wait[demand.model] = max(longest, demand.waited_s)

    def _count(self, agent: AgentState, node: NodeState) -> None:
        self.room[node.name] -= 1
        self.taken.add((node.name, agent.model))
        if agent.state == "leaving":
            self.leaving[node.name] += 1
            return
        free = max(0, node.num_parallel - agent.busy)
        ready = agent.state == "ready"
        self.seats.append(_Seat(node, agent.model, ready, agent.busy, agent.last_used, free))

    def needs(self, node: NodeState, model: str) -> bool:
        """Whether only PCs that are being drained can serve the model, this one among them."""
        able = self._able(model)
        return node in able and all(other.duty != "serving" for other in able)

    def actions(self, owed: frozenset[str]) -> Iterator[Action]:
        """The rules of the module's head, one after the other."""
        refusals = {model: self._refusal(model) for model in self.longest_wait}
        for demand in self.demands:
            if reason := refusals[demand.model]:
                yield Reject(demand.number, demand.model, reason)
        served = [demand for demand in self.demands if not refusals[demand.model]]
        yield from self._places(served)
        waiting = []
        for demand in served:
            seat = self._best_slot(demand)
            if seat is None:
                waiting.append(demand)
                continue
            seat.free -= 1
            if seat.ready:
                yield Grant(demand.number, demand.model, seat.node.name)
        for demand in waiting:
            yield from self._share(demand)
        yield from self._clear(owed)

    def _refusal(self, model: str) -> Refusal | None:
        """Why nobody can serve the model; None also while a PC has not told yet what it has."""
        holders = self._holders(model)
        staying = [node for node in holders if node.duty != "drained"]
        usable = [node for node in staying if node.usable]
        if self._untold() or any(model not in node.cooling for node in usable):
            return None
        if not staying:
            return "drained" if holders else "absent"
        return "failing" if usable else "unreachable"

    def _untold(self) -> bool:
        return any(
            node.max_models > 0 and node.usable and not node.known and node.duty != "drained"
            for node in self.nodes
        )

    def _holders(self, model: str) -> list[NodeState]:
        seated = {seat.node.name for seat in self.seats if seat.model == model}
        return [
            node
            for node in self.nodes
            if node.max_models > 0 and (model in node.on_disk or node.name in seated)
        ]

    def _able(self, model: str) -> list[NodeState]:
        """The PCs that can serve the model now."""
        return [
            node
            for node in self._holders(model)
            if node.usable and node.duty != "drained" and model not in node.cooling
        ]

    def _allowed(self, demand: Wanted) -> list[NodeState]:
        """The PCs that may serve the demand."""
        key = (demand.model, demand.avoid)
        if key not in self.allowed:
            able = self._able(demand.model)
            fit = [node for node in able if node.duty == "serving"] or able
            self.allowed[key] = [n for n in fit if n.name not in demand.avoid] or fit
        return self.allowed[key]

    def _seats_for(self, demand: Wanted) -> list[_Seat]:
        allowed = self._allowed(demand)
        return [
            seat
            for seat in self.seats
            if seat.model == demand.model and not seat.giving_way and seat.node in allowed
        ]

    def _best_slot(self, demand: Wanted) -> _Seat | None:
        """A slot that is free, or else one that is coming up: the demand then waits for that."""
        if (demand.model, demand.avoid) in self.full:
            return None
        best = min(
            (seat for seat in self._seats_for(demand) if seat.free > 0),
            key=lambda seat: (
                not seat.ready,
                demand.prefer_head and not seat.node.is_head,
                -seat.free,
                seat.node.name,
            ),
            default=None,
        )
        if best is None:
            self.full.add((demand.model, demand.avoid))
        return best

    def _places(self, served: list[Wanted]) -> Iterator[Action]:
        """Places every wanted model that has no agent; who waited past the bound comes first."""
        done: set[str] = set()
        seated: set[tuple[str, frozenset[str]]] = set()
        for demand in sorted(served, key=lambda demand: -self._overdue_s(demand)):
            if demand.model in done or (demand.model, demand.avoid) in seated:
                continue
            if self._seats_for(demand):
                seated.add((demand.model, demand.avoid))
                continue
            target = self._roomy(demand)
            coming = next((n for n in self._allowed(demand) if self.leaving[n.name] > 0), None)
            victim = None if target or coming else self._victim(demand)
            if target:
                yield self._place(demand.model, target)
            elif coming:
                self.leaving[coming.name] -= 1
            elif victim:
                victim.giving_way = True
                if victim.busy == 0:
                    yield Evict(victim.model, victim.node.name)
            else:
                continue
            done.add(demand.model)

    def _overdue_s(self, demand: Wanted) -> float:
        """How long the demand has waited, once that is past the bound; else 0."""
        return demand.waited_s if demand.waited_s > self.fairness_s else 0.0

    def _roomy(self, demand: Wanted) -> NodeState | None:
        """Where another agent of the model can start now."""
        return min(
            (
                node
                for node in self._allowed(demand)
                if self.room[node.name] > 0 and (node.name, demand.model) not in self.taken
            ),
            key=lambda node: (
                demand.prefer_head and not node.is_head,
                demand.model not in node.resident,
                -self.room[node.name],
                node.name,
            ),
            default=None,
        )

    def _place(self, model: str, node: NodeState) -> Place:
        self.room[node.name] -= 1
        self.taken.add((node.name, model))
        self.seats.append(_Seat(node, model, False, 0, 0.0, node.num_parallel))
        return Place(model, node.name)

    def _victim(self, demand: Wanted) -> _Seat | None:
        """The agent that gives way: idle and unwanted, else a spare, else past the bound any."""
        allowed = self._allowed(demand)
        ready = [s for s in self.seats if s.ready and not s.giving_way and s.node in allowed]
        unwanted = [s for s in ready if s.busy == 0 and s.model not in self.longest_wait]
        spare = [s for s in ready if self._is_spare(s)]
        overdue = [s for s in ready if self._may_take(s, demand)]
        return min(
            unwanted or spare or overdue,
            key=lambda s: (
                s.busy,
                demand.prefer_head and not s.node.is_head,
                s.last_used,
                s.node.name,
                s.model,
            ),
            default=None,
        )

    def _is_spare(self, seat: _Seat) -> bool:
        return any(
            other is not seat and other.ready and not other.giving_way and other.node.usable
            for other in self.seats
            if other.model == seat.model and other.node.duty == "serving"
        )

    def _may_take(self, seat: _Seat, demand: Wanted) -> bool:
        return self.longest_wait.get(seat.model, 0.0) < self._overdue_s(demand)

    def _share(self, demand: Wanted) -> Iterator[Action]:
        """A second agent for a model whose slots are all taken, where there is room anyway."""
        coming = self._best_slot(demand)
        if coming:
            coming.free -= 1
        elif target := self._roomy(demand):
            yield self._place(demand.model, target)
            self.seats[-1].free -= 1
            self.full = {key for key in self.full if key[0] != demand.model}

    def _clear(self, owed: frozenset[str]) -> Iterator[Action]:
        """The agents that PCs on their way out can do without."""
        for seat in self.seats:
            wanted = owed | self.longest_wait.keys() if seat.node.duty == "draining" else ()
            kept = seat.model in wanted and self.needs(seat.node, seat.model)
            idle = seat.ready and seat.busy == 0 and not seat.giving_way
            if seat.node.duty != "serving" and idle and not kept:
                yield Evict(seat.model, seat.node.name)
