"""Councils over scripted model servers, for the rows of faults.md. Each fake is a PC's."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

from actors.messages.requests import AgentSpec, CouncilRequest
from actors.messages.sessions import CouncilSession
from actors.ollama.deadlines import Deadlines
from cluster.pool import PoolConfig
from tests.fakes import FakeOllama, Request
from tests.local_council import PATIENT, LocalCouncil, LocalPc, local_council, stage_of

ALPHA, BETA, CHAIR, THINKER = "alpha:1b", "beta:1b", "chair:1b", "thinker:1b"
CONNECT_S = 0.8
"""Time enough to be answered while other tiers compute; less than to the first token."""
QUICK = Deadlines(connect_s=CONNECT_S, first_token_s=1.2, stall_s=1.2, generation_s=5.0)
REQUEST = CouncilRequest(
    query="Why is the sky blue?",
    selected_agents=tuple(AgentSpec(model=model) for model in (ALPHA, BETA, ALPHA)),
    chairman_model=CHAIR,
)
SEATS = {"agent_1", "agent_2", "agent_3"}


def sitting(
    home: Path,
    *fakes: FakeOllama,
    pool: PoolConfig = PATIENT,
    deadlines: Deadlines = QUICK,
    num_parallel: int = 3,
    **config: Any,
) -> AbstractAsyncContextManager[LocalCouncil]:
    """A council of one PC a fake: pc1 is the head. `config`: fields of `OrchestratorConfig`."""
    pcs = [
        LocalPc(f"pc{n}", fake.url, max_models=4, num_parallel=num_parallel, is_head=n == 1)
        for n, fake in enumerate(fakes, 1)
    ]
    return local_council(home, *pcs, deadlines=deadlines, pool=pool, **config)


def chats(fake: FakeOllama, stage: str) -> list[Request]:
    return [chat for chat in fake.chats if stage_of(chat) == stage]


def at(stage: str, model: str | None = None) -> Callable[[Request], bool]:
    """Matches the chats of a stage, of one model if it is named."""

    def matches(request: Request) -> bool:
        if request.path != "/api/chat" or not request.json.get("messages"):
            return False
        return stage_of(request) == stage and model in (None, request.model)

    return matches


def codes(session: CouncilSession) -> set[str]:
    return {notice.code for notice in session.notices}


def ended(session: CouncilSession) -> tuple[str, str | None, bool]:
    return session.stage, session.error_code, session.degraded


async def until_connected(council: LocalCouncil, count: int) -> None:
    """Until the pool has heard that the model servers of so many PCs answer, and no others."""
    async with asyncio.timeout(10):
        while True:
            nodes = await council.nodes()
            if sum(bool(node.ollama and node.ollama.connected) for node in nodes) == count:
                return
            await asyncio.sleep(0.005)


@contextmanager
def black_hole(port: int) -> Iterator[None]:
    """A full backlog swallows connection attempts, as a firewall does."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", port))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        try:
            yield
        finally:
            for filler in fillers:
                filler.close()
