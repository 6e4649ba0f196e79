"""The walls: who may import whom, and that the protocol stays pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import actors
import cluster
import serve_app

ROOT = Path(__file__).parents[2]
ARROW = {"actors": set(), "cluster": {"actors"}, "serve_app": {"actors", "cluster"}}
IMPURE = {"ray", "httpx", "asyncio", "time", "random", "os", "secrets", "uuid", "sqlite3", "socket"}
PURE = [*(ROOT / "actors" / "council").rglob("*.py"), ROOT / "cluster" / "placement.py"]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield str(node.module)


@pytest.mark.parametrize("room", ARROW)
def test_imports_follow_the_arrow(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        tops = {name.split(".")[0] for name in imported(path)} & ARROW.keys()
        assert tops <= ARROW[room] | {room}, path


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_the_protocol_and_placement_are_pure(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & IMPURE


def test_only_settings_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for room in ARROW
        for path in (ROOT / room).rglob("*.py")
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    }
    assert readers <= {"cluster/settings.py", "cluster/ray_node.py", "cluster/processes.py"}


def test_only_the_app_imports_ray_serve() -> None:
    users = {
        path.name
        for path in (ROOT / "serve_app").rglob("*.py")
        if "ray.serve" in path.read_text() and "ray.serve" in set(imported(path))
        or "from ray import serve" in path.read_text()
    }  # fmt: skip
    assert users == {"app.py"}


@pytest.mark.parametrize("package", [actors, cluster, serve_app])
def test_the_packages_are_this_repositorys(package: object) -> None:
    assert Path(str(package.__file__)).is_relative_to(ROOT)  # type: ignore[attr-defined]


def test_package_files_hold_a_docstring_and_nothing_else() -> None:
    for room in ARROW:
        for path in (ROOT / room).rglob("__init__.py"):
            body = ast.parse(path.read_text()).body
            assert len(body) == 1 and isinstance(body[0], ast.Expr), path
