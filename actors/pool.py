"""What the council asks of the place where models run: a lease on an agent. Knows nothing of PCs.

`cluster.pool` implements it over Ray; tests implement it over one local agent.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from actors.messages.calls import Agent
from actors.messages.nodes import ModelLimits, NodeReport, NodeStanding
from actors.messages.occupancy import Occupancy
from actors.sessions.retries import RetryBudget


@dataclass(frozen=True)
class Demand:
    """Wanted: one slot on an agent that holds `model`.

    `council` groups demands (the session's id), `since` (when it began, in the loop's seconds)
    decides who is older, `avoid` names PCs that just failed this call: used only if no other has
    the model.
    `prefer_head` is the chairman's wish to sit on PC1.
    """

    model: str
    council: str
    since: float
    avoid: frozenset[str] = field(default_factory=frozenset)
    prefer_head: bool = False
    timeout_s: float = 600.0


def _alone() -> float:
    return 1.0


@dataclass(frozen=True)
class Lease:
    """One slot on one agent, held until the context ends. `num_ctx` in tokens; `share`: of the PC
    that this lease had so far, 0 to 1, by how many others were held there meanwhile."""

    agent: Agent
    node: str
    num_ctx: int
    queue_ms: int
    share: Callable[[], float] = _alone


class Pool(Protocol):
    retries: RetryBudget
    """Shared by all calls to these PCs."""
    num_ctx: int
    """Tokens of context that every agent is given."""

    def lease(self, demand: Demand) -> AbstractAsyncContextManager[Lease]:
        """Waits for a slot. Raises `CallTimeout` after `timeout_s`, `NodeGone` when the PC that had
        the model left and did not come back soon, `ModelNotAvailable` when no PC has the model any
        more, `NodeUnreachable` when all that have it are out of reach,
        `CallCancelled` when the pool is closed, and otherwise why no PC could load it."""
        ...

    async def back(self, models: frozenset[str]) -> frozenset[str]:
        """Waits, without a bound of its own, until some PC has one of these models (again).
        Returns those that are there then."""
        ...

    async def reports(self, fresh: bool = False) -> tuple[NodeReport, ...]:
        """What every PC told last, or (`fresh`) tells now; a PC that is gone is not in it."""
        ...

    async def limits(self, model: str) -> ModelLimits:
        """What a PC that has the model tells of it now. Raises `ModelNotAvailable`, and why none
        that has it tells."""
        ...

    def expect(self, models: Iterable[str]) -> None:
        """What open councils may still ask for. Told whenever it changes, and once at the start: no
        PC counts as drained before."""
        ...

    async def standings(self) -> tuple[NodeStanding, ...]:
        """How every PC that is there takes part, by name."""
        ...

    def occupancy(self) -> Occupancy:
        """How busy the PCs are this moment, as far as is known. Asks nobody."""
        ...

    async def drain(self, node: str) -> NodeStanding:
        """Takes a PC out: it is given no call that another PC can serve, and its agents end once
        they are idle. Raises `NodeNotFound`, `StoreUnavailable` where that cannot be noted down."""
        ...

    async def readmit(self, node: str) -> NodeStanding:
        """Lets a PC in again that was being taken out. Raises as `drain` does."""
        ...

    async def close(self) -> None: ...
