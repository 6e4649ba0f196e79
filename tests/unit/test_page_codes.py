"""What the service says by codes has words for a French reader too."""

import copy
import re
from collections.abc import Iterator
from typing import Any, get_args

import httpx

from actors.council.asking.outcomes import FORGOTTEN, TRIMMED
from actors.council.deliberation import CERTAIN, WAITING
from actors.council.judging.rejections import SENTENCES
from actors.council.session import RETURNED
from actors.council.steps import FALLBACK_CHAIRMAN, FALLBACK_OPINION
from actors.errors import (
    CouncilError,
    CouncilFailed,
    FieldReason,
    ModelCallError,
    RequestError,
    Unavailable,
)
from actors.messages.judgement import Rejection, Remark
from actors.messages.nodes import ServerCaution
from actors.messages.requests import AgentSpec, CouncilRequest, ModelOptions
from serve_app.configuration import ApiConfig
from serve_app.routes.page import WEB
from tests.fake_council import FakeCouncil, api

NOT_OF_THE_PAGE = {"bad_request", "unsupported_media_type", "idempotency_key_reused"}
"""It never sends what these refuse."""
DERIVED = {"truncated", "abstention", "no_valid_reviews"}
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e12,
    "",
    "a b",
    "x" * 50_000,
    [],
    ["a"] * 60,
    {},
    {"unknown": 1},
)
"""Values of which each field refuses some."""


CONFIG = ApiConfig(version="1", python_version="3", ray_version="2")


def words(name: str) -> dict[str, str]:
    text = (WEB / "codes.js").read_text()
    inside = text.split(f"const {name} = {{", 1)[1].split("};", 1)[0]
    return dict(re.findall(r"\b(\w+): \"([^\"]*)\"", inside))


def table(name: str) -> set[str]:
    return set(words(name))


def codes(*kinds: type[CouncilError]) -> set[str]:
    return {kind.code for root in kinds for kind in subtree(root)}


def subtree(kind: type[CouncilError]) -> Iterator[type[CouncilError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subtree(below)


def test_every_refusal_has_words() -> None:
    assert codes(RequestError, Unavailable) - NOT_OF_THE_PAGE <= table("PROBLEMS")


def test_every_failure_of_a_call_has_words() -> None:
    assert codes(ModelCallError) <= table("CALLS")


def test_every_notice_has_words() -> None:
    events = {TRIMMED, FORGOTTEN, CERTAIN, WAITING, RETURNED, FALLBACK_CHAIRMAN, FALLBACK_OPINION}
    assert events | DERIVED <= table("NOTICES")


def test_every_end_without_an_answer_has_words() -> None:
    assert codes(CouncilFailed) - {CouncilFailed.code} <= table("ENDS")


def test_every_remark_on_a_ranking_has_words() -> None:
    assert set(get_args(Remark.model_fields["code"].annotation)) <= table("REMARKS")


def test_every_reason_against_a_ballot_has_words_with_the_same_values() -> None:
    french = words("REJECTIONS")
    assert set(get_args(Rejection.model_fields["code"].annotation)) == set(SENTENCES) == set(french)
    for code, sentence in SENTENCES.items():
        assert places(sentence) == places(french[code]), code


def test_every_warning_about_a_model_server_has_words() -> None:
    assert set(get_args(ServerCaution.model_fields["code"].annotation)) <= table("CAUTIONS")


async def test_everything_that_may_be_wrong_with_a_field_has_words_and_its_bound() -> None:
    french = words("FIELDS")
    transport = httpx.ASGITransport(api(FakeCouncil(), CONFIG))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for body in bodies():
            answer = await http.post("/api/council/sessions", json=body)
            for error in answer.json().get("errors", ()):
                assert error["type"] in french, error
                assert len(error.get("ctx", {})) == 1 or not places(french[error["type"]]), error


def test_every_reason_of_our_own_against_a_field_has_words() -> None:
    assert set(get_args(FieldReason)) <= table("FIELDS")


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\d)\}", text))


def bodies() -> Iterator[dict[str, Any]]:
    """Questions with one field that is wrong, each field in every way."""
    paths = [[name] for name in (*CouncilRequest.model_fields, "unknown")]
    paths += [["selected_agents", 0, name] for name in AgentSpec.model_fields]
    paths += [["selected_agents", 0, "options", name] for name in ModelOptions.model_fields]
    for path in paths:
        for value in WRONG:
            body: Any = {"query": "Why?", "selected_agents": [{"model": "a:1", "options": {}}]}
            place = body
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = copy.copy(value)
            yield body
