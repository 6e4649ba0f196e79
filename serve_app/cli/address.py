"""Where the council is that the commands ask, and the key that opens it: read from our home."""

from cluster.run_record import RunRecord
from cluster.secret_files import KEY
from cluster.settings import Settings


def address(settings: Settings, record: RunRecord | None) -> str:
    """Of the council that runs on this PC, or the one that `COUNCIL_HOST`/`COUNCIL_PORT` name."""
    named = {"host", "port"} & settings.model_fields_set
    return record.api_url if record and not named else settings.api_url


def key(settings: Settings) -> str | None:
    """The API's key, where there is one in our home."""
    try:
        return (settings.home / KEY).read_text().strip() or None
    except OSError:
        return None


def headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}
