"""What is asked of one local model, without a council: a chat, streamed, or vectors. Stateless."""

from typing import Any, Literal

from pydantic import Field

from actors.messages.calls import ChatMessage, Embedding, Think
from actors.messages.message import Message
from actors.messages.requests import ModelName, ModelOptions


class LocalChat(Message):
    """What a client asks of one model on whichever PC the pool picks. `format` and `cache` as in
    `WorkerRequest`, `think` and `tools` as in `GenerateCall`. Without `options.num_predict` the
    model may write until its context is full."""

    model: ModelName
    messages: tuple[ChatMessage, ...] = Field(min_length=1)
    tools: tuple[dict[str, Any], ...] = ()
    format: Literal["json"] | dict[str, Any] | None = None
    think: Think | None = None
    options: ModelOptions = ModelOptions()
    cache: bool = True


class LocalEmbedding(Embedding):
    """Texts to be embedded by one model on whichever PC the pool picks."""

    model: ModelName
