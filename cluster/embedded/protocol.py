"""Ollama's protocol said in llama.cpp's words, and llama.cpp's answers in Ollama's. Pure.

A question becomes one streamed request to llama.cpp's `/v1/chat/completions` (or, for a raw
prompt, `/v1/completions`); each chunk that comes back becomes a `Piece`, each piece a line.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cluster.embedded.asks import Ask, ChatAsk, GenerateAsk, Options, SaidMessage
from cluster.embedded.faults import BadAsk, EngineError, PromptTooLong

SPOKEN = "0.33.0"
"""The Ollama version whose protocol this is (the first to tell `prompt_eval_cached_count`). Clients
read numbers between points: Open WebUI fails at anything else."""
VERSION = f"{SPOKEN}+council"
"""What a PC's engine says that it is."""
Line = dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """llama.cpp's own counts of one generation. `cached` of the prompt's tokens were reused from
    a slot's prefix; `prompt` is all of them. Durations in ms."""

    prompt: int
    cached: int
    generated: int
    prompt_ms: float
    generate_ms: float


@dataclass(frozen=True)
class Piece:
    """One chunk of an answer. `reason` `stop` or `length` once; `counts` once, at the end."""

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    reason: str | None = None
    counts: Counts | None = None


def check(ask: ChatAsk | GenerateAsk, capabilities: Sequence[str]) -> None:
    """Raises BadAsk for what this model, or this engine, cannot do."""
    if "completion" not in capabilities:
        verb = "chat" if isinstance(ask, ChatAsk) else "generate"
        raise BadAsk(f'"{ask.model}" does not support {verb}')
    if ask.thinks and "thinking" not in capabilities:
        raise BadAsk(f'"{ask.model}" does not support thinking')
    if ask.has_tools:
        raise BadAsk(f'"{ask.model}" does not support tools')
    if ask.has_images:
        raise BadAsk(f'"{ask.model}" does not support images')
    if isinstance(ask, GenerateAsk) and ask.suffix:
        raise BadAsk(f'"{ask.model}" does not support insert')


def llama_request(
    ask: ChatAsk | GenerateAsk, conversation: Sequence[SaidMessage]
) -> tuple[str, dict[str, Any]]:
    """The path and the body of llama.cpp's request."""
    body: dict[str, Any] = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": True,
        **_sampling(ask.options),
    }
    if isinstance(ask, GenerateAsk) and ask.raw:
        if isinstance(ask.format, dict):
            body["json_schema"] = ask.format
        elif ask.format:
            body["json_schema"] = {"type": "object"}
        return "/v1/completions", body | {"prompt": ask.prompt}
    body["messages"] = [{"role": said.role, "content": said.content} for said in conversation]
    if ask.format:
        body["response_format"] = _response_format(ask.format)
    if ask.thinks is not None:
        body["chat_template_kwargs"] = {"enable_thinking": ask.thinks}
    return "/v1/chat/completions", body


def shortened(conversation: Sequence[SaidMessage]) -> tuple[SaidMessage, ...] | None:
    """Without its oldest message, as Ollama cuts a chat; system messages and the last one stay.
    None where nothing may go: a single long message is refused, its middle is not cut out."""
    for index, said in enumerate(conversation[:-1]):
        if said.role != "system":
            return (*conversation[:index], *conversation[index + 1 :])
    return None


def read_chunk(data: dict[str, Any]) -> Piece:
    """One `data:` event of llama.cpp's stream; raises EngineError for an error event."""
    if "error" in data:
        raise refusal(500, json.dumps(data))
    choice = (data.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    timings, usage = data.get("timings"), data.get("usage")
    return Piece(
        text=delta.get("content") or choice.get("text") or "",
        thinking=delta.get("reasoning_content") or "",
        reason=choice.get("finish_reason"),
        counts=_counts(usage, timings) if usage and timings else None,
    )


def refusal(status: int, body: str) -> EngineError:
    """llama.cpp's error answer as the error that Ollama would give."""
    try:
        error = json.loads(body)["error"]
        message, kind = str(error["message"]), error.get("type")
    except (ValueError, KeyError, TypeError, AttributeError):
        return EngineError(500, f"llama-server answered {status} without a reason")
    if kind == "exceed_context_size_error":
        return PromptTooLong(int(error.get("n_prompt_tokens", 0)), int(error.get("n_ctx", 0)))
    if any(word in message.lower() for word in ("schema", "grammar")):
        return EngineError(500, f"invalid format: {message}")
    return EngineError(status, message)


def text_line(ask: Ask, piece: Piece, at: datetime) -> Line:
    return _line(ask, piece, at) | {"done": False}


def last_line(
    ask: Ask, reason: str, at: datetime, counts: Counts, total_ns: int, load_ns: int
) -> Line:
    """The line that ends an answer. Durations in ns; the cached count is part of the prompt's."""
    return _line(ask, Piece(), at) | {
        "done": True,
        "done_reason": reason,
        "total_duration": total_ns,
        "load_duration": load_ns,
        "prompt_eval_count": counts.prompt,
        "prompt_eval_cached_count": counts.cached,
        "prompt_eval_duration": int(counts.prompt_ms * 1e6),
        "eval_count": counts.generated,
        "eval_duration": int(counts.generate_ms * 1e6),
    }


def bare_line(ask: Ask, reason: str, at: datetime) -> Line:
    """What a question without text is answered with: `load` or `unload`."""
    return _line(ask, Piece(), at) | {"done": True, "done_reason": reason}


def gathered(lines: Iterable[Line]) -> Line:
    """All lines of an answer as the one object of `stream: false`."""
    *parts, last = lines
    if "message" not in last:
        whole = {**last, "response": "".join(line["response"] for line in parts)}
        thinking = "".join(line.get("thinking", "") for line in parts)
        return whole | ({"thinking": thinking} if thinking else {})
    message = {**last["message"], "content": "".join(line["message"]["content"] for line in parts)}
    thinking = "".join(line["message"].get("thinking", "") for line in parts)
    called = [call for line in parts for call in line["message"].get("tool_calls", ())]
    more = ({"thinking": thinking} if thinking else {}) | ({"tool_calls": called} if called else {})
    return {**last, "message": message | more}


def _line(ask: Ask, piece: Piece, at: datetime) -> Line:
    head = {"model": ask.model, "created_at": timestamp(at)}
    thought = {"thinking": piece.thinking} if piece.thinking else {}
    if isinstance(ask, ChatAsk):
        called = {"tool_calls": list(piece.tool_calls)} if piece.tool_calls else {}
        return head | {"message": {"role": "assistant", "content": piece.text} | thought | called}
    return head | {"response": piece.text} | thought


def timestamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _sampling(options: Options) -> dict[str, Any]:
    """llama.cpp knows most options by Ollama's names; no limit is -1 there, 0 or less here."""
    body = options.model_dump(exclude={"num_ctx", "num_predict", "stop"})
    body["max_tokens"] = options.num_predict if options.num_predict > 0 else -1
    return body | ({"stop": list(options.stop)} if options.stop else {})


def _response_format(form: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(form, str):
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"schema": form}}


def _counts(usage: dict[str, Any], timings: dict[str, Any]) -> Counts:
    return Counts(
        prompt=int(usage.get("prompt_tokens", 0)),
        cached=int(timings.get("cache_n", 0)),
        generated=int(timings.get("predicted_n", 0)),
        prompt_ms=float(timings.get("prompt_ms", 0.0)),
        generate_ms=float(timings.get("predicted_ms", 0.0)),
    )
