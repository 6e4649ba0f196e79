"""What is known of every PC: its last report, its breaker, and which models failed to load there.

Holds no clock: `now` (seconds, monotonic) comes in. Knows nothing of Ray and of agents.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from actors.council.table.model_names import canonical
from actors.errors import NodeUnreachable
from actors.messages.calls import CallFailed
from actors.messages.nodes import BreakerState, NodeReport
from cluster.hosts import Site
from cluster.nodes import NodeView
from cluster.situation import NodeState

OPENS_AFTER = 5
"""Consecutive times that a PC's model server could not be reached."""


UNREACHABLE = NodeUnreachable.code
TELLS_NOTHING = {"agent_lost", "cancelled", "timeout"}
"""Failures that do not say whether the PC's model server can be reached."""


@dataclass
class Breaker:
    """`closed`: calls pass. `open`: nobody is sent there until the probe has reached the server;
    then it is `half_open`: the next answer closes it, the next failure opens it again."""

    failures: int = 0
    state: BreakerState = "closed"

    @property
    def open(self) -> bool:
        return self.state == "open"

    def failed(self) -> None:
        self.failures += 1
        if self.state == "half_open" or self.failures >= OPENS_AFTER:
            self.state = "open"

    def answered(self) -> None:
        self.failures = 0
        if self.state == "half_open":
            self.state = "closed"

    def probed(self) -> None:
        """The server answers its version again."""
        if self.state == "open":
            self.state = "half_open"


@dataclass(frozen=True)
class Gone:
    """A PC that left and has not told since what it has: what it had, and when it went."""

    models: frozenset[str]
    at: float


@dataclass
class Entry:
    """One PC. `told` = a report was asked for since the last doubt, whatever came of it."""

    view: NodeView
    told: bool = False
    report: NodeReport | None = None
    reported_at: float = -inf
    installed: dict[str, str] = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)
    cooling: dict[str, tuple[float, CallFailed]] = field(default_factory=dict)


