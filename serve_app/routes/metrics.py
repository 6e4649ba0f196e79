"""What Prometheus scrapes: the council's meters and HTTP's own, as its text or OpenMetrics."""

import re
from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from actors.messages.readings import MeterReading
from actors.meters.registry import MeterRegistry
from serve_app.routes.answers import CouncilAtHand, refusals

TEXT, OPENMETRICS = "text/plain", "application/openmetrics-text"
_FORMAT = re.compile(rf"\s*({TEXT}|{OPENMETRICS})(;\s*version=[01]\.\d\.\d)?", re.ASCII)
"""Formats that we may be asked for. The rest of an `Accept` is not looked at: the library would say
some of it again, and stumbles over a version that is none."""

router = APIRouter(tags=["health"])


class _Readings(Collector):
    """Readings as the library's encoders want them."""

    def __init__(self, readings: Iterable[MeterReading]) -> None:
        self._readings = tuple(readings)

    def collect(self) -> Iterator[Metric]:
        for reading in self._readings:
            metric = Metric(reading.name, reading.help, reading.kind)
            for name, labels, value in reading.samples:
                metric.add_sample(name, labels, value)
            yield metric


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in (TEXT, OPENMETRICS)}},
        **refusals(503),
    },
)
async def metrics(request: Request, council: CouncilAtHand) -> Response:
    """The council's meters for Prometheus. No question, answer, session or key is in them."""
    of_http: MeterRegistry = request.app.state.meters
    readings = (*await council.meters(), *of_http.readings())
    asked = (_FORMAT.match(one) for one in request.headers.get("accept", "").split(","))
    encode, media_type = choose_encoder(",".join(one.group() for one in asked if one))
    return Response(encode(_Readings(readings)), headers={"Content-Type": media_type})
