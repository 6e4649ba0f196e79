"""What a client asks, in Ollama's words. Pure: values and what may be in them, no I/O.

Unknown fields are ignored and a field that is null counts as left out, as in Ollama.
"""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_STEP = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(value: Any) -> float:
    """Ollama's `keep_alive` in seconds: a number, or Go's `1h30m`; negative means for ever."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.inf if value < 0 else float(value)
    if not isinstance(value, str):
        raise ValueError(f"invalid duration: {value!r}")
    digits = value.lstrip("+-")
    steps = _STEP.findall(digits)
    if digits != "0" and "".join(number + unit for number, unit in steps) != digits or not digits:
        raise ValueError(f'time: invalid duration "{value}"')
    if value.startswith("-") and digits != "0":
        return math.inf
    return sum(float(number) * _UNITS[unit] for number, unit in steps)


class Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class Options(Asked):
    """Sampling, with Ollama's defaults. `num_ctx` None = the engine's own."""

    temperature: float = Field(default=0.8, ge=0, allow_inf_nan=False)
    top_k: int = 40
    top_p: float = Field(default=0.9, allow_inf_nan=False)
    min_p: float = Field(default=0.0, allow_inf_nan=False)
    typical_p: float = Field(default=1.0, allow_inf_nan=False)
    repeat_last_n: int = 64
    repeat_penalty: float = Field(default=1.1, allow_inf_nan=False)
    presence_penalty: float = Field(default=0.0, allow_inf_nan=False)
    frequency_penalty: float = Field(default=0.0, allow_inf_nan=False)
    seed: int = -1
    num_predict: int = -1
    num_ctx: int | None = Field(default=None, ge=1)
    stop: tuple[str, ...] = ()


class SaidMessage(Asked):
    """A turn. `tool_calls` of an assistant, `tool_name` of a tool's answer."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    images: tuple[Any, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_name: str | None = None


class Ask(Asked):
    """What both kinds of question share. `keep_alive`: seconds, `inf` for ever, None as it was."""

    model: str = Field(min_length=1, max_length=300)
    stream: bool = True
    format: Literal["", "json"] | dict[str, Any] = ""
    options: Options = Options()
    keep_alive: Annotated[float | None, BeforeValidator(seconds)] = None
    think: bool | str = False
    truncate: bool = True
    tools: tuple[Any, ...] = ()

    @property
    def thinks(self) -> bool | None:
        """Whether thinking was asked for; None where nothing was said of it."""
        return bool(self.think) if "think" in self.model_fields_set else None


class ChatAsk(Ask):
    """`POST /api/chat`. No messages: load the model, or unload it with `keep_alive: 0`."""

    messages: tuple[SaidMessage, ...] = ()

    @property
    def conversation(self) -> tuple[SaidMessage, ...]:
        return self.messages

    @property
    def has_images(self) -> bool:
        return any(message.images for message in self.messages)

    @property
    def has_tools(self) -> bool:
        return bool(self.tools) or any(message.role == "tool" for message in self.messages)


class GenerateAsk(Ask):
    """`POST /api/generate`. `raw`: the prompt as it is, without the model's chat template."""

    prompt: str = ""
    system: str = ""
    suffix: str = ""
    raw: bool = False
    images: tuple[Any, ...] = ()

    @property
    def conversation(self) -> tuple[SaidMessage, ...]:
        if not self.prompt:
            return ()
        system = (SaidMessage(role="system", content=self.system),) if self.system else ()
        return (*system, SaidMessage(role="user", content=self.prompt))

    @property
    def has_images(self) -> bool:
        return bool(self.images)

    @property
    def has_tools(self) -> bool:
        return bool(self.tools)


class ShowAsk(Asked):
    """`POST /api/show`; `name` is what old clients say for `model`."""

    model: str = ""
    name: str = ""

    @property
    def wanted(self) -> str:
        return self.model or self.name
