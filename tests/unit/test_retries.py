"""Which session a retry of OpenAI's clients is given."""

from starlette.requests import Request

from serve_app.openai.retries import COUNT, LOST_WITHIN_S, Retries


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


async def test_a_lost_line_is_found_again_once_and_for_a_minute() -> None:
    names, now = iter(("first", "second", "third")), 0.0

    async def opened() -> str:
        return next(names)

    retries = Retries(lambda: now)
    assert await retries.session(asked("", 0), "Why?", opened) == "first"
    retries.lost(asked("", 0), "Why?")
    retries.lost(asked("", 0), "of a question that nobody asked")
    assert await retries.session(asked("", 0), "Why?", opened) == "first"
    assert await retries.session(asked("", 0), "Why?", opened) == "second"
    retries.lost(asked("", 0), "Why?")
    now = LOST_WITHIN_S + 1
    assert await retries.session(asked("", 0), "Why?", opened) == "third"
