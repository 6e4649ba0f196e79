"""What OpenAI's clients read: models, completions, chunks, usage. Pure."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.messages.calls import Generated
from actors.messages.nodes import InstalledModel
from actors.messages.sessions import CouncilSession
from serve_app.clients.council_models import MODES

Shape = dict[str, Any]
OWNER = "llm-council"


@dataclass(frozen=True)
class Completion:
    """One answer on its way: what all of its chunks share. `extra`: what is ours in it."""

    model: str
    created: int
    extra: Shape = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")

    def chunk(self, delta: Shape, reason: str | None = None) -> Shape:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._of("chat.completion.chunk", [choice])

    def usage_chunk(self, usage: Shape) -> Shape:
        return self._of("chat.completion.chunk", []) | {"usage": usage}

    def whole(self, message: Shape, reason: str, usage: Shape) -> Shape:
        said = {"role": "assistant", "refusal": None, **message}
        choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": reason}
        return self._of("chat.completion", [choice]) | {"usage": usage}

    def _of(self, kind: str, choices: Sequence[Shape]) -> Shape:
        return {
            "id": self.name,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": list(choices),
            **self.extra,
        }


def model(name: str, created: int) -> Shape:
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER}


def models(installed: Sequence[InstalledModel], created: int) -> Shape:
    """The councils, then every model once."""
    dates = {
        one.name: int(one.modified_at.timestamp()) if one.modified_at else created
        for one in installed
    }
    councils = [model(name, created) for name in MODES]
    return {"object": "list", "data": [*councils, *(model(n, at) for n, at in dates.items())]}


def of_council(
    session: CouncilSession, more: Shape | None = None, remarks: Sequence[str] = ()
) -> Shape:
    """Where the session behind an answer is to be found. `more`: what is so of a stream only;
    `remarks` on this request, beside the session's notices."""
    path = f"/#/session/{session.session_id}"
    told = {"session_id": session.session_id, "page": path, "degraded": session.degraded}
    notices = [*remarks, *(notice.detail for notice in session.notices)]
    return {"council": {**told, "notices": notices, **(more or {})}}


def council_usage(session: CouncilSession) -> Shape:
    """All that the council read and wrote; `by_stage` says where."""
    told = session.token_usage
    stages = {
        "opinions": told.stage1_opinions,
        "review": told.stage2_review,
        "revision": told.revision,
        "synthesis": told.stage3_synthesis,
        "guard": told.guard,
    }
    return _usage(told.total_prompt_tokens, told.total_completion_tokens) | {
        "by_stage": {
            name: _usage(stage.total_prompt_tokens, stage.total_completion_tokens)
            for name, stage in stages.items()
            if stage
        }
    }


def usage(answer: Generated) -> Shape:
    return _usage(answer.usage.prompt_tokens, answer.usage.completion_tokens)


def tool_calls(answer: Generated) -> list[Shape]:
    """As OpenAI has them: with an id each, arguments as JSON text."""
    told = [call.get("function") for call in answer.tool_calls]
    return [
        {
            "index": index,
            "id": f"call_{secrets.token_hex(8)}",
            "type": "function",
            "function": {
                "name": str(one.get("name", "")),
                "arguments": json.dumps(one.get("arguments") or {}, ensure_ascii=False),
            },
        }
        for index, one in enumerate(told)
        if isinstance(one, dict)
    ]


def _usage(prompt: int, completion: int) -> Shape:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
