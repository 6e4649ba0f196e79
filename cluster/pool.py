"""One late-binding queue for all model calls, and the agents that serve it. Knows nothing of Ray.

Requests wait here, not at an agent. Whatever changes (a request, a slot given back, an agent ready
or lost, a PC's report), placement plans again; this file only does what it says. What happens on
the PCs goes through `Hosts`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from actors.council.table.model_names import canonical
from actors.errors import (
    CallCancelled,
    CallTimeout,
    ModelCallError,
    ModelNotAvailable,
    NodeGone,
    NodeNotFound,
    NodeUnreachable,
    StoreUnavailable,
    model_call_error,
)
from actors.messages.nodes import Duty, ModelLimits, NodeReport, NodeStanding
from actors.messages.occupancy import Occupancy
from actors.pool import Demand, Lease
from actors.sessions.retries import RetryBudget
from cluster.drains import Drains
from cluster.hosts import Hosts
from cluster.occupancy import occupancy
from cluster.placement import emptied, plan, still_needed
from cluster.residents import Resident, Residents
from cluster.roster import Roster
from cluster.scouts import Scouts
from cluster.shares import Shares
from cluster.situation import AgentState, Evict, Grant, NodeState, Place, Reject, Wanted
from cluster.watched import Watched

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolConfig:
    """Seconds, and `num_ctx` in tokens. `fairness_s`: after that wait a demand may take the place
    of a model that others still want; `cooldown_s`: how long a PC is spared a model that failed
    to load there; `return_s`: how long a model is waited for whose PC went away; `report_s`,
    `watch_s`: how often a PC is asked for its report, and Ray for its PCs."""

    num_ctx: int = 4096
    fairness_s: float = 30.0
    cooldown_s: float = 30.0
    return_s: float = 45.0
    report_s: float = 5.0
    watch_s: float = 1.0
    drains: Path | None = None
    """Where it is noted which PCs are being taken out."""


@dataclass(eq=False)
class _Waiter:
    demand: Demand
    asked_at: float
    resident: asyncio.Future[Resident]


@dataclass(frozen=True)
class _Missing:
    """Models of which one is waited for, and who is told which of them are there."""

    models: frozenset[str]
    there: asyncio.Future[frozenset[str]]


class CouncilPool:
    """Implements `actors.pool.Pool` over `Hosts`. Starts itself at the first question."""

    def __init__(self, config: PoolConfig, hosts: Hosts) -> None:
        self.retries = RetryBudget()
        self.num_ctx = config.num_ctx
        self._hosts = hosts
        self._config = config
        self._roster = Roster(config.cooldown_s, config.return_s)
        self._drains = Drains(config.drains)
        self._owed: frozenset[str] | None = None
        self._residents = Residents(hosts, self._roster, self._changed)
        self._scouts = Scouts(
            hosts, self._roster, self._residents, self._changed, config.watch_s, config.report_s
        )
        self._shares = Shares(_now)
        self._waiters: dict[int, _Waiter] = {}
        self._missing: list[_Missing] = []
        self._numbers = 0
        self._planning = False

    @asynccontextmanager
    async def lease(self, demand: Demand) -> AsyncIterator[Lease]:
        """Waits for a slot. Raises `CallTimeout`, and the `ModelCallError` that says why no PC can
        serve the model: `NodeGone`, `ModelNotAvailable`, `NodeUnreachable`, or the failure to load
        it."""
        asked_at = _now()
        resident = await self._slot(replace(demand, model=canonical(demand.model)), asked_at)
        try:
            with self._shares.call(resident.site.node) as share:
                yield Lease(
                    agent=Watched(resident.ready_agent(), partial(self._residents.heard, resident)),
                    node=resident.site.node,
                    num_ctx=self._config.num_ctx,
                    queue_ms=round((_now() - asked_at) * 1000),
                    share=share,
                )
        finally:
            self._residents.release(resident)

    async def back(self, models: frozenset[str]) -> frozenset[str]:
        """Waits until some PC has one of these models (again). Returns those that are there."""
        missing = _Missing(models, asyncio.get_running_loop().create_future())
        self._missing.append(missing)
        try:
            await self._scouts.ready()
            self._changed()
            return await missing.there
        finally:
            self._missing.remove(missing)

    async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
        """What every PC told last, by name; a PC that is gone is not in it. `fresh`: asks them all
        now, and waits for those that answer soon."""
        await self._scouts.ready()
        if fresh:
            await self._scouts.refresh()
        return tuple(
            report.model_copy(
                update={
                    "agents": self._residents.models_on(report.name),
                    "duty": self._duty(report.name),
                }
            )
            for report in self._roster.reports()
        )

    async def limits(self, model: str) -> ModelLimits:
        """As a PC that has it tells them. Raises `ModelNotAvailable`, or why none tells."""
        await self._scouts.ready()
        name, failure = canonical(model), None
        for entry in self._roster.with_model(name):
            told = await self._hosts.limits(entry.view, entry.installed[name])
            if isinstance(told, ModelLimits):
                return told
            failure = told
        if failure is None:
            raise self._refusal(name, "absent")
        raise model_call_error(failure.code, failure.detail)

    def expect(self, models: Iterable[str]) -> None:
        """What open councils may still ask for; no PC counts as drained before that was told."""
        self._owed = frozenset(map(canonical, models))
        self._changed()

    async def standings(self) -> tuple[NodeStanding, ...]:
        """How every PC that is there takes part, by name."""
        await self._scouts.ready()
        return tuple(map(self._standing, sorted(self._roster.entries)))

    def occupancy(self) -> Occupancy:
        """Of the PCs that were seen so far."""
        return occupancy(*self._situation())

    async def drain(self, node: str) -> NodeStanding:
        """Raises `NodeNotFound`, `StoreUnavailable`."""
        return await self._send(node, "draining")

    async def readmit(self, node: str) -> NodeStanding:
        """Raises `NodeNotFound`, `StoreUnavailable`."""
        return await self._send(node, "serving")

    async def close(self) -> None:
        """Lets go of the PCs; agents stay, for the next pool."""
        await self._scouts.close()
        await self._residents.close()
        answers: list[asyncio.Future[Any]] = [
            *(waiter.resident for waiter in self._waiters.values()),
            *(missing.there for missing in self._missing),
        ]
        for answer in answers:
            if not answer.done():
                answer.set_exception(CallCancelled("The pool was closed."))

    async def _slot(self, demand: Demand, asked_at: float) -> Resident:
        waiter = _Waiter(demand, asked_at, asyncio.get_running_loop().create_future())
        self._numbers += 1
        number = self._numbers
        try:
            async with asyncio.timeout(demand.timeout_s):
                await self._scouts.ready()
                if not self._roster.known(demand.model):
                    self._scouts.ask_again()
                self._waiters[number] = waiter
                self._changed()
                return await waiter.resident
        except BaseException as error:
            given = waiter.resident
            if given.done() and not given.cancelled() and not given.exception():
                self._residents.release(given.result())
            if isinstance(error, TimeoutError):
                raise CallTimeout(
                    f"No slot for {demand.model} came free within {demand.timeout_s:g} s."
                ) from None
            raise
        finally:
            if self._waiters.pop(number, None):
                self._changed()

    async def _send(self, node: str, duty: Duty) -> NodeStanding:
        await self._scouts.ready()
        entry = self._roster.entries.get(node)
        if entry is None:
            there = ", ".join(sorted(self._roster.entries)) or "none"
            raise NodeNotFound(f"No PC of that name is in the council just now. There is: {there}.")
        if (duty == "serving") != (self._duty(node) == "serving"):
            try:
                self._drains.note(entry.view, duty)
            except OSError as error:
                raise StoreUnavailable(f"It cannot be noted down: {error.strerror}.") from None
            log.info("%s is %s", node, duty)
            self._changed()
        return self._standing(node)

    def _duty(self, node: str) -> Duty:
        return self._drains.duty(self._roster.entries[node].view)

    def _standing(self, node: str) -> NodeStanding:
        entry = self._roster.entries[node]
        agents = [agent for agent in self._residents.states() if agent.node == node]
        needed = still_needed(*self._situation(), self._owed or frozenset())
        return NodeStanding(
            name=node,
            ip=entry.view.ip,
            role="head" if entry.view.is_head else "worker",
            state=self._duty(node),
            breaker_open=entry.breaker.open,
            calls=sum(agent.busy for agent in agents),
            max_models=entry.view.ollama,
            agents=tuple(sorted(agent.model for agent in agents)),
            loading=tuple(sorted(agent.model for agent in agents if agent.state == "starting")),
            owed=tuple(sorted(needed.get(node, ()))),
        )

    def _changed(self) -> None:
        """Plans once, soon, however much changed at once."""
        if not self._planning:
            self._planning = True
            asyncio.get_running_loop().call_soon(self._plan)

    def _plan(self) -> None:
        self._planning = False
        self._tell_who_is_back()
        wanted, agents, nodes = self._situation()
        leaving = any(node.duty != "serving" for node in nodes)
        if not wanted and not leaving:
            return
        now, owed = _now(), self._owed or frozenset()
        for action in plan(wanted, agents, nodes, self._config.fairness_s, owed):
            match action:
                case Grant(number, model, node):
                    self._waiters[number].resident.set_result(self._residents.take(node, model))
                case Place(model, node):
                    self._residents.place(node, model)
                case Evict(model, node):
                    self._residents.evict(node, model)
                case Reject(number, model, reason) if not self._roster.may_return(model, now):
                    self._waiters[number].resident.set_exception(self._refusal(model, reason))

        if leaving and self._owed is not None:
            for name in emptied(*self._situation(), owed):
                self._drained(name)

    def _tell_who_is_back(self) -> None:
        for missing in self._missing:
            there = frozenset(m for m in missing.models if self._roster.known(canonical(m)))
            if there and not missing.there.done():
                missing.there.set_result(there)

    def _situation(
        self,
    ) -> tuple[list[Wanted], tuple[AgentState, ...], tuple[NodeState, ...]]:
        """What placement is told."""
        now = _now()
        wanted = [_wanted(n, w, now) for n, w in self._waiters.items() if not w.resident.done()]
        nodes = [replace(node, duty=self._duty(node.name)) for node in self._roster.states(now)]
        return wanted, self._residents.states(), tuple(nodes)

    def _drained(self, node: str) -> None:
        """Nothing needs the PC any more; it may be switched off."""
        log.info("%s is drained", node)
        try:
            self._drains.note(self._roster.entries[node].view, "drained")
        except OSError as error:  # tried again with the next plan
            log.warning("it cannot be noted down that %s is drained: %s", node, error.strerror)

    def _refusal(self, model: str, reason: str) -> ModelCallError:
        failure = self._roster.last_failure(model, _now())
        if reason == "absent" and self._roster.gone(model):
            return NodeGone(f"The PC that had {model} left the cluster and is not back.")
        if reason == "absent":
            return ModelNotAvailable(f"No PC has the model {model}.")
        if reason == "drained":
            return ModelNotAvailable(f"Every PC that has {model} was taken out (drained).")
        if reason == "unreachable" or failure is None:
            return NodeUnreachable(f"No PC that has {model} can be reached just now.")
        return model_call_error(failure.code, failure.detail)


def _wanted(number: int, waiter: _Waiter, now: float) -> Wanted:
    demand = waiter.demand
    return Wanted(
        number=number,
        model=demand.model,
        since=demand.since,
        waited_s=now - waiter.asked_at,
        avoid=demand.avoid,
        prefer_head=demand.prefer_head,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
