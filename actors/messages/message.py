"""The one shape that all messages share: frozen and closed."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A value that crosses a process. Immutable; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
