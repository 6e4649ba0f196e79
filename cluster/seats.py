"""The agents that there are: starting, ready, leaving, and how many of their slots are in use.

Does what the pool's plan says; every start and stop runs in a task of its own and asks for a new
plan when it is over. Knows nothing of demands.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from actors.messages.calls import Agent, CallFailed
from cluster.hosts import Hosts, Site
from cluster.roster import Roster, canonical
from cluster.situation import AgentState

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Seat:
    """One agent on one PC. `key` = (PC, model's canonical name)."""

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


class Seats:
    """Every agent by (PC, model). `changed` is called whenever a new plan may be due."""

    def __init__(self, hosts: Hosts, roster: Roster, changed: Callable[[], None]) -> None:
        self._hosts = hosts
        self._roster = roster
        self._changed = changed
        self._seats: dict[tuple[str, str], Seat] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def states(self) -> tuple[AgentState, ...]:
        """The agents as placement wants them."""
        return tuple(
            AgentState(seat.key[0], seat.key[1], seat.state, seat.busy, seat.last_used)
            for seat in self._seats.values()
        )

    def models_on(self, node: str) -> tuple[str, ...]:
        """Models with a ready agent on that PC."""
        return tuple(
            sorted(
                s.site.model
                for s in self._seats.values()
                if s.key[0] == node and s.state == "ready"
            )
        )

    def take(self, node: str, model: str) -> Seat:
        """One slot more in use."""
        seat = self._seats[node, model]
        seat.busy += 1
        seat.last_used = _now()
        return seat

    def release(self, seat: Seat) -> None:
        """One slot less. The seat may be long gone."""
        seat.busy -= 1
        seat.last_used = _now()
        self._changed()

    def place(self, node: str, model: str) -> None:
        """Starts an agent; it is ready once its model is loaded."""
        self.adopt(self._roster.site(node, model))

    def adopt(self, site: Site) -> None:
        """Takes over an agent that may be there already, in the same way."""
        key = (site.node, canonical(site.model))
        seat = self._seats[key] = Seat(key, site)
        self._run(self._start(seat))

    def bury(self, site: Site) -> None:
        """Ends an agent that nobody took over: its PC is gone."""
        self._run(self._hosts.stop(site))

    def evict(self, node: str, model: str) -> None:
        """Ends an agent; its room is free once the model is unloaded."""
        self._leave(self._seats[node, model])

    def lost(self, node: str) -> None:
        """A PC has left, or came back as new: its agents are gone."""
        for seat in self._seats.values():
            if seat.key[0] == node and seat.state != "leaving":
                self._leave(seat)

    def heard(self, seat: Seat, failure: CallFailed | None) -> None:
        """How a call to the seat's agent ended."""
        self._roster.called(seat.key[0], failure)
        if seat.state != "ready" or failure is None:
            return
        if failure.code == "agent_lost":
            seat.state = "starting"
            self._run(self._start(seat))
        elif failure.code == "model_not_available":
            self._leave(seat)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _leave(self, seat: Seat) -> None:
        seat.state = "leaving"
        self._run(self._stop(seat))

    async def _start(self, seat: Seat) -> None:
        outcome = await self._hosts.start(seat.site)
        if seat.state != "starting":
            return
        if not isinstance(outcome, CallFailed):
            seat.agent, seat.state, seat.last_used = outcome, "ready", _now()
            self._roster.called(seat.key[0], None)
            return
        log.warning("agent %s failed to start: %s", seat.key, outcome.code)
        self._roster.load_failed(*seat.key, outcome, _now())
        self._leave(seat)

    async def _stop(self, seat: Seat) -> None:
        try:
            await self._hosts.stop(seat.site)
        finally:
            del self._seats[seat.key]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._then_changed(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _then_changed(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._changed()


def _now() -> float:
    return asyncio.get_running_loop().time()
