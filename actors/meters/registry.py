"""The outlet that is asked: keeps the values with prometheus_client, in a registry of its own."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from actors.messages.readings import MeterReading
from actors.meters.catalogue import Meter
from actors.meters.outlet import Labels

Kept = Counter | Gauge | Histogram
CREATED = "_created"
"""When a series began: as many samples again, which nobody asks for."""


class MeterRegistry:
    """Implements `Outlet`."""

    def __init__(self, meters: Iterable[Meter]) -> None:
        self._registry = CollectorRegistry()
        self._meters = {meter.name: (meter, _kept(meter, self._registry)) for meter in meters}

    def begin(self, meter: Meter, labels: Labels) -> None:
        self._of(meter, labels)

    def add(self, meter: Meter, labels: Labels = (), amount: float = 1.0) -> None:
        kept = self._of(meter, labels)
        assert isinstance(kept, Counter)
        kept.inc(amount)

    def observe(self, meter: Meter, labels: Labels, value: float) -> None:
        kept = self._of(meter, labels)
        assert isinstance(kept, Histogram)
        kept.observe(value)

    def set(self, meter: Meter, values: Mapping[Labels, float]) -> None:
        self._meters[meter.name][1].clear()
        for labels, value in values.items():
            kept = self._of(meter, labels)
            assert isinstance(kept, Gauge)
            kept.set(value)

    def readings(self) -> tuple[MeterReading, ...]:
        """All meters, in the order in which they were declared."""
        return tuple(_reading(meter, kept) for meter, kept in self._meters.values())

    def _of(self, meter: Meter, labels: Labels) -> Kept:
        kept = self._meters[meter.name][1]
        return kept.labels(*labels) if labels else kept


def _kept(meter: Meter, registry: CollectorRegistry) -> Kept:
    match meter.kind:
        case "counter":
            return Counter(meter.name, meter.help, meter.labels, registry=registry)
        case "gauge":
            return Gauge(meter.name, meter.help, meter.labels, registry=registry)
        case "histogram":
            buckets = meter.buckets
            return Histogram(
                meter.name, meter.help, meter.labels, registry=registry, buckets=buckets
            )


def _reading(meter: Meter, kept: MetricWrapperBase) -> MeterReading:
    (family,) = kept.collect()
    return MeterReading(
        name=family.name,
        kind=meter.kind,
        help=meter.help,
        samples=tuple(
            (sample.name, sample.labels, sample.value)
            for sample in family.samples
            if not sample.name.endswith(CREATED)
        ),
    )
