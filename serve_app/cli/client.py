"""The HTTP API as the commands use it: address and key from what `up` wrote down, errors in words.

Knows nothing of what the answers mean.
"""

from typing import Any

import httpx

from cluster import run_record
from cluster.settings import Settings
from serve_app.cli.address import address, headers, key
from serve_app.cli.terminal import Stop

NOT_UP = ("Start it with: ./council up",)


class Client:
    """Requests to one council. Every failure is a `Stop` in plain words."""

    def __init__(self, base_url: str, key: str | None, http: httpx.Client | None = None) -> None:
        self.base_url = base_url
        timeout = httpx.Timeout(30, connect=5)
        self.http = http or httpx.Client(trust_env=False, timeout=timeout)
        self.http.headers.update(headers(key))

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, params=params)

    def send(self, method: str, path: str, **rest: Any) -> Any:
        """The JSON of a good answer (None without one)."""
        try:
            answer = self.http.request(method, self.base_url + path, **rest)
        except httpx.TransportError as error:
            raise unreachable(self.base_url, error) from None
        if answer.is_error:
            raise refused(answer)
        return answer.json() if answer.content else None


def client_of(settings: Settings) -> Client:
    """The council that runs on this PC, or the one that `COUNCIL_HOST`/`COUNCIL_PORT` name."""
    record = run_record.read(settings.home)
    return Client(address(settings, record), key(settings))


def unreachable(url: str, error: httpx.TransportError) -> Stop:
    if isinstance(error, httpx.TimeoutException):
        return Stop(f"The council at {url} does not answer in time.", "See: ./council status")
    return Stop(f"No council answers at {url}.", *NOT_UP)


def refused(answer: httpx.Response) -> Stop:
    """A problem+json answer as a sentence and what to do about it."""
    try:
        problem = answer.json()
        detail, code = str(problem["detail"]), str(problem["code"])
    except (ValueError, KeyError, TypeError):
        return Stop(
            f"Something else than a council answers at {answer.url.host}:{answer.url.port}"
            f" (HTTP {answer.status_code}).",
            "Is that the right port? ./council up prints the address; COUNCIL_PORT sets it.",
        )
    where = [f"{'.'.join(map(str, e.get('loc', ())))}: {e.get('msg')}" for e in _errors(problem)]
    return Stop(detail, *where, *_NEXT.get(code, ()))


def _errors(problem: dict[str, Any]) -> list[dict[str, Any]]:
    errors = problem.get("errors")
    return [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []


_NEXT = {
    "unauthorized": ("PC1's own key is in api_key in its COUNCIL_HOME (default ~/.llm-council).",),
    "too_many_attempts": ("Is api_key in COUNCIL_HOME the key of that council?",),
    "foreign_host": ("On PC1: COUNCIL_ALLOWED_HOSTS=<that name> ./council up --lan",),
    "model_not_available": ("What there is: ./council models", "On a PC: ollama pull <model>"),
    "no_model_server": ("See which PC offers what: ./council status",),
    "council_unavailable": ("It may be starting again. Look at: ./council status",),
    "store_unavailable": ("Is the disk of COUNCIL_HOME full or read-only?",),
    "node_not_found": ("Their names: ./council status",),
    "queue_full": ("Ask again in a moment, or let another PC join.",),
}
