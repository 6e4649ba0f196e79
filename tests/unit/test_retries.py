"""Which session a retry of OpenAI's clients is given."""

from starlette.requests import Request

from serve_app.openai.retries import COUNT, Retries


def asked(key: str, retry: int) -> Request:
    headers = [(COUNT.encode(), str(retry).encode()), (b"idempotency-key", key.encode())]
    path = "/v1/chat/completions"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    return Request({**scope, "client": ("127.0.0.1", 1), "headers": headers})


async def test_a_retry_finds_the_session_of_its_own_idempotency_key() -> None:
    names = iter(("first", "second", "third"))

    async def opened() -> str:
        return next(names)

    retries = Retries()
    assert await retries.session(asked("k1", 0), "Why?", opened) == "first"
    assert await retries.session(asked("k2", 0), "Why?", opened) == "second"
    assert await retries.session(asked("k1", 1), "Why?", opened) == "first"
