"""What a client asks for in the words of the Responses API. Pure: values and what may be in them.

Fields that are not here are ignored, and null counts as left out. Numbers are bounded where they
are told in the words of a chat.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from actors.messages.requests import Metadata
from cluster.embedded.asks import Asked


class TextPart(Asked):
    type: Literal["input_text", "output_text"]
    text: str


class RefusalPart(Asked):
    type: Literal["refusal"]
    refusal: str


class ImagePart(Asked):
    type: Literal["input_image"]
    image_url: str


Part = Annotated[TextPart | RefusalPart | ImagePart, Field(discriminator="type")]
Content = str | tuple[Part, ...]


class MessageItem(Asked):
    type: Literal["message"]
    role: Literal["system", "developer", "user", "assistant"]
    content: Content


class ReasoningItem(Asked):
    """What was thought earlier, as clients send it back; nobody is told of it."""

    type: Literal["reasoning"]


class CallItem(Asked):
    """`call_id` names the call that a tool's answer is for."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str = "{}"


class CallOutputItem(Asked):
    type: Literal["function_call_output"]
    call_id: str
    output: Content


Item = Annotated[
    MessageItem | ReasoningItem | CallItem | CallOutputItem, Field(discriminator="type")
]


class TextFormat(Asked):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = "answer"
    definition: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> "TextFormat":
        if self.type == "json_schema" and self.definition is None:
            raise ValueError("schema is missing")
        return self


class TextWanted(Asked):
    format: TextFormat = TextFormat()


class Reasoning(Asked):
    effort: str | None = None


class FunctionTool(Asked):
    type: Literal["function"]
    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class ResponsesAsk(Asked):
    """`POST /v1/responses`."""

    model: str = Field(min_length=1, max_length=300)
    input: tuple[Item, ...] = Field(min_length=1)
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool = False
    background: bool = False
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    text: TextWanted = TextWanted()
    reasoning: Reasoning = Reasoning()
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: str | dict[str, Any] = "auto"
    metadata: Metadata = {}
    n: int = 1
    conversation: Any = None
    prompt: Any = None

    @field_validator("input", mode="before")
    @classmethod
    def _is_items(cls, given: Any) -> Any:
        """A text is what the user says, and what has no type is a message."""
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        if not isinstance(given, list):
            return given
        return [{"type": "message", **one} if isinstance(one, dict) else one for one in given]

    @field_validator("tools", mode="before")
    @classmethod
    def _is_functions(cls, given: Any) -> Any:
        tools = given if isinstance(given, list) else []
        if any(isinstance(one, dict) and one.get("type") != "function" for one in tools):
            raise ValueError("only functions are called here, and by models of their own names")
        return given
