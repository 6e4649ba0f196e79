"""One model call: what is asked of an agent, what comes back while it runs, and how it ended."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from actors.messages.message import Message
from actors.messages.requests import NOWHERE, AnswerForm, ModelName, ModelOptions, Origin, Question

Think = bool | Literal["low", "medium", "high"]
"""Whether a thinking model thinks, or how much, as Ollama has it."""


class ChatMessage(Message):
    """A turn as Ollama has it. `images` in base64; `tool_calls` of an assistant; `tool_name` of a
    tool's answer."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    images: tuple[str, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_name: str | None = None


class FollowUp(Message):
    """What is asked next in the same conversation, right after the answer: the server still has all
    of it in its cache. `ask` is the user's next message; the rest as in `GenerateCall`."""

    ask: str
    format: Literal["json"] | dict[str, Any] | None = None
    num_predict: int


class Embedding(Message):
    """Texts of which vectors are wanted. `truncate`: those that are longer than the model's context
    are cut; `dimensions`: how long the vectors may be, None = the model's own."""

    inputs: tuple[str, ...] = Field(max_length=512)
    truncate: bool = True
    dimensions: int | None = Field(default=None, ge=1, le=65_536)


class GenerateCall(Message):
    """One generation. `options.num_predict` is always set; `timeout_s` = what the session has left.

    `call_id` names the step (session, stage, seat): an agent that is asked it again drops what it
    was doing for it.

    `think=False` turns a thinking model's thinking off; `None` leaves Ollama's default.
    `tools`: what the model may call, as Ollama has it.
    `format` is `"json"`, a JSON schema, or None for free text. `then`: asked on the same slot once
    the answer is there; the two are one call, and fail together. `origin`: what the model server is
    told of where the call comes from. `embed`: vectors are wanted in place of an answer; then there
    are no messages.
    """

    call_id: str
    model: ModelName
    messages: tuple[ChatMessage, ...]
    options: ModelOptions
    format: Literal["json"] | dict[str, Any] | None = None
    think: Think | None = None
    tools: tuple[dict[str, Any], ...] = ()
    timeout_s: float = Field(gt=0)
    then: FollowUp | None = None
    embed: Embedding | None = None
    origin: Origin = NOWHERE


class TokenUsage(Message):
    """Tokens as the engine counted them (`prompt_eval_count`, `eval_count`)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class CallTiming(Message):
    """Where the time of one call went. All in ms but `total_ns` (Ollama's `total_duration`).

    queue = waiting for a slot on our side; network = wall time − Ollama's total_duration;
    load = model load; prompt = prompt evaluation; generate = token generation.
    `wall_ms` is from the request to the last byte, without `queue_ms`.
    """

    queue_ms: int = 0
    network_ms: int = 0
    load_ms: int = 0
    prompt_ms: int = 0
    generate_ms: int = 0
    wall_ms: int = 0
    total_ns: int = 0


class Delta(Message):
    """A piece of text while it is generated. `thinking` text is never part of the answer."""

    kind: Literal["delta"] = "delta"
    text: str
    thinking: bool = False


class Generated(Message):
    """A finished answer: `done == true` and non-empty content. `truncated` = output limit hit.
    `follow_up`: the answer to `GenerateCall.then`; counts and times are those of both.
    `cached`: an earlier answer to the same call; `usage` and `timing` are what it took now, `saved`
    is what it took on `node` then."""

    kind: Literal["generated"] = "generated"
    content: str
    thinking: str = ""
    truncated: bool = False
    usage: TokenUsage
    timing: CallTiming
    node: str = ""
    attempts: int = 1
    prompt_evaluated: int | None = None
    """Prompt tokens evaluated afresh, where the engine tells it (prefix cache); else None."""
    follow_up: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    """Of `GenerateCall.embed`, one for each input; then there is no content."""
    joules: float | None = None
    """What the PC used meanwhile; once the pool knows what else ran there, this call's share of it.
    None where the PC does not tell."""
    cached: bool = False
    saved: TokenUsage | None = None


class CallFailed(Message):
    """A call that gave no answer. `code` is one of `actors.errors.ModelCallError`'s codes."""

    kind: Literal["call_failed"] = "call_failed"
    code: str
    detail: str
    retryable: bool
    node: str = ""
    partial: str = ""
    attempts: int = 1


CallEvent = Annotated[Delta | Generated | CallFailed, Field(discriminator="kind")]


class Agent(Protocol):
    """Something that answers model calls: an `OllamaAgent`, near or on another PC."""

    def generate(self, call: GenerateCall) -> AsyncIterator[Delta | Generated | CallFailed]:
        """Yields any number of `Delta`, then exactly one `Generated` or `CallFailed`. Never raises
        for what a model server does; closing the iterator cancels the call."""
        ...


class LabelledAnswer(Message):
    """An opinion as reviewers and the chairman see it: under a label, without its author."""

    label: str
    text: str


class SynthesisBrief(Message):
    """What the chairman is given: the question, the anonymous answers, and how they ranked.

    `standings` are lines of plain text by label, best first; `critiques` what judges wrote of each;
    `remarks` what else the chairman should know; `seed` names the delimiters; `divided` = the
    judges hardly agree, so the answer ends with a minority note.
    """

    call_id: str
    model: ModelName
    question: Question
    answers: tuple[LabelledAnswer, ...]
    standings: tuple[str, ...]
    critiques: tuple[LabelledAnswer, ...] = ()
    divided: bool = False
    remarks: str = ""
    form: AnswerForm | None = None
    seed: int
    num_predict: int
    timeout_s: float = Field(gt=0)
    origin: Origin = NOWHERE
