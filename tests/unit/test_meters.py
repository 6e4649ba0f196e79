"""What the council counts, and that nobody outside can make a series of his own."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from actors.chairman import ChairmanActor
from actors.errors import ModelCallError
from actors.messages.calls import CallFailed, GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.occupancy import Occupancy, PcOccupancy
from actors.messages.procedure import ProcedureDefaults
from actors.messages.readings import MeterReading
from actors.meters import catalogue
from actors.meters.labels import CODES, OTHER, Bounded, code
from actors.meters.registry import MeterRegistry
from actors.meters.standing import StandingMeters
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import CouncilOrchestrator
from cluster.settings import Settings
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.local_council import LocalCouncil, LocalHosts
from tests.scripted import ScriptedPool, plausible, seat_of_call, stage_of_call

Script = Callable[[GenerateCall], str | CallFailed]
QUESTION = {
    "query": "Why?",
    "selected_agents": [{"model": model} for model in ("a:1", "b:1", "a:1", "b:1")],
    "chairman_model": "c:1",
}
DASHBOARD = Path(__file__).parents[2] / "monitoring/grafana/dashboards/council.json"


@asynccontextmanager
async def serving(
    home: Path, script: Script = plausible, cache_ttl_s: float = 0.0
) -> AsyncIterator[httpx.AsyncClient]:
    pool = ScriptedPool(models=("a:1", "b:1", "c:1"), script=script)
    pool.digests = {model: f"digest of {model}" for model in pool.models}
    procedure = ProcedureDefaults(critique=True, guard=True)
    config = OrchestratorConfig(
        store_path=home / "sessions.db", procedure=procedure, cache_ttl_s=cache_ttl_s
    )
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    council = LocalCouncil(orchestrator, LocalHosts(deadlines=Deadlines(), num_ctx=4096))
    app = build_api(council, ApiConfig("1", "3.11", "2.60"))
    try:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield http
    finally:
        await orchestrator.close()


async def read(http: httpx.AsyncClient) -> dict[str, float]:
    """Every sample by its name with its labels."""
    text = (await http.get("/metrics")).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def total(samples: dict[str, float], *parts: str) -> float:
    return sum(v for name, v in samples.items() if all(part in name for part in parts))


def failing(call: GenerateCall) -> str | CallFailed:
    """Seat 2 has no opinion, and seat 1's ballot cannot be read."""
    match stage_of_call(call), seat_of_call(call):
        case "opinions", "agent_2":
            return CallFailed(code="model_crashed", detail="Crashed.", retryable=True, node="pc1")
        case "review", "agent_1":
            return "no ballot at all"
    return plausible(call)


async def test_a_council_is_counted_as_its_session_tells_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        session = (await http.post("/api/council/query", json=QUESTION)).json()
        samples = await read(http)
    assert samples['council_sessions_total{mode="standard",outcome="complete"}'] == 1
    assert samples['council_session_duration_seconds_count{mode="standard"}'] == 1
    usage = session["token_usage"]
    for kind in ("prompt", "completion"):
        told = total(samples, "council_tokens_total", f'kind="{kind}"')
        assert told == usage[f"total_{kind}_tokens"] > 0
    stages = ("stage1_opinions", "stage2_review", "stage3_synthesis", "guard")
    for stage in (usage[name] for name in stages):
        told = total(samples, "council_tokens_total", f'stage="{stage["stage"]}"')
        assert told == stage["total_tokens"] > 0
        assert samples[f'council_stage_duration_seconds_count{{stage="{stage["stage"]}"}}'] == 1
    assert total(samples, "council_call_duration_seconds_count", 'stage="synthesis"') == 1
    assert samples['council_guard_verdicts_total{verdict="stands"}'] == 1
    assert samples["council_agreement_kendall_w_count"] == 1
    assert samples["council_abstentions_total"] == samples["council_open_sessions"] == 0
    assert total(samples, "council_absences_total") == total(samples, "council_retries_total") == 0


