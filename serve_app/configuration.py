"""What the HTTP layer must be told: versions, names, limits. Plain values, so that it pickles.

Knows nothing of the environment; `cluster.settings` reads that.
"""

from dataclasses import dataclass
from pathlib import Path

from actors.messages.procedure import Mode
from serve_app.hosts import LOOPBACK


@dataclass(frozen=True)
class ApiConfig:
    """`require_key` is set off loopback; `keys_file` then says which keys open. No secret is in
    here: `join_token_sha256` is a hex digest, and the file has digests.

    `hosts` are the names that the service goes by. `cors_origins` empty = no CORS. `max_body` in
    bytes: a million characters of any script are read and refused as a field, not as a body.
    `join_line` is what to type on another PC; it asks for the token there. `mode`: of a question
    that names none. `task_model`, `task_markers`: of requests that are no questions for a council
    (`clients/side_requests.py`).
    `stream_judged`: streams of other clients' protocols have the final answer alone, once it is
    final (`clients/telling.py`).
    """

    version: str
    python_version: str
    ray_version: str
    dashboard_url: str | None = None
    require_key: bool = False
    keys_file: Path | None = None
    join_token_sha256: str = ""
    hosts: tuple[str, ...] = LOOPBACK
    cors_origins: tuple[str, ...] = ()
    max_body: int = 4_200_000
    heartbeat_s: float = 10.0
    join_line: str | None = None
    mode: Mode = "standard"
    task_model: str | None = None
    task_markers: tuple[str, ...] = ()
    stream_judged: bool = False
