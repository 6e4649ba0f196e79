"""A council that a visitor may watch: the real one without Ray, over real sockets; its model server
is the scripted fake."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from playwright.async_api import expect

from actors.messages.procedure import ProcedureDefaults
from actors.pc.energy import POWERCAP
from tests.browser.visitor import Visit
from tests.fakes import FakeOllama, Request
from tests.fakes.http import Exchange
from tests.fakes.replies import NDJSON, Answer, Reply
from tests.http_council import served
from tests.local_council import stage_of

MODELS = ("alpha:1b", "beta:1b", "gamma:1b")
QUESTION = "Why is the sky blue?"
SYNTHESIS_BEGINS = "Sunlight is scattered"
"""By these words the guard's judges know it."""
GUARDED = ProcedureDefaults(critique=True, guard=True)


class Held:
    """An answer that stops in the middle until it is let `go_on`, and then until it may `end`."""

    def __init__(self, before: str, after: str) -> None:
        self._texts = (before, after)
        self.go_on, self.end = asyncio.Event(), asyncio.Event()

    async def __call__(self, fake: FakeOllama, exchange: Exchange) -> None:
        before, after = ({"message": {"role": "assistant", "content": one}} for one in self._texts)
        exchange.head(200, NDJSON)
        exchange.line(before)
        await self.go_on.wait()
        exchange.line(after)
        await self.end.wait()
        exchange.line({"done": True, "done_reason": "stop", "eval_count": 9})


@asynccontextmanager
async def council(
    home: Path,
    *scripts: tuple[Any, Reply],
    parallel: int = 3,
    config: Mapping[str, Any] = MappingProxyType({}),
    powercap: Path = POWERCAP,
    **habits: Any,
) -> AsyncIterator[str]:
    """Where it is served. `scripts`: who answers how, always; `config`: more settings of the
    orchestrator; `powercap`: where the PCs find their energy counters."""
    async with FakeOllama(MODELS, **habits) as fake:
        for wanted, reply in scripts:
            fake.always(wanted, reply)
        settings = {"procedure": GUARDED, **config}
        async with served(home, fake, parallel=parallel, powercap=powercap, **settings) as (
            http,
            _,
        ):
            yield str(http.base_url).rstrip("/")


async def prefers_the_opinion(fake: FakeOllama, exchange: Exchange) -> None:
    """In both orders."""
    answer_1, _ = exchange.request.json["messages"][-1]["content"].split("Answer 2:")
    better = "2" if SYNTHESIS_BEGINS in answer_1 else "1"
    await fake.chat(exchange, Answer(text=json.dumps({"reason": "So it is.", "better": better})))


def saying(*stages: str, model: str = "") -> Any:
    """Calls of these stages, of one model if it is named."""
    return lambda asked: is_chat(asked) and model in asked.model and stage_of(asked) in stages


def is_chat(asked: Request) -> bool:
    return asked.path == "/api/chat" and bool(asked.json.get("messages"))


async def complete(visitor: Visit) -> None:
    await expect(visitor.page.locator("p.stage")).to_have_text(re.compile("Complete|Terminé"))
    await expect(visitor.page.locator("section.costs svg.waterfall")).to_be_visible()
