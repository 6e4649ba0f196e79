"""Sends traces to an OpenTelemetry collector by OTLP (HTTP and protobuf), from a thread of its own.

The SDK reads its variables (`OTEL_*`) itself, so that all of them mean here what they mean
elsewhere. Spans come with ids and times of their own, so its tracer is not used.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from actors.council.telling.span import Span
from actors.council.telling.spans import NAME
from actors.council.telling.trace_ids import SAMPLED, incoming, trace_id
from actors.messages.events import SessionStarted

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "server": SpanKind.SERVER}
SCOPE = InstrumentationScope(NAME)
DELAY = "OTEL_BSP_SCHEDULE_DELAY"
"""How long a trace waits for others. Where it does not say, none waits: all spans of a session come
at once, and those that wait are lost when the council is ended, which kills its processes."""

QUEUE = "OTEL_BSP_MAX_QUEUE_SIZE"
QUEUED = 20_000
"""Spans that wait, where it does not say: those of a thorough session of twenty seats, which come
at once, are some five thousand. The SDK keeps 2,048."""


class OtlpCollector:
    """Implements `traces.Collector`. Made while the `variables` are in this process's environment;
    raises what the SDK raises where it cannot use one."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        # Its own words would be several lines a failure, with the URL and what may stand in it.
        logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
        named = Resource.create({SERVICE_NAME: NAME})
        provider = TracerProvider(
            resource=named.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._resource, self._sampler = provider.resource, provider.sampler
        self._processor = BatchSpanProcessor(
            Told(OTLPSpanExporter()), max_queue_size=None if variables.get(QUEUE) else QUEUED
        )
        self._at_once = not variables.get(DELAY)
        self._come = threading.Event()
        if self._at_once:
            threading.Thread(target=self._hand_on, name="traces", daemon=True).start()

    def samples(self, started: SessionStarted) -> bool:
        trace = _Trace.of(started)
        parent = set_span_in_context(NonRecordingSpan(trace.caller)) if trace.caller else None
        verdict = self._sampler.should_sample(parent, trace.number, NAME)
        return verdict.decision is Decision.RECORD_AND_SAMPLE

    def send(self, started: SessionStarted, spans: Sequence[Span]) -> None:
        """Into a bounded queue; what does not fit is dropped."""
        trace = _Trace.of(started)
        for span in spans:
            self._processor.on_end(trace.readable(span, self._resource))
        self._come.set()

    async def close(self, within_s: float) -> None:
        """Sends what is left. The thread is nobody's to wait for: a collector may hang."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()
        self._at_once = False
        self._come.set()

        def end() -> None:
            self._processor.shutdown()  # type: ignore[no-untyped-call]
            with suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(sent.set)

        threading.Thread(target=end, name="last-traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await sent.wait()

    def _hand_on(self) -> None:
        """Sends what has come, until `close`, which sends the rest. On a thread of its own."""
        while self._at_once:
            self._come.wait()
            self._come.clear()
            self._processor.force_flush()


class Told(SpanExporter):
    """Says once that the collector does not take the spans, and once that it does again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # the rim of a thread that has nobody above it
            result = SpanExportResult.FAILURE
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning("the collector does not take traces; %d spans are lost", len(spans))
        elif self._failing and not failing:
            log.info("the collector takes traces again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


@dataclass(frozen=True)
class _Trace:
    """A session's trace in the SDK's terms. `caller`: the span of whoever asked, if it told one."""

    number: int
    state: TraceState
    caller: SpanContext | None

    @classmethod
    def of(cls, started: SessionStarted) -> Self:
        number, came = int(trace_id(started), 16), incoming(started.origin)
        state = TraceState.from_header([(started.origin.tracestate or "") if came else ""])
        if came is None:
            return cls(number, state, None)
        _, span, flags = came
        return cls(
            number, state, SpanContext(number, int(span, 16), True, TraceFlags(flags), state)
        )

    def readable(self, span: Span, resource: Resource) -> ReadableSpan:
        failed = {"error.type": span.error} if span.error else {}
        return ReadableSpan(
            name=span.name,
            context=self._place(span.span_id),
            parent=self._parent(span),
            resource=resource,
            attributes={**span.attributes, **failed},
            events=[Event(one.name, one.attributes, _nanoseconds(one.at)) for one in span.marks],
            links=[Link(self._place(link)) for link in span.links],
            kind=KINDS[span.kind],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=SCOPE,
        )

    def _parent(self, span: Span) -> SpanContext | None:
        if self.caller and span.parent_id == f"{self.caller.span_id:016x}":
            return self.caller
        return self._place(span.parent_id) if span.parent_id else None

    def _place(self, span_id: str) -> SpanContext:
        return SpanContext(self.number, int(span_id, 16), False, TraceFlags(SAMPLED), self.state)


def _nanoseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1000
