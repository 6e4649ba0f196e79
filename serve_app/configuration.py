"""What the HTTP layer must be told: versions, keys, limits. Plain values, so that it pickles.

Knows nothing of the environment; `cluster.settings` reads that.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ApiConfig:
    """`key_sha256` and `join_token_sha256` are hex digests of the secrets, never the secrets.

    `require_key` is set off loopback. `cors_origins` empty = no CORS. `max_body` in bytes:
    a million characters of any script are read and refused as a field, not as a body.
    """

    version: str
    python_version: str
    ray_version: str
    dashboard_url: str | None = None
    require_key: bool = False
    key_sha256: str = ""
    join_token_sha256: str = ""
    cors_origins: tuple[str, ...] = ()
    max_body: int = 4_200_000
    heartbeat_s: float = 10.0
