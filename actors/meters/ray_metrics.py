"""The outlet beside Ray's own metrics: each node shows them at its metrics port, as `ray_<name>`.

Works in a process of Ray's only. Ray tells a gauge on for as long as it is set again and again, and
the sum of its histograms is estimated from their buckets.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ray.util import metrics

from actors.meters.catalogue import Meter
from actors.meters.outlet import Labels


class RayMetrics:
    """Implements `Outlet`."""

    def __init__(self, meters: Iterable[Meter]) -> None:
        self._kept: dict[str, Any] = {meter.name: _kept(meter) for meter in meters}

    def begin(self, meter: Meter, labels: Labels) -> None:
        """Cannot be: Ray has no series without a count."""

    def add(self, meter: Meter, labels: Labels = (), amount: float = 1.0) -> None:
        if amount > 0:  # Ray refuses to add nothing
            self._kept[meter.name].inc(amount, _tags(meter, labels))

    def observe(self, meter: Meter, labels: Labels, value: float) -> None:
        self._kept[meter.name].observe(value, _tags(meter, labels))

    def set(self, meter: Meter, values: Mapping[Labels, float]) -> None:
        for labels, value in values.items():
            self._kept[meter.name].set(value, _tags(meter, labels))


def _tags(meter: Meter, labels: Labels) -> dict[str, str]:
    return dict(zip(meter.labels, labels, strict=True))


def _kept(meter: Meter) -> Any:
    match meter.kind:
        case "counter":
            return metrics.Counter(meter.name, meter.help, meter.labels)
        case "gauge":
            return metrics.Gauge(meter.name, meter.help, meter.labels)
        case "histogram":
            return metrics.Histogram(meter.name, meter.help, list(meter.buckets), meter.labels)
