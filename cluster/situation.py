"""What placement is told and what it answers: demands, agents, PCs; grant, place, evict, reject.

Values only. `cluster.placement` turns the former into the latter.
"""

from dataclasses import dataclass
from typing import Literal

from actors.messages.nodes import Duty

Refusal = Literal["absent", "failing", "unreachable", "drained"]


@dataclass(frozen=True)
class Wanted:
    """A demand that waits. `since` orders councils, `waited_s` is this demand's own wait."""

    number: int
    model: str
    since: float
    waited_s: float = 0.0
    avoid: frozenset[str] = frozenset()
    prefer_head: bool = False


@dataclass(frozen=True)
class NodeState:
    """One PC. `known` = it has told what it has; `usable` = its breaker is closed; `cooling` =
    models that failed to load there just now; `resident` = in Ollama's memory, agent or not."""

    name: str
    max_models: int
    num_parallel: int = 1
    is_head: bool = False
    known: bool = True
    usable: bool = True
    duty: Duty = "serving"
    on_disk: frozenset[str] = frozenset()
    resident: frozenset[str] = frozenset()
    cooling: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AgentState:
    """One agent. `busy` = slots in use; `last_used` in seconds, greater is later."""

    node: str
    model: str
    state: Literal["starting", "ready", "leaving"]
    busy: int = 0
    last_used: float = 0.0


@dataclass(frozen=True)
class Grant:
    """The demand gets one slot of the agent for `model` on `node`."""

    demand: int
    model: str
    node: str


@dataclass(frozen=True)
class Place:
    """Start an agent: load the model there."""

    model: str
    node: str


@dataclass(frozen=True)
class Evict:
    """End an idle agent: unload the model there."""

    model: str
    node: str


@dataclass(frozen=True)
class Reject:
    """The demand cannot be served: absent = no PC has the model; failing = all that have it
    failed to load it just now; unreachable = all that have it are unreachable; drained = all
    that have it were taken out."""

    demand: int
    model: str
    reason: Refusal


Action = Grant | Place | Evict | Reject
