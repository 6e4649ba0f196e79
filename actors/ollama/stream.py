"""The answer while it is written: bytes in, pieces of text out. Knows no I/O and no clock.

Ollama's stream is one JSON object a line. Lines may be split anywhere, end in CRLF, be blank, lack
fields (old versions), or come after the last one (O27). What is not allowed raises a
`ModelCallError` that carries the text heard so far.
"""

import json
from typing import Any

from actors.errors import (
    ContextOverflow,
    EmptyAnswer,
    ModelCallError,
    ModelCrashed,
    NotOllama,
    RunawayOutput,
    TruncatedStream,
)
from actors.messages.calls import Delta, Generated
from actors.ollama import failures
from actors.ollama.cost import Cost, cost, evaluated

MAX_LINE = 4 * 2**20
MAX_BYTES = 64 * 2**20
"""In bytes; the longest answer we ask for (32,768 tokens) takes about 10 MiB of lines."""
STRAYS = 1_000
"""Objects that are none of Ollama's, before the server is taken for something else."""
BLANK_TOKENS = 60
BLANK_CHARS = 4096
"""White space in a row that is no answer any more (Ollama's own guard stops at 30 or 100)."""


class Transcript:
    """One attempt at an answer. `feed` it what arrives, `finish` it at the end of the stream, then
    ask for the `answer`. `lines` counts whole chunks, `done` = the last one was heard."""

    def __init__(self) -> None:
        self.lines = 0
        self.done = False
        self._last: dict[str, Any] = {}
        self._content: list[str] = []
        self._thinking: list[str] = []
        self._tool_calls: list[dict[str, Any]] = []
        self._unfinished: list[bytes] = []
        self._unfinished_size = 0
        self._size = 0
        self._strays = 0
        self._blank_tokens = 0
        self._blank_chars = 0

    @property
    def partial(self) -> str:
        """The answer's text so far, without thinking."""
        return "".join(self._content)

    @property
    def only_thought(self) -> bool:
        """The model used up its budget thinking (O13)."""
        said = self.partial.strip() or self._tool_calls
        return self.done and bool(self._thinking) and not said

    @property
    def cost(self) -> Cost:
        return cost(self._last)

    def feed(self, data: bytes) -> list[Delta]:
        """What these bytes add, neighbours of one sort joined into one delta."""
        self._size += len(data)
        if self._size > MAX_BYTES:
            raise self._too_much(f"more than {MAX_BYTES // 2**20} MiB")
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._keep(data)
            return []
        whole = b"".join((*self._unfinished, head))
        self._unfinished.clear()
        self._unfinished_size = 0
        self._keep(tail)
        pieces: list[tuple[bool, str]] = []
        for line in whole.split(b"\n"):
            if len(line) > MAX_LINE:
                raise self._too_much(f"a line of more than {MAX_LINE // 2**20} MiB")
            if line and not line.isspace():
                self._read(line, pieces)
        return _deltas(pieces)

    def finish(self) -> list[Delta]:
        """The stream ended. A last line without a line break counts; no last line does not (O9)."""
        deltas = self.feed(b"\n") if self._unfinished else []
        if self._size and not self.lines:
            raise self._garbled()
        if not self.done:
            raise TruncatedStream("The answer ended without its last line.", self.partial)
        return deltas

    def answer(self, spent: Cost, wall_s: float, num_ctx: int | None) -> Generated:
        """The finished answer, or the reason why this is none. `spent` is what earlier attempts
        cost, `wall_s` the time of all of them."""
        content = self.partial
        reason = self._last.get("done_reason") or "stop"
        if reason in ("load", "unload"):
            raise EmptyAnswer(f"Ollama only did a model {reason}: it was given nothing to answer.")
        if reason not in ("stop", "length"):
            raise TruncatedStream(
                f"The answer ended early ({failures.clean(str(reason))}).", content
            )
        if num_ctx and self.cost.prompt_tokens >= num_ctx:
            raise ContextOverflow(f"Ollama cut the prompt to its context of {num_ctx} tokens.")
        if not content.strip() and not self._tool_calls:
            thought = " It only thought." if self._thinking else ""
            raise EmptyAnswer(f"The model answered nothing.{thought}")
        total = spent.plus(self.cost)
        return Generated(
            content=content,
            thinking="".join(self._thinking),
            tool_calls=tuple(self._tool_calls),
            truncated=reason == "length",
            usage=total.usage(),
            timing=total.timing(wall_s),
            prompt_evaluated=evaluated(self._last),
        )

    def _keep(self, tail: bytes) -> None:
        if not tail:
            return
        self._unfinished.append(tail)
        self._unfinished_size += len(tail)
        if self._unfinished_size > MAX_LINE:
            raise self._too_much(f"a line of more than {MAX_LINE // 2**20} MiB")

    def _read(self, line: bytes, pieces: list[tuple[bool, str]]) -> None:
        try:
            chunk = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            chunk = None
        if not isinstance(chunk, dict):
            if self.done:
                return
            raise self._garbled()
        error = chunk.get("error")
        if error and not self.done:
            raise failures.in_stream(error, self.partial)
        if "message" not in chunk and "done" not in chunk:
            self._strays += 1
            if self._strays > STRAYS:
                raise self._garbled()
            return
        self.lines += 1
        message = chunk.get("message")
        if isinstance(message, dict):
            self._hear(message.get("thinking"), self._thinking, pieces)
            self._hear(message.get("content"), self._content, pieces)
            if isinstance(called := message.get("tool_calls"), list):
                self._tool_calls += [one for one in called if isinstance(one, dict)]
        if chunk.get("done") is True and not self.done:
            self.done = True
            self._last = chunk

    def _hear(self, text: Any, into: list[str], pieces: list[tuple[bool, str]]) -> None:
        if not isinstance(text, str) or not text:
            return
        text = _sound(text)
        into.append(text)
        pieces.append((into is self._thinking, text))
        if not text.isspace():
            self._blank_tokens = self._blank_chars = 0
            return
        self._blank_tokens += 1
        self._blank_chars += len(text)
        if self._blank_tokens > BLANK_TOKENS or self._blank_chars > BLANK_CHARS:
            raise RunawayOutput("The model wrote white space without end.", self.partial)

    def _garbled(self) -> ModelCallError:
        if self.lines == 0:
            return NotOllama(
                "Something else than Ollama answers there: its lines are none of Ollama's."
            )
        return ModelCrashed("The answer became unreadable.", self.partial)

    def _too_much(self, what: str) -> ModelCallError:
        if self.lines == 0:
            return NotOllama(f"Something else than Ollama answers there: it sent {what}.")
        return RunawayOutput(f"The model server sent {what}.", self.partial)


def _deltas(pieces: list[tuple[bool, str]]) -> list[Delta]:
    if len(pieces) == 1:
        return [Delta(text=pieces[0][1], thinking=pieces[0][0])]
    deltas: list[Delta] = []
    run: list[str] = []
    for at, (thinking, text) in enumerate(pieces):
        run.append(text)
        if at + 1 == len(pieces) or pieces[at + 1][0] is not thinking:
            deltas.append(Delta(text="".join(run), thinking=thinking))
            run.clear()
    return deltas


def _sound(text: str) -> str:
    """Without lone surrogates, which JSON can spell and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
