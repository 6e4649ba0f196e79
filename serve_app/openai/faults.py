"""A refusal as OpenAI's clients read it: by the status they choose the exception, by `type`, `code`
and `param` people see what to mend."""

from typing import Any

from actors.errors import (
    BadCall,
    ContextOverflow,
    ModelNotAvailable,
    ModelNotInstalled,
    ModelNotUsable,
    SessionFinished,
    SessionRunning,
)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_UNKNOWN_MODEL = (ModelNotInstalled.code, ModelNotAvailable.code)
_BAD_REQUEST = {
    BadCall.code: BadCall.code,
    ContextOverflow.code: "context_length_exceeded",
    ModelNotUsable.code: ModelNotUsable.code,
    SessionFinished.code: SessionFinished.code,
    SessionRunning.code: SessionRunning.code,
}
"""What cannot be done however often it is asked, by OpenAI's name where it has one: its clients
send a question again by themselves at a conflict (409), and where the server is to blame (5xx)."""


class Refused(Exception):
    """What this protocol's clients cannot have here: `Refused(sentence, param, code, status)`."""

    def __init__(
        self, sentence: str, param: str | None = None, code: str = "", status: int = 400
    ) -> None:
        super().__init__(sentence, param, code, status)
        self.sentence, self.param, self.code, self.status = sentence, param, code, status


def openai_error(
    status: int, code: str, sentence: str, param: str | None = None
) -> tuple[int, dict[str, Any]]:
    """A field that is wrong is a bad request there (400), a model that nobody has is not found."""
    if code in _UNKNOWN_MODEL:
        status, code, param = 404, "model_not_found", "model"
    elif code in _BAD_REQUEST:
        status, code = 400, _BAD_REQUEST[code]
    elif status == 422:
        status = 400
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return status, {"error": {"message": sentence, "type": kind, "param": param, "code": code}}
