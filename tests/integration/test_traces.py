"""A session's trace over real OTLP: a collector receives it, its tree is the session's."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from actors.chairman import ChairmanActor
from actors.council.session import replay
from actors.council.telling.span import Span as PlainSpan
from actors.errors import StoreUnavailable
from actors.messages.calls import GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.events import AnswerEvent, StoredEvent
from actors.messages.procedure import ProcedureDefaults
from actors.messages.requests import Origin
from actors.messages.sessions import CouncilSession
from actors.orchestrator import CouncilOrchestrator
from actors.telemetry.otlp import OtlpCollector
from actors.telemetry.traces import Traces
from actors.telemetry.variables import wanted
from cluster import head
from cluster.settings import Settings
from tests.fake_hosts import until
from tests.fakes import FakeOllama
from tests.fakes import replies as say
from tests.fakes.collector import FakeCollector, attributes, collecting
from tests.local_council import LocalCouncil, LocalPc, kept_events, local_council
from tests.scripted import ScriptedPool, seat_of_call
from tests.session_events import started
from tests.sittings import ALPHA, BETA, CHAIR, REQUEST, at

pytestmark = pytest.mark.wire

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ORIGIN = Origin(request_id="r-1", traceparent=f"00-{TRACE}-{CALLER}-01", tracestate="a=1,b=2")
PARTS = ["queue", "network", "load", "prompt", "generate"]
KEY = "canary4711"
Variables = Callable[..., None]


@pytest.fixture
def otel(monkeypatch: pytest.MonkeyPatch) -> Variables:
    """Sets OpenTelemetry's variables, and no others of them."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)

    def setting(**variables: str) -> None:
        for name, text in variables.items():
            monkeypatch.setenv(f"OTEL_{name}", text)

    return setting


@pytest.fixture
def sent() -> Iterator[FakeCollector]:
    with collecting() as fake:
        yield fake


async def ask(council: LocalCouncil, origin: Origin) -> CouncilSession:
    opened = await council.open(REQUEST, origin=origin)
    return await council.wait(opened.session_id)


async def heard(
    home: Path, fake: FakeOllama, origin: Origin = ORIGIN, **config: Any
) -> tuple[CouncilSession, list[StoredEvent]]:
    """A council that is asked once and ends, with its collector by the variables as they are."""
    async with fake, asyncio.timeout(30):
        pc = LocalPc("pc1", fake.url, max_models=4, num_parallel=3, is_head=True)
        make = partial(head.collector, Settings.having(home=home))
        async with local_council(home, pc, make_collector=make, **config) as council:
            session = await ask(council, origin)
    return session, await kept_events(home, session.session_id)


def ollama() -> FakeOllama:
    return FakeOllama((ALPHA, BETA, CHAIR), latency_s=0.03, load_s=0.05, max_loaded=4)


def parents(spans: list[Span]) -> dict[str, Span]:
    return {span.span_id.hex(): span for span in spans}


def children(spans: list[Span], parent: Span) -> list[Span]:
    found = [span for span in spans if span.parent_span_id == parent.span_id]
    return sorted(found, key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano))


def nanoseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def milliseconds(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6


def calls(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.name.startswith("chat ")]


def root_of(spans: list[Span]) -> Span:
    [root] = [span for span in spans if span.name == "invoke_workflow llm-council"]
    return root


def assert_one_tree(spans: list[Span]) -> None:
    """One trace; every span but the root lies within a parent that is there."""
    assert len({span.trace_id for span in spans}) == 1
    by_id, root = parents(spans), root_of(spans)
    assert len(by_id) == len(spans)
    for span in spans:
        assert span.end_time_unix_nano >= span.start_time_unix_nano
        if span is not root:
            parent = by_id[span.parent_span_id.hex()]
            assert parent.start_time_unix_nano <= span.start_time_unix_nano, span.name
            assert parent.end_time_unix_nano >= span.end_time_unix_nano, span.name


async def test_a_council_is_one_trace_with_where_the_time_of_each_call_went(
    tmp_path: Path, otel: Variables, sent: FakeCollector
) -> None:
    otel(
        EXPORTER_OTLP_ENDPOINT=sent.url,
        EXPORTER_OTLP_COMPRESSION="gzip",
        EXPORTER_OTLP_HEADERS=f"authorization=Bearer {KEY}",
        RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    fake, procedure = ollama(), ProcedureDefaults(critique=True, guard=True)
    session, events = await heard(tmp_path, fake, procedure=procedure)
    assert session.stage == "complete"

    spans = sent.spans()
    assert_one_tree(spans)
    assert sent.resource()["service.name"] == "llm-council"
    assert sent.resource()["deployment.environment.name"] == "test"
    assert {one["authorization"] for one in sent.headers} == {f"Bearer {KEY}"}
    assert {one["content-encoding"] for one in sent.headers} == {"gzip"}

    root = root_of(spans)
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, CALLER)
    assert root.trace_state == "a=1,b=2"
    told = attributes(root)
    assert told["council.session.id"] == session.session_id
    assert (told["council.request.id"], told["council.outcome"]) == ("r-1", "complete")
    assert root.start_time_unix_nano == nanoseconds(events[0].at)
    assert root.end_time_unix_nano == nanoseconds(events[-1].at)
    assert [s.name for s in children(spans, root)] == ["opinions", "review", "synthesis", "guard"]

    answers = [e for e in events if isinstance(e, AnswerEvent) and e.kind != "final_answer"]
    assert len(calls(spans)) == len(answers) > 6
    asked = {
        (a["council.stage"], a["council.agent.id"], span.start_time_unix_nano): span
        for span in calls(spans)
        if (a := attributes(span))
    }
    stages = {"opinion": "opinions", "guard_ballot": "guard"}
    for answer in answers:
        stage = stages.get(answer.kind, answer.kind)
        call = asked[stage, answer.agent_id, nanoseconds(answer.started_at)]
        told = attributes(call)
        assert call.name == f"chat {answer.model}" == f"chat {told['gen_ai.request.model']}"
        assert told["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens > 0
        assert told["gen_ai.usage.output_tokens"] == answer.usage.completion_tokens > 0
        assert told["council.pc"] == "pc1"
        parts, timing = children(spans, call), answer.timing
        assert sorted(part.name for part in parts) == sorted(PARTS)
        took = {part.name: milliseconds(part) for part in parts}
        assert took["network"] == timing.network_ms
        assert timing.network_ms == pytest.approx(timing.wall_ms - timing.total_ns / 1e6, abs=2)
        whole = timing.queue_ms + timing.wall_ms - timing.total_ns / 1e6
        whole += timing.load_ms + timing.prompt_ms + timing.generate_ms
        assert sum(took.values()) == pytest.approx(whole, abs=4)
        assert sum(took.values()) <= milliseconds(call) + 0.001

    for chat in fake.chats:
        version, trace, span, flags = chat.headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE, "01")
        assert attributes(parents(spans)[span])["gen_ai.request.model"] == chat.model
        assert chat.headers["tracestate"] == "a=1,b=2"

    body = b"".join(sent.bodies)
    texts = [REQUEST.query, *(answer.content for answer in answers)]  # type: ignore[attr-defined]
    assert not [text for text in texts if text.encode() in body]
    assert KEY.encode() not in body


async def test_what_failed_is_a_span_with_an_error(
    tmp_path: Path, otel: Variables, sent: FakeCollector
) -> None:
    """One seat is tried again, one gives nothing; without a context the trace is the session's."""
    otel(TRACES_EXPORTER="otlp", EXPORTER_OTLP_TRACES_ENDPOINT=f"{sent.url}/v1/traces")
    fake = ollama()
    fake.script(at("opinions", ALPHA), say.error(500, "out of memory"))
    fake.always(at("opinions", BETA), say.error(400, "this model does not like questions"))
    session, _ = await heard(tmp_path, fake, Origin(request_id="r-2"))
    assert session.stage == "complete" and session.degraded

    spans = sent.spans()
    assert_one_tree(spans)
    assert not root_of(spans).parent_span_id
    failed = [span for span in spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert {span.name for span in failed} == {f"chat {BETA}", "attempt 1"}

    [absent] = [span for span in failed if span.name == f"chat {BETA}"]
    told = attributes(absent)
    assert told["council.outcome"] == "absence" and told["council.agent.id"] == "agent_2"
    assert told["error.type"] == absent.status.message != ""
    assert [one.name for one in children(spans, absent)] == ["attempt 1"]

    [again] = [s for s in calls(spans) if attributes(s).get("council.attempts") == 2]
    assert again.status.code == Status.STATUS_CODE_UNSET
    assert [s.name for s in children(spans, again)][0] == "attempt 1"
    assert {s.name for s in children(spans, again)} == {"attempt 1", *PARTS}
    heads = {chat.headers["traceparent"] for chat in fake.chats if at("opinions", ALPHA)(chat)}
    assert f"00-{again.trace_id.hex()}-{again.span_id.hex()}-01" in heads and len(heads) == 2


async def test_unless_asked_for_nothing_is_sent_and_a_context_goes_on_as_it_came(
    tmp_path: Path, otel: Variables, sent: FakeCollector
) -> None:
    otel(EXPORTER_OTLP_ENDPOINT=sent.url, SDK_DISABLED="true")
    fake = ollama()
    await heard(tmp_path, fake)
    assert {chat.headers["traceparent"] for chat in fake.chats} == {ORIGIN.traceparent}
    assert not sent.bodies


@pytest.mark.parametrize(
    ("variables", "are_wanted"),
    [
        ({}, False),
        ({"EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"TRACES_EXPORTER": "otlp"}, True),
        ({"TRACES_EXPORTER": "console, otlp"}, True),
        ({"TRACES_EXPORTER": "none", "EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"SDK_DISABLED": "True", "EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"EXPORTER_OTLP_PROTOCOL": "http/protobuf", "TRACES_EXPORTER": "otlp"}, True),
        ({"EXPORTER_OTLP_PROTOCOL": "grpc", "TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_the_variables_say_whether_there_are_traces(
    variables: dict[str, str], are_wanted: bool
) -> None:
    assert wanted({f"OTEL_{name}": text for name, text in variables.items()}) is are_wanted


async def test_without_traces_and_context_a_model_server_is_told_none(
    tmp_path: Path, otel: Variables
) -> None:
    fake = ollama()
    await heard(tmp_path, fake, Origin(request_id="r-3"))
    assert fake.chats and not [chat for chat in fake.chats if "traceparent" in chat.headers]


async def test_a_caller_that_does_not_keep_its_trace_is_heeded(
    tmp_path: Path, otel: Variables, sent: FakeCollector
) -> None:
    otel(EXPORTER_OTLP_ENDPOINT=sent.url)
    fake = ollama()
    await heard(tmp_path, fake, Origin(traceparent=f"00-{TRACE}-{CALLER}-00"))
    heads = [chat.headers["traceparent"].split("-") for chat in fake.chats]
    assert {(trace, flags) for _, trace, _, flags in heads} == {(TRACE, "00")}
    assert CALLER not in {span for _, _, span, _ in heads}
    assert not sent.bodies


async def test_a_trace_waits_for_no_other_unless_it_is_told_to(
    tmp_path: Path, otel: Variables, sent: FakeCollector
) -> None:
    """What waits is lost by `down`. The quickest of three, since this machine may be busy; each is
    sent when the one before has come, so that none is swept along by another's turn."""
    otel(EXPORTER_OTLP_ENDPOINT=sent.url)
    _, events = await heard(tmp_path, ollama())

    async def read(session_id: str) -> list[StoredEvent]:
        return events

    traces, took = Traces(head.collector(Settings.having(home=tmp_path)), read), []
    for _ in range(4):
        came, began = len(sent.bodies), time.monotonic()
        traces.witness(replay(events), events[-1])
        await until(lambda came=came: len(sent.bodies) > came)
        took.append(time.monotonic() - began)
    await traces.close()
    assert min(took[1:]) < 0.3


@pytest.mark.parametrize("trouble", ["down", "hangs", "refuses"])
async def test_a_collector_in_trouble_delays_no_session_and_is_told_of_once(
    tmp_path: Path,
    otel: Variables,
    sent: FakeCollector,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    caplog.set_level(logging.INFO)
    hangs = trouble == "hangs"
    if hangs:
        sent.open.clear()
    else:
        sent.status = 400
    port = 9 if trouble == "down" else sent.port
    otel(
        EXPORTER_OTLP_ENDPOINT=f"http://user:{KEY}@127.0.0.1:{port}",
        EXPORTER_OTLP_TIMEOUT="20" if hangs else "0.2",
        BSP_SCHEDULE_DELAY="20",
    )
    async with ollama() as fake, asyncio.timeout(15):
        pc = LocalPc("pc1", fake.url, max_models=4, num_parallel=3, is_head=True)
        make = partial(head.collector, Settings.having(home=tmp_path))
        async with local_council(tmp_path, pc, make_collector=make) as council:
            for _ in range(2):
                session = await ask(council, ORIGIN)
                assert session.stage == "complete"
            closing = time.monotonic()
        assert time.monotonic() - closing < 8
    ours = [record for record in caplog.records if record.name.startswith(("actors", "opentel"))]
    told = [one.message.split(";")[0] for one in ours if one.levelno >= logging.WARNING]
    assert told == ([] if hangs else ["the collector does not take traces"])
    assert KEY not in caplog.text
    assert not sent.bodies


def test_a_variable_that_cannot_be_used_is_said_and_stops_nothing(
    tmp_path: Path, otel: Variables, caplog: pytest.LogCaptureFixture
) -> None:
    otel(EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", BSP_MAX_QUEUE_SIZE="-1")
    assert head.collector(Settings.having(home=tmp_path)) is None
    assert "no traces" in caplog.text


async def test_a_session_that_an_orchestrator_left_is_still_one_trace(
    tmp_path: Path, otel: Variables, sent: FakeCollector
) -> None:
    """Two opinions are heard, the third's call is lost; the next orchestrator asks it again."""
    otel(EXPORTER_OTLP_ENDPOINT=sent.url)
    never = asyncio.Event()
    gates = [lambda call: never if seat_of_call(call) == "agent_3" else None, lambda call: None]
    calls_of: list[GenerateCall] = []
    for gate in gates:
        pool = ScriptedPool(models=(ALPHA, BETA, CHAIR), gate=gate)
        config = OrchestratorConfig(store_path=tmp_path / "sessions.db")
        make = partial(head.collector, Settings.having(home=tmp_path))
        orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor(), make)  # noqa: B023
        if gate is gates[0]:
            opened = await orchestrator.open(REQUEST, origin=ORIGIN)
            heard = 0
            async for batch in orchestrator.events(opened.session_id):
                heard += sum(1 for event in batch if event.kind == "opinion")
                if heard == 2:
                    break
        else:
            assert (await orchestrator.wait(opened.session_id)).stage == "complete"
        await orchestrator.close()
        calls_of += pool.agent.calls
        assert bool(sent.bodies) is (gate is gates[1])
    spans = sent.spans()
    assert_one_tree(spans)
    assert len(calls(spans)) == len(calls_of)
    named = {call.origin.traceparent for call in calls_of}
    assert named == {f"00-{TRACE}-{span.span_id.hex()}-01" for span in calls(spans)}
    [lost] = [span for span in calls(spans) if attributes(span)["council.outcome"] == "lost"]
    [again] = [span for span in calls(spans) if span.links]
    assert again.links[0].span_id == lost.span_id
    assert lost.status.message == "council_restarted"


async def test_a_trace_that_cannot_be_made_is_said_and_the_session_stands(
    tmp_path: Path, otel: Variables, sent: FakeCollector, caplog: pytest.LogCaptureFixture
) -> None:
    otel(EXPORTER_OTLP_ENDPOINT=sent.url)

    async def unreadable(session_id: str) -> list[StoredEvent]:
        raise StoreUnavailable("no")

    _, events = await heard(tmp_path, ollama())
    sent.bodies.clear()
    traces = Traces(head.collector(Settings.having(home=tmp_path)), unreadable)
    session = replay(events)
    traces.witness(session, events[-1])
    await traces.close()
    assert "no trace is sent: StoreUnavailable" in caplog.text
    assert not sent.bodies


async def test_a_collector_that_is_back_is_told_of_and_gets_the_next_traces(
    tmp_path: Path, otel: Variables, sent: FakeCollector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    otel(EXPORTER_OTLP_ENDPOINT=sent.url, BSP_SCHEDULE_DELAY="20")
    sent.status = 400
    async with ollama() as fake, asyncio.timeout(30):
        pc = LocalPc("pc1", fake.url, max_models=4, num_parallel=3, is_head=True)
        make = partial(head.collector, Settings.having(home=tmp_path))
        async with local_council(tmp_path, pc, make_collector=make) as council:
            await ask(council, ORIGIN)
            await until(lambda: "does not take traces" in caplog.text)
            sent.status = 200
            second = await ask(council, ORIGIN)
            await until(lambda: "takes traces again" in caplog.text)
    told = {attributes(span).get("council.session.id") for span in sent.spans()}
    assert second.session_id in told


@pytest.mark.parametrize("bounds", [{}, {"BSP_MAX_QUEUE_SIZE": "1024"}])
async def test_a_trace_of_thousands_of_spans_arrives_whole_unless_a_variable_bounds_it(
    otel: Variables, sent: FakeCollector, bounds: dict[str, str]
) -> None:
    """The collector takes nothing before all have come."""
    otel(EXPORTER_OTLP_ENDPOINT=sent.url, BSP_SCHEDULE_DELAY="60000", **bounds)
    variables = {name: os.environ[name] for name in os.environ if name.startswith("OTEL_")}
    collector, begun = OtlpCollector(variables), started()
    sent.open.clear()
    collector.send(
        begun, [PlainSpan(f"{n:016x}", None, "x", begun.at, begun.at, {}) for n in range(1, 6_001)]
    )
    sent.open.set()
    await collector.close(20)
    assert (len(sent.spans()) < 6_000) if bounds else (len(sent.spans()) == 6_000)
