"""Which try of its question a client's request is."""

import pytest
from starlette.requests import Request

from serve_app.openai.retries import COUNT, LOST_WITHIN_S, MOST, LostLines, mark_of, tried


def asked(retry: str | None = None, key: str = "") -> Request:
    headers = [(COUNT.encode(), retry.encode())] if retry is not None else []
    headers += [(b"authorization", key.encode())]
    path = "/v1/chat/completions"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    return Request({**scope, "client": ("127.0.0.1", 1), "headers": headers})


@pytest.mark.parametrize(("retry", "again"), [("0", False), ("2", True), (None, False)])
def test_a_retry_has_the_mark_of_its_first_try(retry: str | None, again: bool) -> None:
    told = tried(asked(retry), "Why?", LostLines())

    assert told.again is again and told.mark == mark_of(asked("0"), "Why?")


def test_another_question_or_another_key_has_another_mark() -> None:
    marks = [
        mark_of(asked(), "Why?"),
        mark_of(asked(), "Who?"),
        mark_of(asked(key="Bearer of another"), "Why?"),
    ]
    assert len(set(marks)) == 3


def test_a_lost_line_is_found_again_once_and_for_a_minute() -> None:
    now = 0.0
    lines = LostLines(lambda: now)
    lines.lost(mark_of(asked(), "Why?"))
    tries = [tried(asked(), "Why?", lines).again for _ in range(2)]
    lines.lost(mark_of(asked(), "Why?"))
    other = tried(asked(), "Who?", lines).again
    now = LOST_WITHIN_S + 1
    late = tried(asked(), "Why?", lines).again

    assert (tries, other, late) == ([True, False], False, False)


def test_of_many_lost_lines_the_oldest_are_forgotten() -> None:
    lines = LostLines()
    for number in range(MOST + 1):
        lines.lost(str(number))

    assert not lines.found("0") and lines.found("1")
