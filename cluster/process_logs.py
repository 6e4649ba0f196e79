"""Our lines of the log in a process of ours, by this PC's own settings."""

from collections.abc import Callable

from actors.telemetry import logs
from actors.telemetry.logs import Speaker
from cluster.settings import InvalidSettings, Settings


def install(process: Callable[[], str]) -> None:
    """`process` names who writes, asked at each line. Settings that cannot be read are another's
    to refuse; the log is there all the same."""
    try:
        settings = Settings.load()
    except InvalidSettings:
        return logs.install(Speaker("pc", process), "auto", "INFO")
    logs.install(Speaker(settings.node_name, process), settings.log_format, settings.log_level)
