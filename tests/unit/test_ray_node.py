"""How a node starts: by what `ray start` says and how it ends another try is worth it, or not."""

from pathlib import Path

import pytest

from cluster import ray_node
from cluster.ports import free_ports
from cluster.ray_node import NodeDidNotStart
from cluster.settings import Settings


def started(home: Path, script: str) -> ray_node.Node | None:
    settings = Settings(home=home)
    ports = free_ports(settings.ray_port)
    return ray_node._start(["sh", "-c", script], {}, settings, ports, "ray-pc1")


def test_a_node_stands_once_ray_says_so(tmp_path: Path) -> None:
    node = started(tmp_path, "echo Ray runtime started; exec sleep 60")
    assert node is not None
    assert node.process.is_running()
    ray_node.processes.end([node.process])


@pytest.mark.parametrize(
    "script",
    [
        "echo 'bind: Address already in use'; exit 1",
        "echo Local node IP: 10.0.0.1; kill -SEGV $$",
    ],
)
def test_a_port_taken_or_a_crash_is_worth_another_try(tmp_path: Path, script: str) -> None:
    assert started(tmp_path, script) is None


def test_a_refusal_is_told_with_how_it_ended_and_the_last_words(tmp_path: Path) -> None:
    with pytest.raises(NodeDidNotStart) as refused:
        started(tmp_path, "echo Local node IP: 10.0.0.1; echo no such token >&2; exit 3")
    first, where = str(refused.value).splitlines()
    assert first == "Ray did not start (exit code 3): no such token"
    assert where.endswith("ray-pc1.log")


def test_what_says_nothing_for_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_node, "START_S", 0.3)
    with pytest.raises(NodeDidNotStart, match=r"does not stand after 0.3 s"):
        started(tmp_path, "echo Local node IP: 10.0.0.1; exec sleep 60")
