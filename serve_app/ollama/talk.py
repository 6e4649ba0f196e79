"""A chat with a model, or with a council, as the lines that Ollama's clients read. No HTTP."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from actors.errors import CouncilError, council_failed
from actors.messages.calls import Delta, Generated
from actors.messages.chats import LocalChat
from actors.messages.requests import Origin
from actors.messages.sessions import CouncilSession
from cluster.council import Council
from cluster.embedded.asks import ChatAsk, GenerateAsk
from cluster.embedded.faults import EngineError
from cluster.embedded.protocol import Counts, Line, Piece, last_line, text_line
from serve_app import problems
from serve_app.clients.draft import Draft
from serve_app.clients.progress import Progress
from serve_app.ollama.faults import ollama_error
from serve_app.streams import AnyEvent, batches

Flow = AsyncGenerator[Line, None]
NS_PER_MS = 1_000_000
SESSION = "session_id"
"""In the last line of a council's answer: the session that can be read and gone on with."""


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


async def council_lines(
    ask: ChatAsk | GenerateAsk, session_id: str, council: Council, heartbeat_s: float
) -> Flow:
    """What happens while the council sits, then the answer, as `_Telling` has it. Closing it early
    cancels the session."""
    telling, ended = _Telling(ask), False
    try:
        async with aclosing(batches(council.events(session_id), heartbeat_s)) as lists:
            async for batch in lists:
                piece = telling.piece(batch)
                if piece != Piece() or not batch:  # an empty one is a sign of life
                    yield text_line(ask, piece, _now())
        session = await council.wait(session_id)
        ended = True
    finally:
        if not ended:
            with suppress(CouncilError):
                await council.cancel(session_id)
    if session.final_answer is None:
        why = session.error or "The session ended without an answer."
        raise council_failed(session.error_code or "", why, session_id)
    yield text_line(ask, Piece(text=telling.rest(session.final_answer.content)), _now())
    yield _end_of_session(ask, session, session.final_answer.truncated)


class _Telling:
    """One session as a client's text: what happens is thinking, and so is the synthesis while a
    guard may still replace it. Without a guard it is the answer as the chairman writes it, unless a
    `format` holds it: half of that is of no use."""

    def __init__(self, ask: ChatAsk | GenerateAsk) -> None:
        self._aloud = ask.thinks is not False
        self._formatted = bool(ask.format)
        self._progress, self._draft = Progress(), Draft()
        self._in_line = False

    def piece(self, batch: Iterable[AnyEvent]) -> Piece:
        """What these events add."""
        lines, written = "", ""
        for event in batch:
            if line := self._progress.line(event):
                lines += f"{line}\n"
            written += self._draft.piece(event)
        if not self._is_held:
            return Piece(text=written, thinking=lines if self._aloud else "")
        broken = "\n" if lines and self._in_line else ""
        self._in_line = bool(written) or self._in_line and not lines
        return Piece(thinking=f"{broken}{lines}{written}" if self._aloud else "")

    def rest(self, answer: str) -> str:
        """What of the final answer was not told yet; all of it where something else was."""
        said = "" if self._is_held else self._draft.said
        return answer[len(said) :] if answer.startswith(said) else f"\n\n{answer}"

    @property
    def _is_held(self) -> bool:
        return self._draft.may_be_replaced or self._formatted


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


def _end_of_session(ask: ChatAsk | GenerateAsk, session: CouncilSession, truncated: bool) -> Line:
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
    line = last_line(ask, _reason(truncated), _now(), counts, total_ns, load_ns)
    del line["prompt_eval_cached_count"]
    return line | {SESSION: session.session_id}


def _reason(truncated: bool) -> str:
    return "length" if truncated else "stop"


def _now() -> datetime:
    return datetime.now(UTC)
