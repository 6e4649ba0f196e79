"""Every error that is ours, in one tree: whose fault it is, its code, and its HTTP status.

CouncilError                     code, status, title; `str(error)` is a sentence for the user
├── RequestError                 the client can mend it
│   ├── InvalidRequest           422 invalid_request      a field is wrong; `errors` says which
│   ├── MalformedBody            400 malformed_body       not JSON, NaN, duplicate keys, too deep
│   ├── BodyTooLarge             413 body_too_large
│   ├── UnsupportedMediaType     415 unsupported_media_type
│   ├── Unauthorized             401 unauthorized
│   ├── ModelNotInstalled        422 model_not_available  no PC has that model
│   ├── SessionNotFound          404 session_not_found
│   ├── NodeNotFound             404 node_not_found
│   ├── SessionFinished          409 session_finished     it cannot be cancelled any more
│   ├── SessionRunning           409 session_running      it cannot be purged yet
│   ├── IdempotencyKeyReused     422 idempotency_key_reused
│   └── QueueFull                429 queue_full
├── CouncilFailed                accepted, but no answer came of it; the session is kept
│   ├── NoOpinions               502 no_opinions          every seat failed
│   ├── NoQuorum                 503 no_quorum            fewer than two opinions
│   ├── DeadlineReached          504 deadline
│   └── Cancelled                409 cancelled
├── Unavailable                  503, try again later (`retry_after_s`)
│   ├── StoreUnavailable         503 store_unavailable
│   ├── Superseded               503 superseded           another orchestrator has taken over
│   ├── NoModelServer            503 no_model_server      no PC offers a model server
│   └── CouncilUnavailable       503 council_unavailable  the orchestrator does not answer
└── ModelCallError               one model call failed; `retryable`: try again, elsewhere first
    ├── NodeUnreachable          node_unreachable         O1
    ├── NodeGone                 node_gone                the PC that has the model left
    ├── ModelNotAvailable        model_not_available      O2
    ├── ServerBusy               server_busy              O3
    ├── CallTimeout              timeout                  O4, O5, deadlines
    ├── ModelLoadFailed          model_load_failed        O5, O6
    ├── ModelCrashed             model_crashed            O7, O8, O22, O26
    ├── TruncatedStream          truncated_stream         O9
    ├── ContextOverflow          context_overflow         O12
    ├── EmptyAnswer              empty_answer             O13
    ├── RunawayOutput            runaway_output           O15
    ├── ModelNotUsable           model_not_usable         O17, O24
    ├── BadCall                  bad_call                 O16, O19: our own mistake
    ├── NodeRefused              node_refused             O23
    ├── NotOllama                not_ollama               O25
    ├── AgentLost                agent_lost               the agent's process or PC went away
    └── CallCancelled            cancelled

All arguments are positional and go to `super().__init__`, so that every error survives a pickle.
"""

from typing import Any, ClassVar, Literal

FieldReason = Literal[
    "unwritable",
    "blank",
    "question_too_long",
    "too_many",
    "no_answer",
    "no_session",
    "both_earlier",
]
"""Why a field is refused that pydantic had no objection to."""


class CouncilError(Exception):
    """The root. `args[0]` is a sentence that says what happened and, where it helps, what to do."""

    code: ClassVar[str] = "council_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The council failed"
    retry_after_s: ClassVar[float | None] = None

    @property
    def detail(self) -> str:
        return str(self.args[0]) if self.args else self.title


class RequestError(CouncilError):
    status = 400
    code = "bad_request"
    title = "The request cannot be served"


class InvalidRequest(RequestError):
    """`InvalidRequest(detail, errors)`; each `{"loc": ["query"], "msg": "…", "type": "…"}`. Ours
    are of the type `value_error`; those that the page may meet have a `FieldReason` as `reason`,
    and a `ctx` such as `{"max_length": 5}`."""

    status = 422
    code = "invalid_request"
    title = "A field of the request is not valid"

    @property
    def errors(self) -> list[dict[str, Any]]:
        return list(self.args[1]) if len(self.args) > 1 else []


class MalformedBody(RequestError):
    code = "malformed_body"
    title = "The body is not acceptable JSON"


class BodyTooLarge(RequestError):
    status = 413
    code = "body_too_large"
    title = "The body is too large"


class UnsupportedMediaType(RequestError):
    status = 415
    code = "unsupported_media_type"
    title = "Send application/json"


class Unauthorized(RequestError):
    status = 401
    code = "unauthorized"
    title = "A bearer key is needed"


class ModelNotInstalled(RequestError):
    """`ModelNotInstalled(detail, model)`; without a model where none will do."""

    status = 422
    code = "model_not_available"
    title = "No PC has that model"

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(map(str, self.args[1:]))


class SessionNotFound(RequestError):
    status = 404
    code = "session_not_found"
    title = "There is no such session"


class NodeNotFound(RequestError):
    status = 404
    code = "node_not_found"
    title = "There is no such PC"


