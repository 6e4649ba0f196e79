"""The OpenAPI document is true: requests made from it, valid and not, get the answers it names.

A short run of `benchmarks/fuzz_api.py`, which makes thousands of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fuzz_api import Row, Wire, fuzz, wire

CASES = 200


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def rows(sent: Wire) -> list[Row]:
    return fuzz(sent, CASES, seed=45)


def test_nothing_breaks_and_every_answer_is_as_the_document_says(rows: list[Row]) -> None:
    assert sum(row.cases for row in rows) >= CASES
    assert not [broken for row in rows for broken in row.broken]
    assert not {row.name: row.violations for row in rows if row.violations}


def test_every_route_is_reached_and_whatever_takes_something_also_refuses(rows: list[Row]) -> None:
    """No PC is there to be taken out; everything else is done at least once."""
    for row in rows:
        done = any(status < 300 for status in row.statuses)
        assert done != ("/drain" in row.name), row.name
    refusing = [row.name for row in rows if any(status // 100 == 4 for status in row.statuses)]
    assert len(refusing) == len([row for row in rows if row.cases > 10]) > 10


def test_a_document_that_leaves_something_out_is_found_out(sent: Wire, tmp_path: Path) -> None:
    with wire(tmp_path) as other:
        operation = other.app.openapi()["paths"]["/api/council/sessions/{session_id}"]["get"]
        del operation["responses"]["404"], operation["responses"]["422"]
        other.app.openapi_schema["paths"] = {
            "/api/council/sessions/{session_id}": {"get": operation}
        }
        (row,) = fuzz(other, 10, seed=1)
    assert any("Undocumented" in kind for kind in row.violations)
