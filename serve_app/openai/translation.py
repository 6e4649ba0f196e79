"""What a client asks in OpenAI's words, in ours. Pure; `Refused` for what cannot be said so."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from actors.messages.calls import Think
from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.requests import CouncilRequest, ModelOptions
from serve_app.clients.conversation import Said, conversation
from serve_app.clients.council_models import mode_of
from serve_app.openai.asks import ChatAsk, EmbeddingsAsk, SaidMessage
from serve_app.openai.faults import Refused

LONGEST_ANSWER = 32_768
EARLIER_TURNS = 50
"""So many are told to a council, which sees of them what fits a part of its context."""
SEEDS = 2**31
NO_TOOLS = "A council calls no tools: it may be offered some, but not told to call one"
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.ASCII | re.IGNORECASE)
_EFFORTS: dict[str, Think] = {
    "none": False, "minimal": False, "low": "low", "medium": "medium", "high": "high",
}  # fmt: skip
Made = TypeVar("Made", bound=BaseModel)


def council_request(ask: ChatAsk) -> CouncilRequest:
    """For a council, which leaves tools alone that it may call or not, and pictures of earlier
    questions: front ends offer and send theirs with every question. Raises `InvalidRequest` for a
    conversation that a council cannot have."""
    if ask.n > 1:
        raise Refused("A council gives one answer: n has to be 1.", "n")
    if ask.has_to_call or ask.functions:
        param = "functions" if ask.functions else "tool_choice"
        raise Refused(f"{NO_TOOLS}; ask one of its models by name.", param)
    told = conversation(Said(m.role, m.text, bool(m.images)) for m in ask.messages)
    if told.shows_pictures:
        raise Refused("A council sees no pictures; ask one of its models by name.", "messages")
    return _made(
        CouncilRequest,
        query=told.query,
        mode=mode_of(ask.model),
        earlier=told.earlier[-EARLIER_TURNS:] or None,
        instructions=told.instructions,
        answer={"options": _options(ask), "format": ask.response_format.wanted},
    )


def local_chat(ask: ChatAsk, model: str) -> LocalChat:
    """For a model of the cluster."""
    if ask.n > 1:
        raise Refused("One answer a request: n has to be 1.", "n")
    if ask.functions:
        raise Refused("Send tools in place of functions, which are not read here.", "functions")
    return _made(
        LocalChat,
        model=model,
        messages=list(_messages(ask.messages)),
        tools=ask.tools if ask.offers_tools else (),
        format=ask.response_format.wanted,
        think=_EFFORTS.get(ask.reasoning_effort or ""),
        options=_options(ask),
    )


def local_embedding(ask: EmbeddingsAsk) -> LocalEmbedding:
    return _made(LocalEmbedding, model=ask.model, inputs=ask.texts, dimensions=ask.dimensions)


def _messages(said: tuple[SaidMessage, ...]) -> Iterator[dict[str, Any]]:
    """As Ollama has them: a tool's answer names the tool, not the call."""
    names: dict[str, str] = {}
    for message in said:
        names |= {call.id: call.function.name for call in message.tool_calls}
        yield {
            "role": "system" if message.role == "developer" else message.role,
            "content": message.text,
            "images": [_base64(url) for url in message.images],
            "tool_calls": [
                {"function": {"name": call.function.name, "arguments": _arguments(call.function)}}
                for call in message.tool_calls
            ],
            "tool_name": names.get(message.tool_call_id) if message.role == "tool" else None,
        }


def _arguments(function: Any) -> dict[str, Any]:
    try:
        told = json.loads(function.arguments or "{}")
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Refused(f"The arguments of {function.name} are no JSON object.", "messages")
    return told


def _base64(url: str) -> str:
    if not (prefix := _DATA_URL.match(url)):
        sentence = "An image has to be in the request itself, as data:image/…;base64,…"
        raise Refused(sentence, "messages")
    return url[prefix.end() :]


def _options(ask: ChatAsk) -> ModelOptions:
    wanted = ask.max_completion_tokens or ask.max_tokens
    return _made(
        ModelOptions,
        temperature=ask.temperature,
        top_p=ask.top_p,
        seed=None if ask.seed is None else ask.seed % SEEDS,
        stop=((ask.stop,) if isinstance(ask.stop, str) else ask.stop) or None,
        num_predict=min(wanted, LONGEST_ANSWER) if wanted else None,
    )


def _made(kind: type[Made], **fields: Any) -> Made:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        param: Literal["model"] | str = str(fault["loc"][0])
        raise Refused(f"{param}: {fault['msg']}.", param) from None