class SessionFinished(RequestError):
    status = 409
    code = "session_finished"
    title = "The session has ended already"


class SessionRunning(RequestError):
    status = 409
    code = "session_running"
    title = "The session is still running"


class IdempotencyKeyReused(RequestError):
    status = 422
    code = "idempotency_key_reused"
    title = "That Idempotency-Key was used with another body"


class QueueFull(RequestError):
    """`QueueFull(detail, retry_after_s)`: nothing was stored."""

    status = 429
    code = "queue_full"
    title = "Too many questions are waiting"

    @property
    def retry_after_s(self) -> float:  # type: ignore[override]
        return float(self.args[1]) if len(self.args) > 1 else 5.0


class CouncilFailed(CouncilError):
    """`CouncilFailed(detail, session_id)`: accepted and kept, but without an answer."""

    status = 502
    code = "council_failed"

    @property
    def session_id(self) -> str | None:
        return str(self.args[1]) if len(self.args) > 1 else None


class NoOpinions(CouncilFailed):
    code = "no_opinions"
    title = "No agent gave an opinion"


class NoQuorum(CouncilFailed):
    status = 503
    code = "no_quorum"
    title = "Too few agents gave an opinion"


class DeadlineReached(CouncilFailed):
    status = 504
    code = "deadline"
    title = "The session's deadline passed"


class Cancelled(CouncilFailed):
    status = 409
    code = "cancelled"
    title = "The session was cancelled"


class Unavailable(CouncilError):
    status = 503
    code = "unavailable"
    title = "Not available just now"
    retry_after_s = 5.0


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    title = "The session store cannot be written"


class Superseded(Unavailable):
    code = "superseded"
    title = "Another orchestrator has taken over"
    retry_after_s = 2.0


class NoModelServer(Unavailable):
    code = "no_model_server"
    title = "No PC offers a model server"


class CouncilUnavailable(Unavailable):
    code = "council_unavailable"
    title = "The council does not answer"
    retry_after_s = 2.0


class ModelCallError(CouncilError):
    """`ModelCallError(detail, partial)`: one call failed; `partial` is what was heard before."""

    status = 502
    code = "model_call_failed"
    title = "A model call failed"
    retryable: ClassVar[bool] = False

    @property
    def partial(self) -> str:
        return str(self.args[1]) if len(self.args) > 1 else ""


class NodeUnreachable(ModelCallError):
    code = "node_unreachable"
    title = "The model server cannot be reached"
    retryable = True


class NodeGone(ModelCallError):
    status = 503
    code = "node_gone"
    title = "The PC that has that model left the cluster"


class ModelNotAvailable(ModelCallError):
    status = 422
    code = "model_not_available"
    title = "The model server does not have that model"


class ServerBusy(ModelCallError):
    status = 503
    code = "server_busy"
    title = "The model server is busy"
    retryable = True


class CallTimeout(ModelCallError):
    status = 504
    code = "timeout"
    title = "The model server took too long"
    retryable = True


class ModelLoadFailed(ModelCallError):
    code = "model_load_failed"
    title = "The model could not be loaded"
    retryable = True


class ModelCrashed(ModelCallError):
    code = "model_crashed"
    title = "The model stopped in mid-answer"
    retryable = True


class TruncatedStream(ModelCallError):
    code = "truncated_stream"
    title = "The answer ended without its last line"
    retryable = True


class ContextOverflow(ModelCallError):
    code = "context_overflow"
    title = "The prompt is longer than the model's context"


class EmptyAnswer(ModelCallError):
    code = "empty_answer"
    title = "The model answered nothing"


class RunawayOutput(ModelCallError):
    code = "runaway_output"
    title = "The model wrote white space without end"
    retryable = True


class ModelNotUsable(ModelCallError):
    code = "model_not_usable"
    title = "The model cannot be used for this"


class BadCall(ModelCallError):
    code = "bad_call"
    title = "The model server did not understand the call"


class NodeRefused(ModelCallError):
    code = "node_refused"
    title = "The model server refused the connection's origin"


class NotOllama(ModelCallError):
    code = "not_ollama"
    title = "Something else than Ollama answers there"


class AgentLost(ModelCallError):
    code = "agent_lost"
    title = "The agent's process or PC went away"
    retryable = True


class CallCancelled(ModelCallError):
    code = "cancelled"
    title = "The call was cancelled"


def model_call_error(code: str, detail: str) -> ModelCallError:
    """The error of a failed call again, from the code that travelled as a message."""
    kinds = {kind.code: kind for kind in ModelCallError.__subclasses__()}
    return kinds.get(code, ModelCallError)(detail)


def council_failed(code: str, detail: str, session_id: str) -> CouncilFailed:
    """The error of a session that closed without an answer, from its `error_code`."""
    kinds = {kind.code: kind for kind in CouncilFailed.__subclasses__()}
    return kinds.get(code, CouncilFailed)(detail, session_id)
