"""Ray's records of nodes as PCs."""

from typing import Any

from cluster.nodes import NodeView, views


def record(node_id: str, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {
        "NodeID": node_id,
        "Alive": alive,
        "NodeManagerAddress": "10.0.0.1",
        "Resources": {name.replace("__", ":"): amount for name, amount in resources.items()},
    }


def test_the_head_and_its_models() -> None:
    assert views([record("n1", pc__pc1=1.0, council_head=1.0, ollama=3.0, CPU=2.0)]) == (
        NodeView("pc1", "n1", "10.0.0.1", ollama=3, is_head=True),
    )


def test_dead_nodes_and_strangers_are_left_out() -> None:
    assert views([record("n1", alive=False, pc__pc1=1.0), record("n2", CPU=2.0)]) == ()


def test_a_pc_that_joined_again_is_its_new_self() -> None:
    records = [record("old", alive=False, pc__pc2=1.0), record("new", pc__pc2=1.0)]
    assert [view.node_id for view in views(records)] == ["new"]


def test_pcs_come_by_name() -> None:
    records = [record("n2", pc__pc2=1.0), record("n1", pc__pc1=1.0)]
    assert [view.name for view in views(records)] == ["pc1", "pc2"]
