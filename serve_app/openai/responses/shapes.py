"""What clients of the Responses API read: a response, its usage, how it stands. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from actors.errors import Cancelled, CouncilError
from actors.messages.calls import Generated
from actors.messages.requests import CouncilRequest
from actors.messages.sessions import CouncilSession
from serve_app.openai.responses.asks import ResponsesAsk
from serve_app.openai.responses.items import ANSWER, THOUGHT, written
from serve_app.openai.responses.translation import asked_again, response_id
from serve_app.openai.shapes import Shape, council_usage, of_council, tool_calls, usage

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
TOO_LONG = {"reason": "max_output_tokens"}
_SAME_FOR_ALL: Mapping[str, Any] = {
    "object": "response", "max_tool_calls": None, "parallel_tool_calls": True,
    "truncation": "disabled",
}  # fmt: skip


@dataclass(frozen=True)
class Outline:
    """One response: what it says of itself at any time. `name` without its prefix; `asked`: what
    the client asked for."""

    name: str
    model: str
    created: int
    asked: Shape

    def told(
        self,
        status: Status,
        output: Sequence[Shape] = (),
        usage: Shape | None = None,
        error: Shape | None = None,
        more: Shape | None = None,
    ) -> Shape:
        """`more`: what is ours in it."""
        return {
            **_SAME_FOR_ALL,
            **self.asked,
            "id": response_id(self.name),
            "created_at": self.created,
            "model": self.model,
            "status": status,
            "error": error,
            "incomplete_details": TOO_LONG if status == "incomplete" else None,
            "output": list(output),
            "usage": usage,
            **(more or {}),
        }


def asked_for(ask: ResponsesAsk, stored: bool) -> Shape:
    """What of a request its response repeats. `stored`: whether it can be had again."""
    form = ask.text.format
    schema = form.model_dump(by_alias=True, exclude_none=True)
    return {
        "background": ask.background,
        "instructions": ask.instructions,
        "max_output_tokens": ask.max_output_tokens,
        "metadata": ask.metadata,
        "previous_response_id": ask.previous_response_id,
        "reasoning": {"effort": ask.reasoning.effort, "summary": None},
        "store": stored,
        "temperature": ask.temperature,
        "text": {"format": schema if form.type == "json_schema" else {"type": form.type}},
        "tool_choice": ask.tool_choice,
        "tools": [tool.model_dump() for tool in ask.tools],
        "top_p": ask.top_p,
    }


def kept_outline(session: CouncilSession, request: CouncilRequest) -> Outline:
    """Of a council's response, from what is kept of it: the session, and what it was asked."""
    ask = asked_again(request)
    created = int(session.created_at.timestamp())
    return Outline(session.session_id, ask.model, created, asked_for(ask, stored=True))


def council_response(
    outline: Outline,
    session: CouncilSession,
    output: Sequence[Shape] | None = None,
    more: Shape | None = None,
    remarks: Sequence[str] = (),
) -> Shape:
    """`output`: as it was told in a stream; without one it is the answer. `more`: what is so of a
    stream only; `remarks` on this request."""
    status, final = status_of(session), session.final_answer
    if output is None:
        output = written(outline.name, [(ANSWER, final.content)], (), status) if final else ()
    ended = session.stage in ("complete", "error")
    return outline.told(
        status,
        output,
        _council_usage(session) if ended else None,
        _error(session.error_code or "", session.error or "") if status == "failed" else None,
        of_council(session, more, remarks),
    )


def local_response(
    outline: Outline, answer: Generated, output: Sequence[Shape] | None = None
) -> Shape:
    """`output` as for a council."""
    status = reach_of(answer.truncated)
    if output is None:
        texts = [(THOUGHT, answer.thinking), (ANSWER, answer.content)]
        output = written(outline.name, texts, tool_calls(answer), status)
    return outline.told(status, output, _local_usage(answer))


def failed_response(outline: Outline, output: Sequence[Shape], error: CouncilError) -> Shape:
    status: Status = "cancelled" if error.code == Cancelled.code else "failed"
    return outline.told(status, output, error=_error(error.code, error.detail))


def reach_of(truncated: bool) -> Status:
    """How far an answer came."""
    return "incomplete" if truncated else "completed"


def status_of(session: CouncilSession) -> Status:
    if session.stage == "complete" and session.final_answer is not None:
        return reach_of(session.final_answer.truncated)
    if session.stage == "error":
        return "cancelled" if session.error_code == Cancelled.code else "failed"
    return "queued" if session.stage == "pending" else "in_progress"


def _error(code: str, sentence: str) -> Shape:
    """OpenAI has a few codes, of which one fits; ours is its type."""
    return {"code": "server_error", "message": sentence, "param": None, "type": code}


def _council_usage(session: CouncilSession) -> Shape:
    """What is not in the final answer was thought: opinions, reviews, what the guard says."""
    told = council_usage(session)
    thought = told["completion_tokens"] - _answered(session)
    stages = {name: _counted(stage) for name, stage in told["by_stage"].items()}
    return _usage(told, thought=max(0, thought)) | {"by_stage": stages}


def _answered(session: CouncilSession) -> int:
    """The tokens of the final answer; where it is an opinion as it stands, of that one."""
    final = session.final_answer
    if final is None or final.basis == "synthesis":
        return final.completion_tokens if final else 0
    kept = (one for one in session.opinions if one.agent_id in final.sources_cited)
    return sum(one.completion_tokens for one in kept)


def _local_usage(answer: Generated) -> Shape:
    afresh, told = answer.prompt_evaluated, usage(answer)
    return _usage(told, cached=0 if afresh is None else max(0, told["prompt_tokens"] - afresh))


def _usage(chat: Shape, cached: int = 0, thought: int = 0) -> Shape:
    return _counted(chat) | {
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": thought},
    }


def _counted(chat: Shape) -> Shape:
    """Tokens as a chat counts them, by this protocol's names."""
    return {
        "input_tokens": chat["prompt_tokens"],
        "output_tokens": chat["completion_tokens"],
        "total_tokens": chat["total_tokens"],
    }
