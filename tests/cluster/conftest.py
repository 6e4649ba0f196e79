"""Simulated PCs for a module. Where they cannot be made the whole tier is skipped, and why."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Protocol, TypeVar

import pytest

from tests.cluster.hosts import Lan, why_not
from tests.cluster.testbed import Testbed


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


class Keep(Protocol):
    """Keeps a thing until the module's end, and gives it back."""

    def __call__(self, thing: T) -> T: ...


@pytest.fixture(scope="session", autouse=True)
def simulated_pcs(tmp_path_factory: pytest.TempPathFactory) -> None:
    if reason := why_not(tmp_path_factory.mktemp("probe")):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def keep() -> Iterator[Keep]:
    """What the module closes at its end, last made first."""
    with ExitStack() as stack:

        def kept(thing: T) -> T:
            return stack.enter_context(closing(thing))

        yield kept


@pytest.fixture(scope="module")
def lan(keep: Keep, tmp_path_factory: pytest.TempPathFactory) -> Lan:
    """A switch without PCs. Everything on it ends with the module, whatever happened there."""
    return keep(Lan(tmp_path_factory.mktemp("lan")))


@pytest.fixture(scope="module")
def bed(lan: Lan, keep: Keep) -> Testbed:
    """PC1 coordinates, PC2 and PC3 have models; see `testbed.py`."""
    return keep(Testbed(lan))
