"""Which try of its question a client's request is.

OpenAI's own clients send a question again after a lost connection or a 5xx, without an idempotency
key, and count their retries. The same question, asked anew by a person, is another one.
"""

import hashlib

from starlette.requests import Request

from actors.messages.requests import Try

COUNT = "x-stainless-retry-count"


def tried(request: Request, body: str) -> Try | None:
    """None for a client that does not count. Who asks is in the mark by the key's hash only."""
    count = request.headers.get(COUNT, "")
    if not count:
        return None
    client = request.client.host if request.client else ""
    parts = (client, request.headers.get("authorization", ""), request.url.path, body)
    return Try(mark=hashlib.sha256("\n".join(parts).encode()).hexdigest(), again=count != "0")
