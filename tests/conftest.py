"""What every tier shares: async tests run on asyncio through anyio's own plugin; generated tests
take few examples at each run and many with HYPOTHESIS_PROFILE=thorough."""

import os

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
