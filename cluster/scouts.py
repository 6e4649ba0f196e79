"""Keeps the roster fresh: who is alive, and what each PC tells of itself. Knows nothing of demands.

Polls Ray for its PCs and every PC for its report; takes over agents that a former pool left.
"""

import asyncio
from collections.abc import Callable

from actors.telemetry.about import nobody
from cluster.hosts import Hosts, Site
from cluster.nodes import NodeView
from cluster.residents import Residents
from cluster.roster import Roster

FRESH_S = 1.0
"""A report younger than this is believed when it lacks a model that somebody asks for."""
REFRESH_S = 10.0
FIRST_LOOK_S = 20.0
"""How long a PC that does not answer may hold up the very first question: its probe's process must
start before it can."""


class Scouts:
    """`watch_s` between looks at who is alive, `report_s` between reports of one PC."""

    def __init__(
        self,
        hosts: Hosts,
        roster: Roster,
        residents: Residents,
        changed: Callable[[], None],
        watch_s: float,
        report_s: float,
    ) -> None:
        self._hosts = hosts
        self._roster = roster
        self._residents = residents
        self._changed = changed
        self._watch_s = watch_s
        self._report_s = report_s
        self._watching: asyncio.Task[None] | None = None
        self._first_look = asyncio.Event()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._left_over: dict[str, list[Site]] = {}

    async def ready(self) -> None:
        """Starts looking, and waits until every PC that is there was asked once."""
        if self._watching is None:
            loop = asyncio.get_running_loop()
            self._watching = loop.create_task(self._watch(), context=nobody())
        await self._first_look.wait()

    def ask_again(self) -> None:
        """Asks every PC whose report is not quite fresh; until then no model is refused."""
        for node in self._roster.doubt(_now(), FRESH_S):
            self._ask(node)

    async def refresh(self) -> None:
        """Looks who is there and asks every PC now; waits for those that answer soon."""
        await self._look()
        self.ask_again()
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=REFRESH_S)

    async def close(self) -> None:
        tasks = [*self._asking.values(), *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        for site in await self._hosts.found():
            self._left_over.setdefault(site.node, []).append(site)
        await self._look()
        for name in [name for name in self._left_over if name not in self._roster.entries]:
            for site in self._left_over.pop(name):
                self._residents.bury(site)
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=FIRST_LOOK_S)
        self._first_look.set()
        while True:
            self._changed()
            await asyncio.sleep(self._watch_s)
            await self._look()

    async def _look(self) -> None:
        joined, left = self._roster.seen(await self._hosts.nodes(), _now())
        for name in [*left, *(node.name for node in joined)]:
            self._residents.lost(name)
        for node in self._roster.due(_now(), self._report_s):
            self._ask(node)

    def _ask(self, node: NodeView) -> None:
        if node.name not in self._asking:
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._report(node), context=nobody())
            self._asking[node.name] = task
            task.add_done_callback(lambda _: self._asking.pop(node.name, None))

    async def _report(self, node: NodeView) -> None:
        report = await self._hosts.report(node)
        self._roster.reported(node.name, report, _now())
        if self._roster.told_server(node.name):
            for site in self._left_over.pop(node.name, ()):
                self._residents.adopt(self._roster.site(site.node, site.model))
        self._changed()


def _now() -> float:
    return asyncio.get_running_loop().time()
