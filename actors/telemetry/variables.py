"""Whether OpenTelemetry's own variables (`OTEL_*`) ask for traces. Knows nothing of the SDK."""

import logging
from collections.abc import Mapping

log = logging.getLogger(__name__)

PROTOCOL = "http/protobuf"


def wanted(otel: Mapping[str, str]) -> bool:
    """They name a place for traces, or the exporter, and do not turn the SDK off."""
    if otel.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = _first(otel, "OTEL_TRACES_EXPORTER")
    place = _first(otel, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    named = "otlp" in [name.strip() for name in exporter.split(",")] if exporter else bool(place)
    protocol = _first(otel, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    if named and protocol not in ("", PROTOCOL):
        log.warning("no traces: another protocol is asked for than %s", PROTOCOL)
        return False
    return named


def _first(otel: Mapping[str, str], *names: str) -> str:
    """What the first of these variables says that says something."""
    return next((text for name in names if (text := otel.get(name, "").strip())), "")