async def test_what_went_wrong_is_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, failing) as http:
        await http.post("/api/council/query", json=QUESTION)
        samples = await read(http)
    assert samples['council_sessions_total{mode="standard",outcome="degraded"}'] == 1
    assert samples['council_retries_total{code="model_crashed"}'] == 2
    assert samples['council_absences_total{code="model_crashed",stage="opinions"}'] == 1
    assert samples["council_abstentions_total"] == 1


async def test_a_session_without_an_answer_ends_by_its_code(tmp_path: Path) -> None:
    gone = CallFailed(code="node_unreachable", detail="Gone.", retryable=False)
    async with serving(tmp_path, lambda call: gone) as http:
        await http.post("/api/council/query", json={**QUESTION, "mode": "fast"})
        samples = await read(http)
    assert samples['council_sessions_total{mode="fast",outcome="no_opinions"}'] == 1
    assert total(samples, "council_requests_refused_total") == 0


async def test_an_opinion_that_is_the_answer_is_one_call_and_no_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        session = await http.post("/api/council/query", json={**QUESTION, "mode": "fast"})
        samples = await read(http)
    assert session.json()["final_answer"]["basis"] == "opinion"
    assert total(samples, "council_call_duration_seconds_count") == 4
    assert total(samples, 'stage="synthesis"') == 0


async def test_the_first_failure_is_a_step_of_a_series_that_was_there(tmp_path: Path) -> None:
    """`rate` sees what a series grows by, and not what it begins with."""
    rare = ("sessions_total", "session_duration", "stage_duration", "retries", "absences", "guard")
    async with serving(tmp_path, failing) as http:
        before = await read(http)
        await http.post("/api/council/query", json=QUESTION)
        after = await read(http)
    grown = {series for series, value in after.items() if value > before.get(series, -1)}
    of_them = {series for series in grown if any(f"council_{name}" in series for name in rare)}
    assert len(of_them) > 10
    assert not [series for series in of_them if before.get(series) != 0]


async def test_a_single_generation_is_counted_apart(tmp_path: Path) -> None:
    async with serving(tmp_path, lambda call: "Because.") as http:
        await http.post("/api/generate", json={"model": "a:1", "prompt": "Why?"})
        samples = await read(http)
    where = '{model="a:1",pc="pc1",stage="worker"}'
    assert samples[f"council_call_duration_seconds_count{where}"] == 1
    assert total(samples, "council_sessions_total") == 0


async def test_an_answer_from_the_cache_is_no_call(tmp_path: Path) -> None:
    seats = [{"model": model, "options": {"seed": 1}} for model in ("a:1", "b:1")]
    question = {"query": "Why?", "selected_agents": seats, "mode": "fast"}
    async with serving(tmp_path, cache_ttl_s=60) as http:
        for _ in range(2):
            await http.post("/api/council/query", json=question)
        samples = await read(http)
    for model in ("a:1", "b:1"):
        assert samples[f'council_cache_hits_total{{model="{model}",stage="opinions"}}'] == 1
    assert total(samples, "council_call_duration_seconds_count") == 2


async def test_strangers_make_no_label_values(tmp_path: Path) -> None:
    """Whatever they name, a second round of other names adds no series."""
    async with serving(tmp_path) as http:
        await http.post("/api/council/query", json=QUESTION)
        rounds = []
        for word in ("zanzibar", "timbuktu"):
            await strangely(http, word)
            rounds.append(await read(http))
            assert not [series for series in rounds[-1] if word in series.lower()]
    assert rounds[0].keys() == rounds[1].keys()
    assert total(rounds[1], "council_http_requests_total") > 15


async def strangely(http: httpx.AsyncClient, word: str) -> None:
    ask, models = "/api/council/query", [{"model": f"{word}:1"}]
    await http.post(ask, json={"query": "Why?", "selected_agents": models})
    await http.post(ask, json={**QUESTION, "chairman_model": f"{word}:1"})
    await http.post(ask, json={**QUESTION, "mode": word})
    await http.post("/api/generate", json={"model": f"{word}:1", "prompt": "Why?"})
    await http.get(f"/{word}")
    await http.get(f"/api/council/sessions/{word}")
    await http.get(f"/web/{word}.js")
    await http.post(f"/api/cluster/nodes/{word}/drain", json={})
    await http.request(word.upper(), "/health")
    await http.get("/health", headers={"Host": word, "X-Request-ID": word})
    await http.post(ask, json=QUESTION, headers={"Origin": f"http://{word}.example"})
    await http.get("/metrics", headers={"Accept": f"application/openmetrics-text;version={word}"})


