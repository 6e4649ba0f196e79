"""A fake Ollama: models on disk and in memory, scripted answers, and a record of what was asked.

Its shapes are those of Ollama's own handlers (`/api/version`, `tags`, `ps`, `show`, `chat`, and
`generate` for loading and unloading, `embed`).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from tests.fakes import shapes, texts
from tests.fakes.http import Connection, Exchange, Request
from tests.fakes.memory import Memory
from tests.fakes.replies import KINDS, NDJSON, Reply
from tests.fakes.shapes import FakeModel
from tests.fakes.speech import Habits, Speech, Wish

Wanted = str | Callable[[Request], bool]


class FakeOllama:
    """`async with FakeOllama(models=["a"]) as fake:` serves at `fake.url`.

    `latency_s` is the time of a whole answer, spread over its tokens; `load_s` that of a cold load.
    `num_parallel` answers at once per model (None = any number), the rest wait without a byte (O4).
    `usage` and `scores` give token counts and ballots. `requests` is what was asked over how many
    `connections`; residency and loads are in `memory`. With `port=0` the port is chosen at the
    first start and then kept.
    """

    def __init__(
        self,
        models: Sequence[str | FakeModel] = ("fake:latest",),
        *,
        latency_s: float = 0.0,
        tokens: int = 20,
        load_s: float = 0.0,
        max_loaded: int = 3,
        num_parallel: int | None = None,
        version: str = "0.34.1",
        usage: texts.Usage | None = None,
        scores: texts.Scores = texts.scores,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        named = (m if isinstance(m, FakeModel) else FakeModel(m) for m in models)
        self.models = {model.name: model for model in named}
        self.habits = Habits(tokens, latency_s, usage, scores)
        self.memory = Memory(max_loaded, load_s)
        self.num_parallel = num_parallel
        self.version, self.host, self.port = version, host, port
        self.requests: list[Request] = []
        self.connections = 0
        self._scripts: list[tuple[Wanted, deque[Reply], bool]] = []
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._connections: set[Connection] = set()
        self._watchers: list[asyncio.Event] = []
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def chats(self) -> list[Request]:
        """The calls that asked for an answer."""
        return [r for r in self.requests if r.path == "/api/chat" and r.json.get("messages")]

    @property
    def cancelled(self) -> list[Request]:
        """The requests whose client left before the answer was complete."""
        return [request for request in self.requests if request.cancelled]

    def script(self, wanted: Wanted, *replies: Reply) -> None:
        """The next calls that match get these replies, one each, in order; then the default. A name
        matches chats with that model (`"*"`: all chats), a function any request."""
        self._scripts.append((wanted, deque(replies), False))

    def always(self, wanted: Wanted, reply: Reply) -> None:
        """Every call that matches gets this reply."""
        self._scripts.append((wanted, deque((reply,)), True))

    def unscript(self) -> None:
        """From now on everything is answered well again."""
        self._scripts.clear()

    async def until(self, condition: Callable[[], object], within_s: float = 5.0) -> None:
        """Waits until the condition holds; it is looked at whenever a request comes or ends."""
        async with asyncio.timeout(within_s):
            while not condition():
                watcher = asyncio.Event()
                self._watchers.append(watcher)
                await watcher.wait()

    async def start(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Closes every connection, in mid-answer too."""
        if self._server:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def chat(self, exchange: Exchange, wish: Wish) -> None:
        """Answers as Ollama would: the checks, the load, the wait for a slot, the tokens."""
        asked = exchange.request.json
        model = self._find(exchange, asked)
        if model is None:
            return
        if "completion" not in model.capabilities:
            return exchange.json(400, {"error": f'"{model.name}" does not support chat'})
        if asked.get("think") and "thinking" not in model.capabilities:
            return exchange.json(400, {"error": f'"{model.name}" does not support thinking'})
        if not asked.get("messages"):
            return await self._hold(exchange, model, asked, {"message": shapes.said("")})
        before = _now_ns()
        await self.memory.hold(model.name, asked)
        load_ns = _now_ns() - before
        slot = asyncio.Semaphore(self.num_parallel or 1_000_000)
        async with self._slots.setdefault(model.name, slot):
            speech = Speech(model, exchange.request, wish, self.habits)
            if speech.overflow and asked.get("truncate") is False:
                return exchange.json(400, {"error": speech.overflow})
            await _speak(exchange, speech, load_ns)

    def _connection(self) -> Connection:
        connection = Connection(self._handle, self._changed, self._connections.discard)
        self.connections += 1
        self._connections.add(connection)
        return connection

    def _changed(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.set()

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.path.startswith("/fake/"):
            return self._control(exchange)
        self.requests.append(request)
        self._changed()
        if reply := self._scripted(request):
            return await reply(self, exchange)
        routes = {
            ("GET", "/api/version"): self._version,
            ("GET", "/api/tags"): self._tags,
            ("GET", "/api/ps"): self._ps,
            ("POST", "/api/show"): self._show,
            ("POST", "/api/generate"): self._generate,
            ("POST", "/api/chat"): self._chat,
            ("POST", "/api/embed"): self._embed,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            return exchange.whole(404, b"404 page not found", "text/plain")
        await route(exchange)

    def _scripted(self, request: Request) -> Reply | None:
        is_chat = request.path == "/api/chat" and bool(request.json.get("messages"))
        for wanted, replies, for_ever in self._scripts:
            named = is_chat and wanted in ("*", request.model)
            if replies and (wanted(request) if callable(wanted) else named):
                return replies[0] if for_ever else replies.popleft()
        return None

    async def _version(self, exchange: Exchange) -> None:
        exchange.json(200, {"version": self.version})

    async def _tags(self, exchange: Exchange) -> None:
        when = {"modified_at": "2026-08-01T10:00:00.123456789Z"}
        exchange.json(200, {"models": [shapes.entry(m) | when for m in self.models.values()]})

    async def _ps(self, exchange: Exchange) -> None:
        entries = [
            shapes.entry(self.models[name])
            | {"size_vram": 0, "context_length": held.num_ctx}
            | {"expires_at": held.expires_at.isoformat()}
            for name, held in self.memory.resident.items()
        ]
        exchange.json(200, {"models": entries})

    async def _show(self, exchange: Exchange) -> None:
        if model := self._find(exchange, exchange.request.json):
            exchange.json(200, shapes.shown(model))

    async def _chat(self, exchange: Exchange) -> None:
        await self.chat(exchange, Wish())

    async def _generate(self, exchange: Exchange) -> None:
        """Only loading and unloading: answers come from `/api/chat`."""
        asked = exchange.request.json
        if model := self._find(exchange, asked):
            if "completion" not in model.capabilities and asked.get("keep_alive") != 0:
                return exchange.json(400, {"error": f'"{model.name}" does not support generate'})
            await self._hold(exchange, model, asked, {"response": ""})

    async def _embed(self, exchange: Exchange) -> None:
        """A vector a text; no text only loads. A chat model can, too."""
        asked = exchange.request.json
        if model := self._find(exchange, asked):
            await self.memory.hold(model.name, asked)
            exchange.json(200, shapes.embedded(model, asked))

    async def _hold(
        self, exchange: Exchange, model: FakeModel, asked: dict[str, Any], nothing: dict[str, Any]
    ) -> None:
        """An empty prompt loads, with `keep_alive` 0 unloads (O18)."""
        unload = asked.get("keep_alive") == 0
        if unload:
            self.memory.drop(model.name)
        else:
            await self.memory.hold(model.name, asked)
        reason = {"done": True, "done_reason": "unload" if unload else "load"}
        exchange.json(200, shapes.stamp(model.name) | nothing | reason)

    def _find(self, exchange: Exchange, asked: dict[str, Any]) -> FakeModel | None:
        name = str(asked.get("model", ""))
        model = self.models.get(name) or self.models.get(f"{name}:latest")
        if model is None:
            exchange.json(404, {"error": f"model '{name}' not found"})
        return model

    def _control(self, exchange: Exchange) -> None:
        """For a fake in another process. `POST /fake/script {"model", "replies": [{"kind", …}],
        "always"}`; `POST /fake/unscript`; `GET /fake/requests`."""
        asked = exchange.request.json
        if exchange.request.path == "/fake/script":
            for reply in asked["replies"]:
                made = KINDS[reply.pop("kind")](*reply.pop("args", ()), **reply)
                (self.always if asked.get("always") else self.script)(asked["model"], made)
        elif exchange.request.path == "/fake/unscript":
            self.unscript()
        told = [
            {
                "path": r.path,
                "json": r.json,
                "at": r.at,
                "begun_at": r.begun_at,
                "finished": r.finished,
                "cancelled": r.cancelled,
            }
            for r in self.requests
        ]
        exchange.json(200, {"requests": told, "loads": self.memory.loads})


@contextmanager
def threaded(fake: FakeOllama) -> Iterator[FakeOllama]:
    """Serves from a thread of its own, for tests that have no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(fake.start(), loop).result(10)
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _speak(exchange: Exchange, speech: Speech, load_ns: int) -> None:
    """A line a token: at once, or spread evenly over the latency."""
    clock = asyncio.get_running_loop().time
    began, began_ns = clock(), _now_ns()
    chunks = speech.chunks()
    step = speech.latency_s / (len(chunks) + 1)
    if step:
        for at, chunk in enumerate(chunks):
            await asyncio.sleep(began + step * (at + 1) - clock())
            _begin(exchange)
            exchange.line(chunk)
        await asyncio.sleep(began + speech.latency_s - clock())
        chunks = []
    _begin(exchange)
    exchange.line(*chunks, speech.last(load_ns, _now_ns() - began_ns))
    await exchange.drain()


def _begin(exchange: Exchange) -> None:
    """Ollama sends its headers with the first token."""
    if not exchange.begun:
        exchange.head(200, NDJSON)


def _now_ns() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)
