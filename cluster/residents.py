"""The models that sit on PCs, each by its agent: starting, ready, leaving, slots in use.

Does what the pool's plan says; every start and stop runs in a task of its own and asks for a new
plan when it is over. Knows nothing of demands.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from actors.council.table.model_names import canonical
from actors.messages.calls import Agent, CallFailed
from actors.telemetry.about import nobody
from cluster.hosts import Hosts, Site
from cluster.roster import Roster
from cluster.situation import AgentState

log = logging.getLogger(__name__)

STARTS = 3
"""How often an agent whose process dies while it starts is started, before its model is left alone
on that PC for a while."""


@dataclass(eq=False)
class Resident:
    """A model that sits on one PC, by its agent. `key` = (PC, model's canonical name)."""

    key: tuple[str, str]
    site: Site
    state: Literal["starting", "ready", "leaving"] = "starting"
    agent: Agent | None = None
    busy: int = 0
    last_used: float = 0.0

    def ready_agent(self) -> Agent:
        """The agent as it last was ready; a slot is only given out after that."""
        assert self.agent is not None
        return self.agent


class Residents:
    """Every agent by (PC, model). `changed` is called whenever a new plan may be due."""

    def __init__(self, hosts: Hosts, roster: Roster, changed: Callable[[], None]) -> None:
        self._hosts = hosts
        self._roster = roster
        self._changed = changed
        self._residents: dict[tuple[str, str], Resident] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def states(self) -> tuple[AgentState, ...]:
        """The agents as placement wants them."""
        return tuple(
            AgentState(
                resident.key[0], resident.key[1], resident.state, resident.busy, resident.last_used
            )
            for resident in self._residents.values()
        )

    def models_on(self, node: str) -> tuple[str, ...]:
        """Models with a ready agent on that PC."""
        return tuple(
            sorted(
                s.site.model
                for s in self._residents.values()
                if s.key[0] == node and s.state == "ready"
            )
        )

    def take(self, node: str, model: str) -> Resident:
        """One slot more in use."""
        resident = self._residents[node, model]
        resident.busy += 1
        resident.last_used = _now()
        return resident

    def release(self, resident: Resident) -> None:
        """One slot less. The resident may be long gone."""
        resident.busy -= 1
        resident.last_used = _now()
        self._changed()

    def place(self, node: str, model: str) -> None:
        """Starts an agent; it is ready once its model is loaded."""
        self.adopt(self._roster.site(node, model))

    def adopt(self, site: Site) -> None:
        """Takes over an agent that may be there already, in the same way."""
        key = (site.node, canonical(site.model))
        resident = self._residents[key] = Resident(key, site)
        self._run(self._start(resident))

    def bury(self, site: Site) -> None:
        """Ends an agent that nobody took over: its PC is gone."""
        self._run(self._hosts.stop(site))

    def evict(self, node: str, model: str) -> None:
        """Ends an agent; its room is free once the model is unloaded."""
        self._leave(self._residents[node, model])

    def lost(self, node: str) -> None:
        """A PC has left, or came back as new: its agents are gone."""
        for resident in self._residents.values():
            if resident.key[0] == node and resident.state != "leaving":
                self._leave(resident)

    def heard(self, resident: Resident, failure: CallFailed | None) -> None:
        """How a call to the resident's agent ended."""
        self._roster.called(resident.key[0], failure)
        if resident.state != "ready" or failure is None:
            return
        if failure.code == "agent_lost":
            resident.state = "starting"
            self._run(self._start(resident))
        elif failure.code == "model_not_available":
            self._leave(resident)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _leave(self, resident: Resident) -> None:
        resident.state = "leaving"
        self._run(self._stop(resident))

    async def _start(self, resident: Resident) -> None:
        outcome = await self._started(resident)
        if resident.state != "starting":
            return
        if not isinstance(outcome, CallFailed):
            resident.agent, resident.state, resident.last_used = outcome, "ready", _now()
            self._roster.called(resident.key[0], None)
            return
        log.warning("agent %s failed to start: %s", resident.key, outcome.code)
        self._roster.load_failed(*resident.key, outcome, _now())
        self._leave(resident)

    async def _started(self, resident: Resident) -> Agent | CallFailed:
        """Again where the agent's process died meanwhile: that says nothing of its model."""
        for _ in range(STARTS):
            outcome = await self._hosts.start(resident.site)
            died = isinstance(outcome, CallFailed) and outcome.code == "agent_lost"
            if not died or resident.state != "starting":
                break
        return outcome

    async def _stop(self, resident: Resident) -> None:
        try:
            await self._hosts.stop(resident.site)
        finally:
            del self._residents[resident.key]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._then_changed(work), context=nobody())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _then_changed(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._changed()


def _now() -> float:
    return asyncio.get_running_loop().time()
