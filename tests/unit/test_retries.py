"""Which try of its question a request of OpenAI's clients is."""

import pytest
from starlette.requests import Request

from serve_app.openai.retries import COUNT, tried


def asked(retry: str | None, key: str = "") -> Request:
    headers = [(COUNT.encode(), retry.encode())] if retry is not None else []
    headers += [(b"authorization", key.encode())]
    path = "/v1/chat/completions"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    return Request({**scope, "client": ("127.0.0.1", 1), "headers": headers})


def test_a_retry_has_the_mark_of_its_first_try() -> None:
    first, retry = tried(asked("0"), "Why?"), tried(asked("2"), "Why?")

    assert first is not None and retry is not None
    assert (first.again, retry.again) == (False, True)
    assert first.mark == retry.mark


@pytest.mark.parametrize(
    "other", [tried(asked("1"), "Who?"), tried(asked("1", "Bearer of another"), "Why?")]
)
def test_another_question_or_another_key_has_another_mark(other: object) -> None:
    first = tried(asked("0"), "Why?")

    assert first is not None and getattr(other, "mark", first.mark) != first.mark


def test_who_does_not_count_tries_has_no_mark() -> None:
    assert tried(asked(None), "Why?") is None
