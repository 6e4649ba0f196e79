"""A whole council over HTTP on a real socket, in this process: `tests/local_council.py`, served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from actors.pc.energy import POWERCAP
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from serve_app.listener import listening
from tests.fakes import FakeOllama
from tests.local_council import LocalCouncil, LocalPc, local_council

SESSIONS = "/api/council/sessions"
API = ApiConfig("1", "3.11", "2.60")


@asynccontextmanager
async def served(
    home: Path,
    *fakes: FakeOllama,
    parallel: int = 1,
    powercap: Path = POWERCAP,
    api: ApiConfig = API,
    **config: Any,
) -> AsyncIterator[tuple[httpx.AsyncClient, LocalCouncil]]:
    """The HTTP interface on a socket, over a council with one PC a fake."""
    pcs = [
        LocalPc(f"pc{n}", fake.url, num_parallel=parallel, is_head=n == 1, powercap=powercap)
        for n, fake in enumerate(fakes, 1)
    ]
    async with (
        local_council(home, *pcs, **config) as council,
        listening(build_api(council, api), "127.0.0.1", 0) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60,
            limits=httpx.Limits(max_connections=None),
        ) as http,
    ):  # fmt: skip
        yield http, council


async def until_it_is(http: httpx.AsyncClient, session_id: str, *stages: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            session = (await http.get(f"{SESSIONS}/{session_id}")).json()
            if session["stage"] in stages:
                return dict(session)
            await asyncio.sleep(0.02)


async def until_complete(http: httpx.AsyncClient, session_id: str) -> dict[str, Any]:
    return await until_it_is(http, session_id, "complete", "error")
