"""What the service says by codes has words for a French reader too."""

import re
from collections.abc import Iterator
from typing import get_args

from actors.council.asking.outcomes import FORGOTTEN, TRIMMED
from actors.council.deliberation import CERTAIN, WAITING
from actors.council.session import RETURNED
from actors.council.steps import FALLBACK_CHAIRMAN, FALLBACK_OPINION
from actors.errors import CouncilError, CouncilFailed, ModelCallError, RequestError, Unavailable
from actors.messages.events import Remark
from serve_app.routes.page import WEB

NOT_OF_THE_PAGE = {"bad_request", "unsupported_media_type", "idempotency_key_reused"}
"""It never sends what these refuse."""
DERIVED = {"truncated", "abstention", "no_valid_reviews"}


def table(name: str) -> set[str]:
    text = (WEB / "codes.js").read_text()
    inside = text.split(f"const {name} = {{", 1)[1].split("};", 1)[0]
    return set(re.findall(r"\b(\w+): \"", inside))


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
