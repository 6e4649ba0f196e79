"""Thousands of requests made from our own OpenAPI document: nothing breaks, and no answer is other
than the document says.

    .venv/bin/python -m benchmarks.fuzz_api [--cases 5000] [--seed 1]

`schemathesis` makes the requests, valid ones and such as the document forbids; a part of them is
about a session that exists. The API, the orchestrator and its store are the real ones, in this
process; the models are scripted. A 504 is counted apart where a request itself allowed its council
less time than it takes. Ends with exit code 1 if anything was found.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis.errors import Unsatisfiable
from rich.console import Console
from rich.table import Column, Table
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from actors.chairman import ChairmanActor
from actors.messages.calls import GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import CouncilOrchestrator
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.local_council import LocalCouncil, LocalHosts
from tests.scripted import ScriptedPool, plausible

BASE = "http://localhost"
MODES = schemathesis.GenerationMode
SESSION, MODEL = "session_id", "a:1"
ROUNDS_OF = ("valid", "forbidden", "about ours")
ROUNDS = 6
CHECKS: list[Any] = [
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@dataclass
class Row:
    """What came of the requests to one operation."""

    name: str
    statuses: Counter[int] = field(default_factory=Counter)
    out_of_time: int = 0
    broken: list[str] = field(default_factory=list)
    violations: dict[str, str] = field(default_factory=dict)
    """Kind and place of each, once → the first request that showed it."""

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())


@dataclass(frozen=True)
class Wire:
    """Requests to one council that lives as long as this does."""

    runner: asyncio.Runner
    client: httpx.AsyncClient
    app: FastAPI

    def send(self, case: Any) -> httpx.Response:
        """As `requests` would write it onto a socket."""
        made = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        request = self.client.build_request(
            str(made.method), str(made.url), headers=_headers(made), content=made.body or b""
        )
        return self.runner.run(self._sent(request))

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        async with asyncio.timeout(30):
            return await self.client.send(request)

    def ended(self) -> str:
        """A new session that has ended."""
        asked = self.client.build_request("POST", "/api/council/query", json={"query": "Why?"})
        return str(self.runner.run(self._sent(asked)).json()[SESSION])


def _headers(made: requests.PreparedRequest) -> list[tuple[bytes, bytes]]:
    def raw(text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode("latin-1", "replace")

    return [(raw(name), raw(value)) for name, value in made.headers.items()]


def answering(call: GenerateCall) -> str:
    """The worker passes any schema on; only a ballot's is understood."""
    ballot = isinstance(call.format, dict) and ":review:" in call.call_id
    return str(plausible(call)) if ballot or call.call_id.count(":") == 2 else "Whatever."


@asynccontextmanager
async def scripted_api(home: Path) -> AsyncIterator[FastAPI]:
    """The real API over the real orchestrator, with scripted models."""
    pool = ScriptedPool(models=(MODEL, "b:1"), script=answering)
    config = OrchestratorConfig(store_path=home / "sessions.db")
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    hosts = LocalHosts(deadlines=Deadlines(), num_ctx=4096)
    try:
        yield build_api(LocalCouncil(orchestrator, hosts), ApiConfig("1", "3.11", "2.60"))
    finally:
        await orchestrator.close()


@contextmanager
def wire(home: Path) -> Iterator[Wire]:
    stack = AsyncExitStack()

    async def opened() -> tuple[httpx.AsyncClient, FastAPI]:
        app = await stack.enter_async_context(scripted_api(home))
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=BASE
        )
        return await stack.enter_async_context(client), app

    with asyncio.Runner() as runner:
        client, app = runner.run(opened())
        try:
            yield Wire(runner, client, app)
        finally:
            runner.run(stack.aclose())


def fuzz(wire: Wire, cases: int, seed: int) -> list[Row]:
    """At least `cases` requests: as many to each operation of the document that takes something,
    and a few to those that take nothing."""
    document = schemathesis.openapi.from_dict(wire.app.openapi())
    operations = [found.ok() for found in document.get_all_operations()]
    takes = [operation for operation in operations if _takes_something(operation)]
    share = -(-cases // len(takes))
    return [_row(wire, one, share if one in takes else ROUNDS, seed) for one in operations]


def _takes_something(operation: Any) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def _row(wire: Wire, operation: Any, cases: int, seed: int) -> Row:
    """Rounds of valid requests, of such as the document forbids, and of valid ones about a session
    that exists and models that are installed."""
    row, round_ = Row(operation.label), 0
    while row.cases < cases:
        kind, here = ROUNDS_OF[round_ % len(ROUNDS_OF)], seed + round_
        fixed = {SESSION: wire.ended()} if kind == "about ours" and SESSION in row.name else None
        mode = MODES.NEGATIVE if kind == "forbidden" else MODES.POSITIVE
        strategy = operation.as_strategy(generation_mode=mode, path_parameters=fixed)
        if kind == "about ours":
            strategy = strategy.map(_with_our_models)
        with suppress(Unsatisfiable):  # where nothing is taken, nothing can be forbidden
            _run(strategy, lambda case: _judge(row, case, wire.send(case)), cases // 6 + 1, here)
        round_ += 1
    return row


def _with_our_models(case: Any) -> Any:
    """Every model that the body names is one that is installed."""
    waiting = [case.body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            part.update({name: MODEL for name in ("model", "chairman_model") if part.get(name)})
            waiting += [part.get("selected_agents"), part.get("requests")]
        elif isinstance(part, list):
            waiting += part
    return case


def _run(strategy: Any, judge: Callable[[Any], None], examples: int, seed: int) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        deadline=None,
        database=None,
    )
    @hypothesis.given(strategy)
    def each(case: Any) -> None:
        judge(case)

    each()


def _judge(row: Row, case: Any, answer: httpx.Response) -> None:
    row.statuses[answer.status_code] += 1
    if answer.status_code == 504 and answer.json()["code"] == "deadline":
        row.out_of_time += 1
    elif answer.status_code >= 500:
        row.broken.append(f"{answer.status_code} {answer.text[:300]} <- {case.as_curl_command()}")
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            kind = f"{failure.title}: {failure.message[:200]}"
            row.violations.setdefault(kind, case.as_curl_command()[:500])


def _table(rows: list[Row]) -> Table:
    table = Table(
        Column("operation", no_wrap=True), "cases", "2xx", "4xx", "out of time", "5xx", "violations"
    )
    for row in [*rows, _sum(rows)]:
        table.add_row(
            row.name,
            *(str(n) for n in (row.cases, _hundreds(row, 2), _hundreds(row, 4), row.out_of_time)),
            *(str(len(found)) for found in (row.broken, row.violations)),
        )
    return table


def _hundreds(row: Row, first: int) -> int:
    return sum(count for status, count in row.statuses.items() if status // 100 == first)


def _sum(rows: list[Row]) -> Row:
    total = Row("all")
    for row in rows:
        total.statuses += row.statuses
        total.out_of_time += row.out_of_time
        total.broken += row.broken
        total.violations |= {f"{row.name} {kind}": by for kind, by in row.violations.items()}
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, wire(Path(home)) as sent:
        rows = fuzz(sent, given.cases, given.seed)
    console, total = Console(width=120), _sum(rows)
    console.print(_table(rows))
    for found in total.broken[:20]:
        console.print(found, markup=False)
    for kind, by in list(total.violations.items())[:50]:
        console.print(f"{kind}\n    {by}", markup=False)
    return int(bool(total.broken or total.violations))


if __name__ == "__main__":
    sys.exit(main())
