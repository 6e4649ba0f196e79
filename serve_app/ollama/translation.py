"""What a client asks in Ollama's words, in ours. Pure; `BadAsk` for what cannot be said in them."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from actors.messages.chats import LocalChat, LocalEmbedding
from actors.messages.requests import CouncilRequest, ModelOptions
from cluster.embedded.asks import ChatAsk, GenerateAsk, Options
from cluster.embedded.exchange import bad_field
from cluster.embedded.faults import BadAsk
from serve_app.clients.conversation import Said, conversation
from serve_app.clients.council_models import mode_of
from serve_app.ollama.asks import EmbedAsk, EmbeddingsAsk
from serve_app.ollama.faults import not_found

LONGEST_ANSWER = 32_768
EARLIER_TURNS = 50
"""So many are told to a council, which sees of them what fits a part of its context."""
_Message = TypeVar("_Message", bound=BaseModel)


def local_chat(ask: ChatAsk | GenerateAsk, model: str) -> LocalChat:
    """For that model of the cluster. A prompt is a conversation of one message."""
    _check_prompt(ask)
    messages = [said.model_dump() for said in ask.conversation]
    if isinstance(ask, GenerateAsk):
        messages[-1]["images"] = ask.images
    return _made(
        LocalChat,
        model=model,
        messages=messages,
        tools=ask.tools,
        format=ask.format or None,
        think=ask.think if ask.thinks is not None else None,
        options=_options(ask.options),
    )


def council_request(ask: ChatAsk | GenerateAsk) -> CouncilRequest:
    """For a council, which leaves tools alone, and pictures of earlier questions: front ends offer
    and send theirs with every question. Raises `InvalidRequest` for a conversation that a council
    cannot have."""
    _check_prompt(ask)
    told = conversation(Said(m.role, m.content, bool(m.images)) for m in ask.conversation)
    if told.shows_pictures or (isinstance(ask, GenerateAsk) and ask.images):
        raise BadAsk(f'"{ask.model}" does not support images')
    return _made(
        CouncilRequest,
        query=told.query,
        mode=mode_of(ask.model),
        earlier=told.earlier[-EARLIER_TURNS:] or None,
        instructions=told.instructions,
        answer={"options": _options(ask.options), "format": ask.format or None},
    )


def local_embedding(ask: EmbedAsk | EmbeddingsAsk) -> LocalEmbedding:
    more = ask.model_dump(include={"truncate", "dimensions"})
    return _made(LocalEmbedding, model=ask.model, inputs=ask.texts, **more)


def _check_prompt(ask: ChatAsk | GenerateAsk) -> None:
    """Raises `BadAsk` for a prompt that is no question: the text around a gap, or a raw one."""
    if isinstance(ask, GenerateAsk) and ask.suffix:
        raise BadAsk(f'"{ask.model}" does not support insert')
    if isinstance(ask, GenerateAsk) and ask.raw:
        raise BadAsk("raw prompts are not served here: send the prompt without the template")


def _options(asked: Options) -> dict[str, Any]:
    """Only what was asked for and is ours to give. No limit, and a seed by chance, is what leaving
    them out means."""
    ours = asked.model_fields_set & ModelOptions.model_fields.keys()
    told = asked.model_dump(include=set(ours))
    if told.get("num_predict", 1) <= 0:
        del told["num_predict"]
    if told.get("seed", 0) < 0:
        del told["seed"]
    if "num_predict" in told:
        told["num_predict"] = min(told["num_predict"], LONGEST_ANSWER)
    return told


def _made(kind: type[_Message], **fields: Any) -> _Message:
    """Raises `BadAsk`; a name that no model can have is a model that is not there."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("model",):
            raise not_found(str(fields["model"])) from None
        raise bad_field(error) from None
