"""What a client asks of the council, and the seats that answer. Knows nothing of HTTP."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from actors.messages.message import Message
from actors.messages.procedure import Mode

ModelName = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][\w.\-]*(/[\w.\-]+)*(:[\w.\-]+)?$"
    ),
]
"""A model's name as Ollama writes it: `[host/][namespace/]model[:tag]`. No `..`, no white space."""


def _a_number(value: object) -> object:
    """Pydantic would read `"7"` and `true` as numbers; the document does not say so."""
    if isinstance(value, str | bytes | bool):
        raise PydanticCustomError("number_type", "Input should be a number")
    return value


Whole = Annotated[int, BeforeValidator(_a_number)]
Number = Annotated[float, BeforeValidator(_a_number)]


class ModelOptions(Message):
    """Sampling options, Ollama's names and units. `None` = the council's default.

    `num_ctx` is not here on purpose: a change reloads the model, so it belongs to the agent.
    """

    temperature: Number | None = Field(default=None, ge=0, le=5, allow_inf_nan=False)
    seed: Whole | None = Field(default=None, ge=0, le=2**31 - 1)
    top_p: Number | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    top_k: Whole | None = Field(default=None, ge=0, le=100_000)
    repeat_penalty: Number | None = Field(default=None, ge=0, le=10, allow_inf_nan=False)
    num_predict: Whole | None = Field(default=None, ge=1, le=32_768)
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] | None = (
        Field(default=None, max_length=8)
    )


class AgentSpec(Message):
    """One seat as the client asks for it."""

    name: str | None = Field(default=None, min_length=1, max_length=80)
    model: ModelName
    system: str | None = Field(default=None, max_length=8_000)
    options: ModelOptions = ModelOptions()


class Turn(Message):
    """A question and the answer that it got, earlier in a conversation."""

    query: str = Field(min_length=1)
    answer: str


class Question(Message):
    """What is asked, what was said before it, oldest first, and how the client wants the answer."""

    text: str
    earlier: tuple[Turn, ...] = ()
    instructions: str | None = None


class AnswerForm(Message):
    """How the final answer is to be written: the chairman's sampling, and `"json"` or a JSON schema
    that holds it. With a `format` there is no guard: an opinion could not stand for the answer."""

    options: ModelOptions = ModelOptions()
    format: Literal["json"] | dict[str, Any] | None = None


SessionName = Annotated[
    str,
    StringConstraints(
        to_lower=True, pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    ),
]
"""A session's UUID."""


Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=64)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=16),
]
"""What a client notes for itself. Bounds as OpenAI's:
https://platform.openai.com/docs/api-reference/responses/create#responses-create-metadata"""


class CouncilRequest(Message):
    """A question for the council. Agents and chairman may be left out: the configured council sits.

    `follows`: the session that this question goes on with; the council sees what was said there,
    and is the same unless the request names another. `earlier`: the same for a conversation that
    took place elsewhere, oldest first. `instructions`: what the client's own system message says,
    for all who answer, judge, and write. `answer`: the form of the final answer. `metadata` is kept
    with the session, and told to no model.

    How many agents and how long a query may be are settings, checked by the facade.
    `cache=False`: no model call is answered from the cache; what models say anew is kept there.
    """

    query: str = Field(min_length=1)
    selected_agents: tuple[AgentSpec, ...] | None = Field(default=None, min_length=1)
    chairman_model: ModelName | None = None
    mode: Mode | None = None
    follows: SessionName | None = None
    earlier: tuple[Turn, ...] | None = Field(default=None, max_length=50)
    instructions: str | None = Field(default=None, max_length=32_000)
    answer: AnswerForm | None = None
    metadata: Metadata | None = None
    deadline_s: Number | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)
    cache: StrictBool = True


class Try(Message):
    """Which try of its question a request is, of a client that counts its tries and gives no key.
    `mark` names what is asked by whom; `again`: the try before it got no answer."""

    mark: str = Field(min_length=1, max_length=200)
    again: bool


class Origin(Message):
    """Where a request came from, for logs and traces: the id that the HTTP answer carries, and the
    trace context that it brought (W3C Trace Context, https://www.w3.org/TR/trace-context/). By
    `tried`, which no session's record keeps, a question that is sent again finds its first try."""

    request_id: str | None = None
    traceparent: str | None = Field(
        default=None, pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
    )
    tracestate: str | None = Field(default=None, max_length=512, pattern=r"^[!-~]([\t -~]*[!-~])?$")
    tried: Try | None = None

    def trace_headers(self) -> dict[str, str]:
        """The trace context as HTTP headers; none without one."""
        if self.traceparent is None:
            return {}
        state = {"tracestate": self.tracestate} if self.tracestate else {}
        return {"traceparent": self.traceparent, **state}


NOWHERE = Origin()
"""Of a request that did not come over HTTP."""


class Seat(Message):
    """A place at the table: unique id (`agent_1`, …), even where two seats use one model."""

    agent_id: str
    name: str
    model: ModelName
    system: str | None = None
    options: ModelOptions = ModelOptions()


class WorkerRequest(Message):
    """One stateless generation on whichever PC the pool picks (seed: `/api/generate`). `cache` as
    in `CouncilRequest`."""

    model: ModelName
    prompt: str = Field(min_length=1)
    system: str | None = None
    format: Literal["json"] | dict[str, Any] | None = None
    options: ModelOptions = ModelOptions()
    cache: StrictBool = True


class WorkerResult(Message):
    """What `/api/generate` answers. `total_duration` in ns, counts in tokens, as Ollama's own.

    `cached`: an earlier answer to the same request, from `node`. Then the counts and the time are
    0, since nothing was generated, and `saved_tokens` is what it took to generate it.
    In a batch a failed request has `done=False`, empty content, and `error` / `error_code`.
    """

    model: str
    content: str
    done: bool
    total_duration: int
    prompt_eval_count: int
    eval_count: int
    node: str | None = None
    truncated: bool = False
    cached: bool = False
    saved_tokens: int = 0
    error: str | None = None
    error_code: str | None = None
