"""What we ask of one Ollama server: an answer, a model in memory, its state. Knows no council.

Every call sends `num_predict`, and `truncate: false` and `shift: false` so that nothing is cut
silently; `num_ctx` is the client's own, since a change reloads the model. A call that is abandoned
(O21) is cut at once, but Ollama goes on evaluating a prompt until its first token: whoever counts
slots must count that one as used until the server is idle or a bounded time has passed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx

from actors.errors import ModelCallError, ModelLoadFailed, ModelNotUsable, NotOllama
from actors.messages.calls import ChatMessage, Delta, Embedding, GenerateCall, Generated, Think
from actors.messages.nodes import ModelLimits, OllamaStatus
from actors.messages.requests import NOWHERE, Origin
from actors.ollama import status
from actors.ollama.cost import Cost, cost
from actors.ollama.deadlines import Deadlines, Patience
from actors.ollama.failures import ThinkingRefused
from actors.ollama.stream import Transcript
from actors.ollama.vectors import MAX_VECTORS, vectors
from actors.ollama.wire import Wire, read

NUM_PREDICT = 1024
"""Where a call names no limit. Ollama's own is ten times the context."""


class OllamaClient:
    """A server at `base_url` (`http://host:port`). `keep_alive` is -1 (for ever), seconds, or a
    duration as Ollama writes it (`"5m"`); `num_ctx` in tokens, None = the server's default."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        deadlines: Deadlines,
        num_ctx: int | None,
        keep_alive: str | int = -1,
    ) -> None:
        self._wire = Wire(http, base_url, deadlines)
        self._url = base_url
        self._deadlines = deadlines
        self._num_ctx = num_ctx
        self._keep_alive = keep_alive
        self._cannot_think: set[str] = set()

    async def chat(self, call: GenerateCall) -> AsyncGenerator[Delta | Generated, None]:
        """Deltas, then exactly one `Generated`. Raises a `ModelCallError`, with the partial text.

        Asks again by itself in two cases. A model that only thought is told not to (O13); tokens
        and times of both attempts are added up. A server that cannot be told is not told. With a
        `format` thinking is off unless the call says otherwise (O14).
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        think, spent = self._think(call), Cost()
        while True:
            transcript = Transcript()
            patience = Patience(self._deadlines, clock(), started + call.timeout_s)
            try:
                async with aclosing(self._stream(call, think, transcript, patience)) as deltas:
                    async for delta in deltas:
                        yield delta
            except ThinkingRefused:
                if think is None:
                    raise
                self._cannot_think.add(call.model)
                think = None
                continue
            if transcript.only_thought and think is not False and self._may_tell(call.model):
                think, spent = False, spent.plus(transcript.cost)
                continue
            yield transcript.answer(spent, clock() - started, self._num_ctx)
            return

    async def embed(self, call: GenerateCall) -> Generated:
        """The vectors that `call.embed` wants, one for each input. Raises a `ModelCallError`."""
        assert call.embed is not None
        clock = asyncio.get_running_loop().time
        started = clock()
        answer = await self._vectors(
            call.model, call.embed, min(call.timeout_s, self._deadlines.first_token_s), call.origin
        )
        spent = cost(answer)
        return Generated(
            content="",
            vectors=vectors(answer, len(call.embed.inputs)),
            usage=spent.usage(),
            timing=spent.timing(clock() - started),
        )

    async def load(self, model: str) -> None:
        """Brings the model into memory with the context that calls will use, and keeps it there.
        Cancelling it makes Ollama give the load up. One that can only embed is loaded by that."""
        try:
            answer = await self._generate(model, self._keep_alive)
        except ModelNotUsable:
            await self._vectors(model, Embedding(inputs=()), self._deadlines.first_token_s)
            return
        if answer.get("done_reason", "load") != "load":
            raise ModelLoadFailed(f"Ollama did not say that it loaded {model}.")

    async def unload(self, model: str) -> None:
        """Sends the model out of memory; it goes when its last answer is finished."""
        await self._generate(model, 0)

    async def show(self, model: str) -> ModelLimits:
        """The model's own limits. Raises `ModelNotAvailable` where the server lacks it."""
        body = {"model": model}
        return status.limits(
            await self._wire.ask("POST", "/api/show", body, self._deadlines.connect_s)
        )

    async def status(self) -> OllamaStatus:
        """What the server is, has, and holds in memory. Never raises for what a server does."""
        try:
            version = status.version(await self._get("/api/version"))
            if not version:
                raise NotOllama("Something else than Ollama answers there: it tells no version.")
            tags, ps = await asyncio.gather(self._get("/api/tags"), self._loaded())
        except ModelCallError as error:
            return OllamaStatus(
                url=self._url, connected=False, error_code=error.code, error=error.detail
            )
        return OllamaStatus(
            url=self._url,
            connected=True,
            version=version,
            installed=status.installed(tags),
            loaded=status.loaded(ps),
            warnings=status.warnings(version),
            cautions=status.cautions(version),
        )

    async def _stream(
        self, call: GenerateCall, think: Think | None, transcript: Transcript, patience: Patience
    ) -> AsyncGenerator[Delta, None]:
        clock = asyncio.get_running_loop().time
        body = self._body(call, think)
        try:
            async with self._wire.open(
                "POST", "/api/chat", body, patience.until, call.origin.trace_headers()
            ) as response:
                chunks = response.aiter_raw()
                while (data := await self._next(chunks, transcript, patience)) is not None:
                    heard = transcript.lines
                    for delta in transcript.feed(data):
                        yield delta
                    if transcript.done:
                        patience.finish(clock())
                    elif transcript.lines > heard:
                        patience.progress(clock())
        except TimeoutError as error:
            raise patience.verdict(transcript.partial) from error
        for delta in transcript.finish():
            yield delta

    async def _next(
        self, chunks: AsyncIterator[bytes], transcript: Transcript, patience: Patience
    ) -> bytes | None:
        """The next bytes, or None at the end. After the last line nothing can go wrong any more."""
        try:
            async with asyncio.timeout_at(patience.until):
                return await read(chunks)
        except TimeoutError:
            if not transcript.done:
                raise
        except httpx.HTTPError as error:
            if not transcript.done:
                raise self._wire.broken(error, transcript.partial, answered=True) from error
        return None

    def _body(self, call: GenerateCall, think: Think | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": call.model,
            "messages": [_turn(message) for message in call.messages],
            "stream": True,
            **self._held(),
            "options": {
                "num_predict": NUM_PREDICT,
                **call.options.model_dump(exclude_none=True),
                **self._context(),
            },
        }
        if call.format is not None:
            body["format"] = call.format
        if think is not None:
            body["think"] = think
        if call.tools:
            body["tools"] = call.tools
        return body

    async def _generate(self, model: str, keep_alive: str | int) -> dict[str, Any]:
        """An empty prompt (O18): loads, or with `keep_alive` 0 unloads."""
        body = {"model": model, "prompt": "", "stream": False, "options": self._context()}
        body |= self._held() | {"keep_alive": keep_alive}
        return await self._wire.ask("POST", "/api/generate", body, self._deadlines.first_token_s)

    async def _vectors(
        self, model: str, wanted: Embedding, within_s: float, origin: Origin = NOWHERE
    ) -> dict[str, Any]:
        body = {
            "model": model,
            "input": wanted.inputs,
            "keep_alive": self._keep_alive,
            "options": self._context(),
            "truncate": wanted.truncate,
        }
        if wanted.dimensions is not None:
            body["dimensions"] = wanted.dimensions
        headers = origin.trace_headers()
        return await self._wire.ask("POST", "/api/embed", body, within_s, MAX_VECTORS, headers)

    def _held(self) -> dict[str, Any]:
        return {"keep_alive": self._keep_alive, "truncate": False, "shift": False}

    def _context(self) -> dict[str, int]:
        return {} if self._num_ctx is None else {"num_ctx": self._num_ctx}

    def _think(self, call: GenerateCall) -> Think | None:
        """`think: false` is safe for models that cannot think; versions that refuse it say so."""
        if not self._may_tell(call.model):
            return None
        return False if call.think is None and call.format is not None else call.think

    def _may_tell(self, model: str) -> bool:
        return model not in self._cannot_think

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._wire.ask("GET", path, None, self._deadlines.connect_s)

    async def _loaded(self) -> dict[str, Any]:
        """Versions before 0.1.33 have no `/api/ps`."""
        try:
            return await self._get("/api/ps")
        except NotOllama:
            return {}


def _turn(message: ChatMessage) -> dict[str, Any]:
    """Role and text, and of the rest only what there is: old servers know none of it."""
    told = message.model_dump(exclude_defaults=True)
    return {"role": message.role, "content": message.content, **told}
