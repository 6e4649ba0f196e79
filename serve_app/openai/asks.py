"""What a client asks, in OpenAI's words. Pure: values and what may be in them.

Fields that are not here are ignored, and null counts as left out, as servers of this protocol do.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from cluster.embedded.asks import Asked


class TextPart(Asked):
    type: Literal["text"]
    text: str


class RefusalPart(Asked):
    """What an assistant would not say, in its own words."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        return self.refusal


class Image(Asked):
    url: str


class ImagePart(Asked):
    type: Literal["image_url"]
    image_url: Image


Part = Annotated[TextPart | RefusalPart | ImagePart, Field(discriminator="type")]


class Function(Asked):
    name: str
    arguments: str = "{}"


class ToolCall(Asked):
    id: str = ""
    function: Function


class SaidMessage(Asked):
    """`tool_calls` of an assistant; `tool_call_id` says which of them a tool's answer is for."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(
            part.text for part in self.content if isinstance(part, TextPart | RefusalPart)
        )

    @property
    def images(self) -> tuple[str, ...]:
        """URLs."""
        if isinstance(self.content, str):
            return ()
        return tuple(part.image_url.url for part in self.content if isinstance(part, ImagePart))


class JsonSchema(Asked):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    definition: dict[str, Any] = Field(alias="schema")


class ResponseFormat(Asked):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("json_schema is missing")
        return self

    @property
    def wanted(self) -> Literal["json"] | dict[str, Any] | None:
        """As Ollama has it."""
        if self.json_schema is not None:
            return self.json_schema.definition
        return "json" if self.type == "json_object" else None


def _or_no_limit(given: Any) -> Any:
    """A negative limit is none, as for other local servers, whose clients send -1."""
    return None if isinstance(given, int) and given < 0 else given


Limit = Annotated[int | None, Field(ge=1), BeforeValidator(_or_no_limit)]


class StreamOptions(Asked):
    include_usage: bool = False


class ChatAsk(Asked):
    """`POST /v1/chat/completions`."""

    model: str = Field(min_length=1, max_length=300)
    messages: tuple[SaidMessage, ...] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: int = Field(default=1, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    seed: int | None = None
    stop: str | tuple[str, ...] = ()
    max_tokens: Limit = None
    max_completion_tokens: Limit = None
    response_format: ResponseFormat = ResponseFormat()
    reasoning_effort: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] = "auto"
    functions: tuple[Any, ...] = ()
    """As tools were sent before there were `tools`."""

    @property
    def offers_tools(self) -> bool:
        return bool(self.tools) and self.tool_choice != "none"

    @property
    def has_to_call(self) -> bool:
        """Whether an answer without a call of a tool would not do."""
        return self.offers_tools and self.tool_choice != "auto"

    @property
    def has_images(self) -> bool:
        return any(said.images for said in self.messages)

    @property
    def orders(self) -> str:
        """The first message, if it is the system's."""
        first = self.messages[0]
        return first.text if first.role == "system" else ""

    @property
    def question(self) -> str:
        """The last message, if it is the user's."""
        last = self.messages[-1]
        return last.text if last.role == "user" else ""


class EmbeddingsAsk(Asked):
    """`POST /v1/embeddings`."""

    model: str = Field(min_length=1, max_length=300)
    input: str | Annotated[tuple[str, ...], Field(min_length=1, max_length=512)]
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    encoding_format: Literal["float", "base64"] = "float"

    @field_validator("input", mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        first = given[0] if isinstance(given, list) and given else ""
        if isinstance(first, int | list):
            raise ValueError("send texts: each model here has tokens of its own")
        return given

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.input,) if isinstance(self.input, str) else self.input


def wrong_field(error: ValidationError) -> tuple[str, str | None]:
    """A sentence about a field that is wrong, without what was in it, and the field's path. Of one
    that may have several types, it is about the type that it comes closest to."""
    found = error.errors(include_url=False, include_input=False)
    fault = max(reversed(found), key=lambda one: len(one["loc"]))
    path = [str(part) for part in fault["loc"] if isinstance(part, int) or part.isidentifier()]
    param = ".".join(part for part in path if part != "str") or None
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "union_tag_invalid":
        said = f"its type has to be one of {fault['ctx']['expected_tags']}"
    return f"{param or 'The body'}: {said}.", param