def test_no_label_has_more_values_than_a_council_has() -> None:
    bounded = Bounded(most=2)
    assert [bounded(v) for v in ("x", "y", "z", "x", "w", "y")] == [
        "x",
        "y",
        OTHER,
        "x",
        OTHER,
        "y",
    ]


def test_no_duration_that_the_settings_allow_for_is_beyond_all_buckets() -> None:
    """At the deadline a session has still to be closed, so it takes a little more."""
    settings, deadlines = Settings(), Deadlines()
    longest_call = deadlines.first_token_s + settings.generation_timeout_s
    for meter in (catalogue.SESSION_DURATION, catalogue.STAGE_DURATION):
        assert max(meter.buckets) > 2 * settings.deadline_s
    assert max(catalogue.CALL_DURATION.buckets) > longest_call
    minutes = [bound for bound in catalogue.SESSION_DURATION.buckets if 60 <= bound <= 600]
    assert all(next_one <= 1.5 * bound for bound, next_one in pairwise(minutes))


def test_a_code_is_one_of_the_error_tree() -> None:
    assert {kind.code for kind in ModelCallError.__subclasses__()} <= CODES
    assert [code("timeout"), code("internal"), code("what?"), code(None)] == [
        *("timeout", "internal", OTHER, OTHER)
    ]


def values(readings: tuple[MeterReading, ...]) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {r.name: [(labels, value) for _, labels, value in r.samples] for r in readings}


def test_a_pc_that_left_is_gone_from_the_gauges() -> None:
    seen = [
        Occupancy(
            queued={"a:1": 2, "b": 0},
            pcs=(
                PcOccupancy(name="pc1", busy=2, slots=3, models=("a:1",)),
                PcOccupancy(name="pc2", busy=0, slots=1, breaker_open=True),
            ),
        ),
        Occupancy(pcs=(PcOccupancy(name="pc1", busy=4, slots=3),)),
    ]
    registry = MeterRegistry(catalogue.OF_COUNCIL)
    meters = StandingMeters(registry, Bounded(), Bounded(), lambda: (7, seen.pop(0)))
    meters.read()
    told = values(registry.readings())
    assert told["council_open_sessions"] == [({}, 7)]
    assert told["council_queue_depth"] == [({"model": "a:1"}, 2), ({"model": "b:latest"}, 0)]
    assert told["council_slots"][:2] == [
        ({"pc": "pc1", "state": "busy"}, 2),
        ({"pc": "pc1", "state": "free"}, 1),
    ]
    assert told["council_resident_models"] == [({"pc": "pc1"}, 1), ({"pc": "pc2"}, 0)]
    assert told["council_breaker_open"] == [({"pc": "pc1"}, 0), ({"pc": "pc2"}, 1)]
    meters.read()
    told = values(registry.readings())
    assert told["council_queue_depth"] == []
    assert told["council_breaker_open"] == [({"pc": "pc1"}, 0)]
    assert told["council_slots"][1] == ({"pc": "pc1", "state": "free"}, 0)


@pytest.mark.parametrize("meter", (*catalogue.OF_COUNCIL, *catalogue.OF_HTTP), ids=lambda m: m.name)
def test_every_meter_is_named_as_prometheus_wants_it(meter: catalogue.Meter) -> None:
    assert re.fullmatch(r"council_[a-z_]+", meter.name) and meter.help
    assert meter.name.endswith("_total") == (meter.kind == "counter")
    assert bool(meter.buckets) == (meter.kind == "histogram")
    assert sorted(meter.buckets) == list(meter.buckets)


def test_the_dashboard_asks_for_meters_that_there_are_and_for_each_of_them() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = " ".join(t["expr"] for panel in panels for t in panel.get("targets", ()))
    named = set(re.findall(r"\bcouncil_[a-z_]+", asked))
    ours = {meter.name for meter in (*catalogue.OF_COUNCIL, *catalogue.OF_HTTP)}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} == ours
