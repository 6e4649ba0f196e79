"""The unit tier waits for nothing: no pause between two attempts at a call."""

from collections.abc import Iterator

import pytest

from actors.sessions import calls


@pytest.fixture(autouse=True, scope="module")
def no_pause() -> Iterator[None]:
    before, calls.PAUSE_S = calls.PAUSE_S, 0.0
    yield
    calls.PAUSE_S = before