class Roster:
    """Every PC that is alive, by name."""

    def __init__(self, cooldown_s: float, return_s: float) -> None:
        self.entries: dict[str, Entry] = {}
        self._cooldown_s = cooldown_s
        self._return_s = return_s
        self._began: float | None = None
        self._known: set[str] = set()
        self._gone: dict[str, Gone] = {}

    def seen(self, nodes: Iterable[NodeView], now: float) -> tuple[list[NodeView], list[str]]:
        """Takes in who is alive now. Returns who joined (again) and the names of who left."""
        self._began = now if self._began is None else self._began
        alive = {node.name: node for node in nodes}
        joined = [
            node
            for name, node in alive.items()
            if name not in self.entries or self.entries[name].view.node_id != node.node_id
        ]
        left = [name for name in self.entries if name not in alive]
        for name in left:
            self._missed(name, self.entries.pop(name), now)
        for node in joined:
            if former := self.entries.get(node.name):
                self._missed(node.name, former, now)
            self.entries[node.name] = Entry(node)
        return joined, left

    def reported(self, name: str, report: NodeReport, now: float) -> None:
        """Takes in what a PC told. Keeps the models it had when its server does not answer, so that
        they are unreachable rather than absent, and the last report with a server in it."""
        entry = self.entries.get(name)
        if entry is None:
            return
        entry.told, entry.reported_at = True, now
        status = report.ollama
        if status or not entry.report:
            entry.report = report
        if status and status.connected:
            entry.breaker.probed()
            entry.cooling = {m: c for m, c in entry.cooling.items() if c[1].code != UNREACHABLE}
            entry.installed = {canonical(model.name): model.name for model in status.installed}
            self._gone.pop(name, None)
            self._known.update(entry.installed)
        elif status:
            entry.breaker.failed()

    def _missed(self, name: str, entry: Entry, now: float) -> None:
        """Remembers what a PC had until it tells again, even where it leaves before that."""
        before = self._gone.get(name)
        models = frozenset(entry.installed) or (before.models if before else frozenset())
        self._gone[name] = Gone(models, now)

    def due(self, now: float, every_s: float) -> list[NodeView]:
        """The PCs that were not heard for that long."""
        return [e.view for e in self.entries.values() if now - e.reported_at >= every_s]

    def reports(self) -> tuple[NodeReport, ...]:
        """The last report of every PC that told one, by name, with its breaker as it is now."""
        reports = [
            entry.report.model_copy(update={"breaker": entry.breaker.state})
            for entry in self.entries.values()
            if entry.report
        ]
        return tuple(sorted(reports, key=lambda report: report.name))

    def doubt(self, now: float, older_than_s: float) -> list[NodeView]:
        """The PCs whose report is too old to refuse a model by; nothing is refused until they told
        again."""
        doubted = [e for e in self.entries.values() if now - e.reported_at > older_than_s]
        for entry in doubted:
            entry.told = False
        return [entry.view for entry in doubted]

    def called(self, name: str, failure: CallFailed | None) -> None:
        """Takes in how a call to a PC ended, for its breaker."""
        entry = self.entries.get(name)
        if entry is None:
            return
        if failure is None or failure.code not in TELLS_NOTHING | {UNREACHABLE}:
            entry.breaker.answered()
        elif failure.code == UNREACHABLE:
            entry.breaker.failed()

    def load_failed(self, name: str, model: str, failure: CallFailed, now: float) -> None:
        """The model is not tried again on that PC for a while."""
        if name in self.entries:
            self.entries[name].cooling[model] = (now + self._cooldown_s, failure)
            self.called(name, failure)

    def last_failure(self, model: str, now: float) -> CallFailed | None:
        """Why the model could not be loaded, as the last PC said."""
        failures = [e.cooling[model] for e in self.entries.values() if model in e.cooling]
        current = [
            failure for until, failure in sorted(failures, key=lambda f: f[0]) if until > now
        ]
        return current[-1] if current else None

    def may_return(self, model: str, now: float) -> bool:
        """Whether a PC that had the model left so lately that it may come back (cable, sleep). A
        model that nobody ever told of counts too: sessions that were open before know models of PCs
        that are not back yet."""
        left = [gone.at for gone in self._gone.values() if model in gone.models]
        if model not in self._known and self._began is not None:
            left.append(self._began)
        return any(now < at + self._return_s for at in left)

    def gone(self, model: str) -> bool:
        """Whether the model went with its PC, rather than from it."""
        return model not in self._known or any(model in g.models for g in self._gone.values())

    def known(self, model: str) -> bool:
        """Whether some PC that is there has the model."""
        return any(model in e.installed for e in self.entries.values() if e.view.ollama > 0)

    def with_model(self, model: str) -> list[Entry]:
        """The PCs that have the model, those that can be reached first."""
        having = [entry for entry in self.entries.values() if model in entry.installed]
        return sorted(having, key=lambda entry: entry.breaker.open)

    def site(self, name: str, model: str) -> Site:
        """Where an agent for the model would sit on that PC, which has told its server."""
        entry = self.entries[name]
        status = entry.report.ollama if entry.report else None
        return Site(
            node=name,
            model=entry.installed.get(canonical(model), model),
            url=status.url if status else "",
            num_parallel=entry.report.num_parallel if entry.report else 1,
        )

    def told_server(self, name: str) -> bool:
        """Whether the PC is there and has told of its model server, up or down."""
        entry = self.entries.get(name)
        return bool(entry and entry.report and entry.report.ollama)

    def states(self, now: float) -> tuple[NodeState, ...]:
        """The PCs as placement wants them."""
        return tuple(_state(entry, now) for entry in self.entries.values())


def _state(entry: Entry, now: float) -> NodeState:
    status = entry.report.ollama if entry.report else None
    return NodeState(
        name=entry.view.name,
        max_models=entry.view.ollama,
        num_parallel=entry.report.num_parallel if entry.report else 1,
        is_head=entry.view.is_head,
        known=entry.told,
        usable=not entry.breaker.open,
        on_disk=frozenset(entry.installed),
        resident=frozenset(canonical(model.name) for model in (status.loaded if status else ())),
        cooling=frozenset(m for m, (until, _) in entry.cooling.items() if until > now),
    )
