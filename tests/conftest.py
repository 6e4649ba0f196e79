"""What every tier shares: async tests run on asyncio through anyio's own plugin."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
