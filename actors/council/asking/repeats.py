"""Which model calls are the same, so that the answer to one may stand for the other. Pure.

Only a call with a fixed seed, or at temperature 0, says the same again. Who asks, and how long it
may take, makes no difference; what the model reads and how it draws does.
"""

import hashlib
import json
from collections.abc import Iterable

from actors.council.table.model_names import canonical
from actors.messages.calls import GenerateCall, Generated
from actors.messages.nodes import NodeReport

_OF_THE_ASKER = {"call_id", "timeout_s", "origin"}
_NAMED_BY_DIGEST = {"model"}


def repeatable(call: GenerateCall) -> bool:
    """Whether the model says the same to it again."""
    return call.options.seed is not None or call.options.temperature == 0


def worth_keeping(answer: Generated) -> bool:
    """Only what is whole: what went wrong once is not to be told to everybody for an hour."""
    return bool(answer.content) and not answer.truncated


def fingerprint(call: GenerateCall, digest: str, num_ctx: int) -> str:
    """The same for calls that are the same, whatever they are called. `digest` of the model,
    `num_ctx` in tokens. A schema's keys keep their order: a model writes them in that order."""
    asked = call.model_dump(mode="json", exclude=_OF_THE_ASKER | _NAMED_BY_DIGEST)
    whole = json.dumps([digest, num_ctx, asked])
    return hashlib.sha256(whole.encode()).hexdigest()


def digests(reports: Iterable[NodeReport], model: str) -> dict[str, str]:
    """PC → digest of the model there, for the PCs that have it; empty where it is not told."""
    name = canonical(model)
    return {
        report.name: installed.digest
        for report in reports
        for installed in (report.ollama.installed if report.ollama else ())
        if canonical(installed.name) == name
    }


def agreed(found: dict[str, str]) -> str:
    """The digest that all PCs have under that name; empty where they differ, or none is known."""
    different = set(found.values())
    return different.pop() if len(different) == 1 else ""
