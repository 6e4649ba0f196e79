"""A response that is asked for, as the chat that it is. Pure; `Refused` for what is none."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import ValidationError

from actors.messages.requests import AnswerForm, CouncilRequest
from serve_app.clients.council_models import is_council, name_of
from serve_app.openai.asks import ChatAsk, wrong_field
from serve_app.openai.faults import Refused
from serve_app.openai.responses.asks import (
    CallItem,
    CallOutputItem,
    Content,
    FunctionTool,
    ImagePart,
    Item,
    MessageItem,
    ResponsesAsk,
    TextFormat,
    TextPart,
    TextWanted,
)
from serve_app.openai.translation import council_request

PREFIX = "resp_"
_OF_SESSION = re.compile(
    rf"{PREFIX}([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})", re.ASCII
)
_KEPT = "only those of a council are kept"
_NOT_HERE = {
    "conversation": "No conversations are kept here: send previous_response_id, or what was said.",
    "prompt": "No prompts are kept here: send instructions and input.",
}


def response_id(session_id: str) -> str:
    """A council's response goes by its session."""
    return f"{PREFIX}{session_id}"


def session_of(response: str) -> str | None:
    """The id of the session behind a response; None = it is not a council's."""
    found = _OF_SESSION.fullmatch(response)
    return found[1] if found else None


def chat_of(ask: ResponsesAsk) -> ChatAsk:
    """The same in the words of a chat, but for what it goes on with."""
    for name, sentence in _NOT_HERE.items():
        if getattr(ask, name) is not None:
            raise Refused(sentence, name)
    if not is_council(ask.model):
        _check_alone(ask)
    said = [{"role": "system", "content": ask.instructions}] if ask.instructions else []
    return _made(
        model=ask.model,
        messages=[*said, *_messages(ask.input)],
        n=ask.n,
        temperature=ask.temperature,
        top_p=ask.top_p,
        max_completion_tokens=ask.max_output_tokens,
        response_format=_format(ask.text.format),
        reasoning_effort=ask.reasoning.effort,
        tools=[_tool(tool) for tool in ask.tools],
        tool_choice=ask.tool_choice,
    )


def council_asked(ask: ResponsesAsk, chat: ChatAsk) -> CouncilRequest:
    """For a council. Raises `InvalidRequest` for a conversation that a council cannot have."""
    wanted = council_request(chat).model_copy(update={"metadata": ask.metadata or None})
    if ask.previous_response_id is None:
        return wanted
    if (former := session_of(ask.previous_response_id)) is None:
        sentence = f"There is no such response here: {_KEPT}."
        raise Refused(sentence, "previous_response_id", "previous_response_not_found")
    if wanted.earlier:
        sentence = (
            "With previous_response_id the input is only what is new: what was said is known."
        )
        raise Refused(sentence, "input")
    return wanted.model_copy(update={"follows": former})


def asked_again(request: CouncilRequest) -> ResponsesAsk:
    """What a council was asked, as far as its response repeats it, in this protocol's words."""
    form = request.answer or AnswerForm()
    options = form.options
    return ResponsesAsk.model_construct(
        model=name_of(request.mode),
        input=(),
        instructions=request.instructions,
        previous_response_id=response_id(request.follows) if request.follows else None,
        metadata=request.metadata or {},
        temperature=options.temperature,
        top_p=options.top_p,
        max_output_tokens=options.num_predict,
        text=TextWanted(format=_format_again(form.format)),
    )


def _check_alone(ask: ResponsesAsk) -> None:
    """A model by its own name has no memory and no queue."""
    if ask.previous_response_id is not None:
        sentence = f"Responses of {ask.model} are not kept, {_KEPT}: send all that was said."
        raise Refused(sentence, "previous_response_id")
    if ask.background:
        sentence = f"{ask.model} answers at once: background is for a council."
        raise Refused(sentence, "background")


def _messages(items: tuple[Item, ...]) -> list[dict[str, Any]]:
    """What a model calls belongs to what it said just before."""
    said: list[dict[str, Any]] = []
    for item in items:
        match item:
            case MessageItem():
                said.append({"role": item.role, "content": list(_parts(item.content))})
            case CallItem():
                if not said or said[-1]["role"] != "assistant":
                    said.append({"role": "assistant", "content": ""})
                function = {"name": item.name, "arguments": item.arguments}
                said[-1].setdefault("tool_calls", []).append(
                    {"id": item.call_id, "function": function}
                )
            case CallOutputItem():
                parts = list(_parts(item.output))
                said.append({"role": "tool", "content": parts, "tool_call_id": item.call_id})
    return said


def _parts(content: Content) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
        return
    for part in content:
        if isinstance(part, ImagePart):
            yield {"type": "image_url", "image_url": {"url": part.image_url}}
        else:
            text = part.text if isinstance(part, TextPart) else part.refusal
            yield {"type": "text", "text": text}


def _format(wanted: TextFormat) -> dict[str, Any]:
    schema = {"schema": wanted.definition} if wanted.definition is not None else None
    return {"type": wanted.type, "json_schema": schema}


def _format_again(wanted: Literal["json"] | dict[str, Any] | None) -> TextFormat:
    if isinstance(wanted, dict):
        return TextFormat(type="json_schema", schema=wanted)
    return TextFormat(type="json_object" if wanted else "text")


def _tool(tool: FunctionTool) -> dict[str, Any]:
    function = tool.model_dump(exclude={"type", "strict"}, exclude_unset=True)
    return {"type": "function", "function": function}


def _made(**fields: Any) -> ChatAsk:
    try:
        return ChatAsk.model_validate(fields)
    except ValidationError as error:
        raise Refused(*wrong_field(error)) from None
