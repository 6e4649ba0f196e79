"""A chat with a model, or with a council, as the lines that Ollama's clients read. No HTTP."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from actors.errors import CouncilError
from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat
from actors.messages.requests import Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from cluster.embedded.asks import ChatAsk, GenerateAsk
from cluster.embedded.faults import EngineError
from cluster.embedded.protocol import Counts, Line, Piece, last_line, text_line
from serve_app import problems
from serve_app.clients.sitting import Sitting
from serve_app.clients.telling import Telling, Told
from serve_app.ollama.faults import ollama_error

Flow = AsyncGenerator[Line, None]
NS_PER_MS = 1_000_000
SESSION = "session_id"
"""In the last line of a council's answer: the session that can be read and gone on with."""
REPLACED = "replaced"
"""There, too: whether something was told before the final answer that it is not part of."""


async def model_lines(
    ask: ChatAsk | GenerateAsk, chat: LocalChat, council: Council, origin: Origin
) -> Flow:
    """What a model of the cluster says; silent until its first word. Closing it ends the call."""
    async with aclosing(council.chat(chat, origin)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Delta):
                said = {"thinking" if event.thinking else "text": event.text}
                yield text_line(ask, Piece(**said), _now())  # type: ignore[arg-type]
            elif isinstance(event, Generated):
                if event.tool_calls:
                    yield text_line(ask, Piece(tool_calls=event.tool_calls), _now())
                yield _end_of_call(ask, event)


async def council_lines(ask: ChatAsk | GenerateAsk, sits: Sitting, telling: Telling) -> Flow:
    """What happens while the council sits, as thinking, and the answer, as `telling` has it; an
    empty line is a sign of life. Why a session fails is told as thinking, too: Open WebUI shows
    no error that comes in the middle of a stream. Closing it closes `sits`."""
    began = False
    async with aclosing(sits):
        try:
            async for one in sits:
                began = True
                if isinstance(one, CouncilSession):
                    more = {SESSION: one.session_id, REPLACED: telling.replaced}
                    yield _end_of_session(ask, one) | more
                else:
                    yield _told(ask, one)
        except CouncilError as error:
            if began:
                yield _told(ask, Told(f"{problems.from_error(error, '').detail}\n", False))
            raise


def _told(ask: ChatAsk | GenerateAsk, one: Told | None) -> Line:
    if one is not None and one.is_answer:
        return text_line(ask, Piece(text=one.text), _now())
    if one is None or ask.thinks is False:
        return text_line(ask, Piece(), _now())
    return text_line(ask, Piece(thinking=one.text), _now())


async def with_last_words(flow: Flow) -> Flow:
    """The same lines; what goes wrong after the first is what Ollama would say in mid-stream."""
    began = False
    async with aclosing(flow):
        try:
            async for line in flow:
                began = True
                yield line
        except CouncilError as error:
            if not began:
                raise
            problem = problems.from_error(error, "")
            status, body = ollama_error(problem.status, problem.code, problem.detail)
            raise EngineError(status, body["error"]) from None


def _end_of_call(ask: ChatAsk | GenerateAsk, answer: Generated) -> Line:
    usage, timing = answer.usage, answer.timing
    evaluated = answer.prompt_evaluated
    counts = Counts(
        prompt=usage.prompt_tokens,
        cached=0 if evaluated is None else usage.prompt_tokens - evaluated,
        generated=usage.completion_tokens,
        prompt_ms=timing.prompt_ms,
        generate_ms=timing.generate_ms,
    )
    total_ns = timing.total_ns or timing.wall_ms * NS_PER_MS
    line = last_line(ask, _reason(answer.truncated), _now(), counts, total_ns,
                     timing.load_ms * NS_PER_MS)  # fmt: skip
    if evaluated is None:
        del line["prompt_eval_cached_count"]
    return line


def _end_of_session(ask: ChatAsk | GenerateAsk, session: CouncilSession) -> Line:
    """Tokens and times of all calls, added up; `total_duration` is the session's."""
    latency = session.latency_stats
    stages = (
        latency.stage1_opinions,
        latency.stage2_review,
        latency.revision,
        latency.stage3_synthesis,
        latency.guard,
    )
    calls = [call for stage in stages if stage for call in stage.by_agent.values()]
    counts = Counts(
        prompt=session.token_usage.total_prompt_tokens,
        cached=0,
        generated=session.token_usage.total_completion_tokens,
        prompt_ms=sum(call.prompt_ms for call in calls),
        generate_ms=sum(call.generate_ms for call in calls),
    )
    load_ns = sum(call.load_ms for call in calls) * NS_PER_MS
    total_ns = latency.total_duration_ms * NS_PER_MS
    truncated = session.final_answer is not None and session.final_answer.truncated
    line = last_line(ask, _reason(truncated), _now(), counts, total_ns, load_ns)
    del line["prompt_eval_cached_count"]
    return line


def _reason(truncated: bool) -> str:
    return "length" if truncated else "stop"


def _now() -> datetime:
    return datetime.now(UTC)
