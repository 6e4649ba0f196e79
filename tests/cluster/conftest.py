"""Simulated PCs for a module. Where they cannot be made the whole tier is skipped, and why."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Protocol, TypeVar

import pytest

from tests.cluster.hosts import Lan, why_not


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)
Keep = Callable[[T], T]


@pytest.fixture(scope="session", autouse=True)
def simulated_pcs() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def keep() -> Iterator[Keep]:  # type: ignore[type-arg]
    """What the module closes at its end, last made first."""
    with ExitStack() as stack:
        yield lambda thing: stack.enter_context(closing(thing))


@pytest.fixture(scope="module")
def lan(keep: Keep, tmp_path_factory: pytest.TempPathFactory) -> Lan:  # type: ignore[type-arg]
    """A switch without PCs. Everything on it ends with the module, whatever happened there."""
    lan: Lan = keep(Lan(tmp_path_factory.mktemp("lan")))
    return lan
