"""Which PCs serve, are being taken out, and are out; and what each still owes before it may go.

What was decided is kept by `Drains`; what a PC still owes, placement says. Knows no slots.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from actors.council.table.model_names import canonical
from actors.errors import NodeNotFound, StoreUnavailable
from actors.messages.nodes import Duty, NodeStanding
from cluster.drains import Drains
from cluster.placement import emptied, still_needed
from cluster.residents import Residents
from cluster.roster import Roster
from cluster.situation import NodeState, Wanted

log = logging.getLogger(__name__)


class Duties:
    """`changed` is called when placement has to plan again. `owed`: the models that open councils
    may still ask for; until that was told no PC counts as drained."""

    def __init__(
        self,
        notes: Path | None,
        roster: Roster,
        residents: Residents,
        changed: Callable[[], None],
    ) -> None:
        self._drains = Drains(notes)
        self._roster = roster
        self._residents = residents
        self._changed = changed
        self._owed: frozenset[str] | None = None

    @property
    def owed(self) -> frozenset[str]:
        return self._owed or frozenset()

    def expect(self, models: Iterable[str]) -> None:
        self._owed = frozenset(map(canonical, models))
        self._changed()

    def duty(self, node: str) -> Duty:
        return self._drains.duty(self._roster.entries[node].view)

    def states(self) -> tuple[NodeState, ...]:
        """Every PC as placement is told of it."""
        now = asyncio.get_running_loop().time()
        states = self._roster.states(now)
        return tuple(replace(node, duty=self.duty(node.name)) for node in states)

    def send(self, node: str, duty: Duty) -> None:
        """Takes a PC out (`draining`), or in again. Raises `NodeNotFound`, `StoreUnavailable`."""
        entry = self._roster.entries.get(node)
        if entry is None:
            there = ", ".join(sorted(self._roster.entries)) or "none"
            raise NodeNotFound(f"No PC of that name is in the council just now. There is: {there}.")
        if (duty == "serving") == (self.duty(node) == "serving"):
            return
        try:
            self._drains.note(entry.view, duty)
        except OSError as error:
            raise StoreUnavailable(f"It cannot be noted down: {error.strerror}.") from None
        log.info("%s is %s", node, duty)
        self._changed()

    def standing(self, node: str, wanted: Sequence[Wanted]) -> NodeStanding:
        """How a PC takes part, while these demands wait."""
        entry = self._roster.entries[node]
        agents = [agent for agent in self._residents.states() if agent.node == node]
        needed = still_needed(wanted, self._residents.states(), self.states(), self.owed)
        return NodeStanding(
            name=node,
            ip=entry.view.ip,
            role="head" if entry.view.is_head else "worker",
            state=self.duty(node),
            breaker_open=entry.breaker.open,
            calls=sum(agent.busy for agent in agents),
            max_models=entry.view.ollama,
            agents=tuple(sorted(agent.model for agent in agents)),
            loading=tuple(sorted(agent.model for agent in agents if agent.state == "starting")),
            owed=tuple(sorted(needed.get(node, ()))),
        )

    def release(self, wanted: Sequence[Wanted]) -> None:
        """Notes which of the PCs that are being taken out may be switched off: nothing needs them
        any more, and no agent is left there."""
        if self._owed is None:
            return
        for node in emptied(wanted, self._residents.states(), self.states(), self._owed):
            log.info("%s is drained", node)
            try:
                self._drains.note(self._roster.entries[node].view, "drained")
            except OSError as error:  # tried again with the next plan
                log.warning("it cannot be noted down that %s is drained: %s", node, error.strerror)
