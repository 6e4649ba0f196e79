"""The PCs that Ray knows of, as values. Knows nothing of models, and does not ask Ray itself.

A PC names itself by the resource `pc:<name>`, says with `ollama: N` how many models it may keep
loaded, and the head has `council_head`. Without a name a node is none of ours and is left out.
The label `council-start` says which command started it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PC = "pc:"
HEAD = "council_head"
OLLAMA = "ollama"
START = "council-start"


@dataclass(frozen=True)
class NodeView:
    """One PC that is alive. `ollama` = models it may keep loaded; `node_id` is Ray's; `start` names
    the command that started the PC: the same where it comes back by itself after a lost link."""

    name: str
    node_id: str
    ip: str
    ollama: int
    is_head: bool
    start: str = ""


def views(records: Iterable[dict[str, Any]]) -> tuple[NodeView, ...]:
    """`ray.nodes()` as PCs, by name. A PC that joined again replaces its dead self."""
    alive = [_view(record) for record in records if record["Alive"]]
    return tuple(sorted({v.name: v for v in alive if v}.values(), key=lambda view: view.name))


def _view(record: dict[str, Any]) -> NodeView | None:
    resources: dict[str, float] = record["Resources"]
    names = [key.removeprefix(PC) for key in resources if key.startswith(PC)]
    if not names:
        return None
    return NodeView(
        name=names[0],
        node_id=record["NodeID"],
        ip=record["NodeManagerAddress"],
        ollama=int(resources.get(OLLAMA, 0)),
        is_head=HEAD in resources,
        start=record.get("Labels", {}).get(START, ""),
    )
