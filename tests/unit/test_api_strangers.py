"""What strangers send, over the real API and the real orchestrator: rows 37 to 39 of faults.md.

Nothing that a user sends yields a 500. The models are scripted, so nothing leaves this process.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chairman import ChairmanActor
from actors.errors import CouncilFailed, ModelCallError
from actors.messages.calls import GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.ollama.deadlines import Deadlines
from actors.orchestrator import CouncilOrchestrator
from actors.store import session_file
from serve_app.api import build_api
from serve_app.configuration import ApiConfig
from tests.local_council import LocalCouncil, LocalHosts
from tests.scripted import ScriptedPool, plausible

ASK, OPEN = "/api/council/query", "/api/council/sessions"
GENERATE, BATCH = "/api/generate", "/api/generate/batch"
LEAVE = "cancel_on_disconnect"
PATHS = (ASK, OPEN, GENERATE, BATCH)


@dataclass(frozen=True)
class Send:
    """`send(method, path, …)` to one council that lives as long as the module."""

    runner: asyncio.Runner
    client: httpx.AsyncClient
    pool: ScriptedPool
    home: Path

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.runner.run(self._sent(method, path, **more))

    async def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.client.request(method, path, **more)

    @property
    def traces(self) -> tuple[int, int, int]:
        """Calls to models so far, sessions and events on disk."""
        with closing(session_file.connect(self.home / "sessions.db", 5.0)) as reader:
            counts = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM events)"
            sessions, events = reader.execute(counts).fetchone()
        return len(self.pool.agent.calls), sessions, events

    @contextmanager
    def leaving_no_trace(self) -> Iterator[None]:
        """Nothing is stored and no model is asked while this lasts."""
        before = self.traces
        yield
        assert self.traces == before


def tolerant(call: GenerateCall) -> str:
    """The worker passes any schema on; only a ballot's is understood."""
    ballot = isinstance(call.format, dict) and ":review:" in call.call_id
    return str(plausible(call)) if ballot or call.call_id.count(":") == 2 else "Whatever."


@pytest.fixture(scope="module")
def send(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Send]:
    home = tmp_path_factory.mktemp("home")
    pool, stack = ScriptedPool(models=("a:1", "b:1"), script=tolerant), AsyncExitStack()

    async def open_council() -> httpx.AsyncClient:
        config = OrchestratorConfig(store_path=home / "sessions.db")
        orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
        stack.push_async_callback(orchestrator.close)
        hosts = LocalHosts(deadlines=Deadlines(), num_ctx=4096)
        app = build_api(LocalCouncil(orchestrator, hosts), ApiConfig("1", "3.11", "2.60"))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        await stack.enter_async_context(client)
        assert (await client.get("/health/ready")).status_code == 200
        return client

    with asyncio.Runner() as runner:
        yield Send(runner, runner.run(open_council()), pool, home)
        runner.run(stack.aclose())


def problem(response: httpx.Response, status: int, *codes: str) -> dict[str, Any]:
    """The problem of that status, under one of these codes if any are named."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status and body["code"] and body["detail"]
    assert not codes or body["code"] in codes
    return body


REFUSED = {
    400: "malformed_body",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    431: "request_header_fields_too_large",
}
"""The code that a body is refused with, by its status."""


def at(path: str, question: dict[str, Any]) -> dict[str, Any]:
    """A question as that path takes it."""
    text = question["query"]
    worker = {"model": "a:1", "prompt": text}
    return {ASK: question, OPEN: question, GENERATE: worker, BATCH: {"requests": [worker]}}[path]


class TestRow37:
    """The body: what is no JSON of ours is refused, whatever path it comes to."""

    BODIES: dict[str, tuple[bytes, int]] = {
        "empty": (b"", 400),
        "not JSON": (b"query=x", 400),
        "too large": (b'{"query": "' + b"x" * 5_000_000 + b'"}', 413),
        "1,000 deep": (b'{"query": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", 400),
        "the same key twice": (b'{"query": "a", "query": "b"}', 400),
        "NaN": (b'{"query": "a", "deadline_s": NaN}', 400),
        "half a surrogate": (b'{"query": "\\ud83d"}', 400),
        "NUL": (b'{"query": "\\u0000"}', 400),
        "an integer of 100,000 digits": (b'{"deadline_s": ' + b"9" * 100_000 + b"}", 400),
        "an integer of 10 million digits": (b'{"deadline_s": ' + b"9" * 10_000_000 + b"}", 413),
        "1e999": (b'{"query": "a", "deadline_s": 1e999}', 400),
        "not UTF-8": (b'{"query": "\xff"}', 400),
        "a byte order mark": (b'\xef\xbb\xbf{"query": "a"}', 400),
        "a list": (b"[]", 422),
        "null": (b"null", 422),
        "a text": (b'"query"', 422),
        "an empty object": (b"{}", 422),
    }

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
    def test_row_37_a_body_that_is_none_of_ours(
        self, send: Send, path: str, body: bytes, status: int
    ) -> None:
        with send.leaving_no_trace():
            headers = {"Content-Type": "application/json"}
            told = send("POST", path, content=body, headers=headers)
        problem(told, status, REFUSED[status])

    @pytest.mark.parametrize("path", PATHS)
    def test_row_37_an_integer_of_a_billion_digits_is_not_even_read(
        self, send: Send, path: str
    ) -> None:
        """A gigabyte, sent in pieces and without a length: all but the first megabytes stay where
        they are."""
        read = 0

        async def gigabyte() -> AsyncIterator[bytes]:
            nonlocal read
            yield b'{"query": "a", "deadline_s": '
            for _ in range(1_000):
                read += 1
                yield b"9" * 1_000_000

        with send.leaving_no_trace():
            headers = {"Content-Type": "application/json"}
            told = send("POST", path, content=gigabyte(), headers=headers)
        problem(told, 413, "body_too_large")
        assert told.headers["connection"] == "close"
        assert read < 10

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "kind",
        [
            *("text/plain", "application/xml", "multipart/form-data; boundary=x", ""),
            *("application/x-www-form-urlencoded", "application/json; charset=utf-16", None),
        ],
    )
    def test_row_37_a_wrong_content_type(self, send: Send, path: str, kind: str | None) -> None:
        body = json.dumps(at(path, {"query": "Why?"})).encode()
        headers = {} if kind is None else {"Content-Type": kind}
        with send.leaving_no_trace():
            told = send("POST", path, content=body, headers=headers)
        problem(told, 415, REFUSED[415])

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "headers",
        [{"X-Long": "x" * 70_000}, {f"X-{n}": "x" for n in range(500)}],
        ids=["one of 70 KB", "five hundred"],
    )
    def test_row_37_huge_headers(self, send: Send, path: str, headers: dict[str, str]) -> None:
        with send.leaving_no_trace():
            told = send("POST", path, json=at(path, {"query": "?"}), headers=headers)
        problem(told, 431, REFUSED[431])


class TestRow38:
    """The fields: 422 with the field's path, or an answer."""

    AGENT = {"model": "a:1"}
    WRONG: dict[str, tuple[dict[str, Any], list[Any]]] = {
        "no query": ({}, ["query"]),
        "an empty query": ({"query": ""}, ["query"]),
        "a query that is a number": ({"query": 7}, ["query"]),
        "a blank query": ({"query": " \n\u200b\u2060 "}, ["query"]),
        "only control characters": ({"query": "\u0007\u001b"}, ["query"]),
        "1 M characters": ({"query": "x" * 1_000_000}, ["query"]),
        "1 M emoji": ({"query": "🐘" * 1_000_000}, ["query"]),
        "no agent": ({"query": "?", "selected_agents": []}, ["selected_agents"]),
        "six agents": ({"query": "?", "selected_agents": [AGENT] * 6}, ["selected_agents"]),
        "a hundred agents": ({"query": "?", "selected_agents": [AGENT] * 100}, ["selected_agents"]),
        "a path as the model": (
            {"query": "?", "selected_agents": [AGENT, {"model": "../../x"}]},
            ["selected_agents", 1, "model"],
        ),
        "an empty model": (
            {"query": "?", "selected_agents": [{"model": ""}]},
            ["selected_agents", 0, "model"],
        ),
        "a field that does not exist": ({"query": "?", "extra": 1}, ["extra"]),
        "white space in the chairman": (
            {"query": "?", "chairman_model": "a b"},
            ["chairman_model"],
        ),
        "a path as the chairman": (
            {"query": "?", "chairman_model": "../../etc/passwd"},
            ["chairman_model"],
        ),
        "a URL as the model": (
            {"query": "?", "selected_agents": [{"model": "http://10.0.0.1/x"}]},
            ["selected_agents", 0, "model"],
        ),
        "a name without end": (
            {"query": "?", "selected_agents": [{"model": "a:1", "name": "x" * 81}]},
            ["selected_agents", 0, "name"],
        ),
        "options that do not exist": (
            {"query": "?", "selected_agents": [{"model": "a:1", "options": {"num_ctx": 1}}]},
            ["selected_agents", 0, "options", "num_ctx"],
        ),
        "a deadline before the start": ({"query": "?", "deadline_s": -1}, ["deadline_s"]),
        "a deadline in words": ({"query": "?", "deadline_s": "60"}, ["deadline_s"]),
        "an option that is no number": (
            {"query": "?", "selected_agents": [{"model": "a:1", "options": {"top_k": "7"}}]},
            ["selected_agents", 0, "options", "top_k"],
        ),
        "an option that is true": (
            {"query": "?", "selected_agents": [{"model": "a:1", "options": {"seed": True}}]},
            ["selected_agents", 0, "options", "seed"],
        ),
        "a deadline at once": ({"query": "?", "deadline_s": 0}, ["deadline_s"]),
        "a deadline after the sun": ({"query": "?", "deadline_s": 1e308}, ["deadline_s"]),
    }

    @pytest.mark.parametrize("path", (ASK, OPEN))
    @pytest.mark.parametrize(("body", "loc"), WRONG.values(), ids=WRONG)
    def test_row_38_the_wrong_field_is_named(
        self, send: Send, path: str, body: dict[str, Any], loc: list[Any]
    ) -> None:
        raw = json.dumps(body, ensure_ascii=False).encode()
        with send.leaving_no_trace():
            answer = send("POST", path, content=raw, headers={"Content-Type": "application/json"})
        told = problem(answer, 422, "invalid_request")
        assert [(error["place"], error["loc"]) for error in told["errors"]] == [("body", loc)]

    @pytest.mark.parametrize(
        "query",
        [
            "🐘🦣" * 20,
            "👩‍👩‍👧‍👦 لماذا السماء زرقاء؟",
            "\u202eteg a",
            "a\u0007b\u001b[31m",
            "x\u2028y",
        ],
        ids=["emoji", "right to left", "an override", "control characters", "line separators"],
    )
    def test_row_38_odd_text_is_a_question(self, send: Send, query: str) -> None:
        answer = send("POST", ASK, json={"query": query})
        assert answer.status_code == 200
        session = answer.json()
        assert (session["query"], session["stage"]) == (query, "complete")
        again = send("GET", f"{OPEN}/{session['session_id']}")
        assert again.json() == session
        found = send("GET", OPEN, params={"q": query[:50]}).json()["sessions"]
        assert session["session_id"] in {one["session_id"] for one in found}

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_row_38_one_to_five_agents_sit_also_with_the_same_model(
        self, send: Send, count: int
    ) -> None:
        agents = [self.AGENT] * count
        session = send("POST", ASK, json={"query": "?", "selected_agents": agents}).json()
        assert session["stage"] == "complete"
        names = [f"agent_{n}" for n in range(1, count + 1)]
        assert [agent["agent_id"] for agent in session["agents"]] == names
        assert [opinion["agent_id"] for opinion in session["opinions"]] == names
        reviewers = names if count > 1 else []
        assert [review["reviewer_id"] for review in session["reviews"]] == reviewers

    def test_row_38_a_model_that_nobody_has(self, send: Send) -> None:
        for path, body in (
            (ASK, {"query": "?", "selected_agents": [{"model": "nobody:7b"}]}),
            (OPEN, {"query": "?", "chairman_model": "nobody:7b"}),
            (GENERATE, {"model": "nobody:7b", "prompt": "?"}),
        ):
            with send.leaving_no_trace():
                answer = send("POST", path, json=body)
            told = problem(answer, 422, "model_not_available")
            assert all(name in told["detail"] for name in ("nobody:7b", "a:1", "b:1"))

    @pytest.mark.parametrize(
        "model", ["../../x", "", "a b", "http://10.0.0.1/x", "a:1\n", "x" * 201]
    )
    def test_row_38_nor_is_a_path_a_model_for_a_single_generation(
        self, send: Send, model: str
    ) -> None:
        one = {"model": model, "prompt": "?"}
        with send.leaving_no_trace():
            alone = send("POST", GENERATE, json=one)
            batch = send("POST", BATCH, json={"requests": [{"model": "a:1", "prompt": "?"}, one]})
        for answer, loc in ((alone, ["model"]), (batch, ["requests", 1, "model"])):
            told = problem(answer, 422, "invalid_request")
            assert [error["loc"] for error in told["errors"]] == [loc]


class TestRow39:
    """Ids that are nobody's."""

    IDS = (
        "1",
        "x' OR '1'='1",
        "1; DROP TABLE sessions",
        "..%2F..%2Fetc%2Fpasswd",
        "%00",
        "a" * 4_000,
        "agent_1",
        "00000000-0000-0000-0000-00000000000g",
        str(uuid.UUID(int=0)),
        f"{{{uuid.UUID(int=7)}}}",
    )

    @pytest.mark.parametrize("name", IDS, ids=range(len(IDS)))
    def test_row_39_an_id_that_is_nobodys(self, send: Send, name: str) -> None:
        """It finds nothing and changes nothing: neither what it could name, nor anything else."""
        with send.leaving_no_trace():
            answers = [
                send(method, path)
                for method, path in (
                    ("GET", f"{OPEN}/{name}"),
                    ("GET", f"{OPEN}/{name}/events"),
                    ("GET", f"{OPEN}/{name}/export?format=json"),
                    ("GET", f"/api/council/session/{name}"),
                    ("DELETE", f"{OPEN}/{name}"),
                    ("DELETE", f"{OPEN}/{name}?purge=true"),
                )
            ]
        for answer in answers:
            codes = {404: ("session_not_found", "not_found"), 422: ("invalid_request",)}
            problem(answer, answer.status_code, *codes[answer.status_code])
            assert "root:" not in answer.text

    @pytest.mark.parametrize(
        "name", ["pc9", "x' OR '1'='1", "..%2F..%2Fetc%2Fpasswd", "%00", "a" * 4_000]
    )
    def test_row_39_a_pc_that_is_nobodys(self, send: Send, name: str) -> None:
        path = f"/api/cluster/nodes/{name}/drain"
        with send.leaving_no_trace():
            answers = [send("POST", path, json={}), send("DELETE", path)]
        for answer in answers:
            codes = {404: ("node_not_found", "not_found"), 422: ("invalid_request",)}
            problem(answer, answer.status_code, *codes[answer.status_code])

    def test_row_39_an_id_in_another_spelling_is_the_same_session(self, send: Send) -> None:
        session = send("POST", ASK, json={"query": "?"}).json()
        name = session["session_id"]
        for spelling in (name.upper(), name.replace("-", ""), f"urn:uuid:{name}"):
            assert send("GET", f"{OPEN}/{spelling}").json() == session


@pytest.mark.parametrize(
    "path", [f"{OPEN}?limit=1&limit=2", f"{OPEN}?q=a&limit=1&q=a", f"{ASK}?{LEAVE}=1&{LEAVE}=0"]
)
def test_a_parameter_that_stands_twice_is_refused(send: Send, path: str) -> None:
    method = "POST" if path.startswith(ASK) else "GET"
    with send.leaving_no_trace():
        told = problem(send(method, path, json={"query": "?"}), 422, "invalid_request")
    assert [error["place"] for error in told["errors"]] == ["query"]
    assert send("GET", f"{OPEN}?limit=1&x=1&x=2").status_code == 200


# Generated bodies

FAILURES = {
    kind.code for kind in (*CouncilFailed.__subclasses__(), *ModelCallError.__subclasses__())
}
numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.just(1e-9))
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", " ", "a:1", "b:1", "../x", "a\x00b", "\ud800", "🐘", "\u202e", "{}"]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def mostly(kind: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*[kind] * 19, values)


def some(needed: tuple[str, ...], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with these fields, mostly whole and each mostly of its kind."""
    there = {name: mostly(kind) for name, kind in fields.items() if name in needed}
    others = {name: mostly(kind) for name, kind in fields.items() if name not in needed}
    whole = st.fixed_dictionaries(there, optional=others)
    odd = st.dictionaries(texts, values, max_size=2)
    return st.one_of(*[whole] * 8, st.fixed_dictionaries({}, optional=there | others), odd)


prose = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
models = st.sampled_from(["a:1"] * 12 + ["b:1", "A:1", "nobody:1", "../x"])
options = some(
    (),
    temperature=st.floats(0, 5),
    seed=st.integers(0, 2**31 - 1),
    top_p=st.floats(0, 1),
    num_predict=st.integers(1, 32_768),
    stop=st.lists(prose, max_size=3),
)
agents = some(("model",), name=prose, model=models, system=prose, options=options)
questions = some(
    ("query",),
    query=prose,
    selected_agents=st.lists(agents, min_size=1, max_size=3),
    chairman_model=models,
    deadline_s=st.floats(0.001, 86_400),
)
works = some(
    ("model", "prompt"), model=models, prompt=prose, system=prose, format=values, options=options
)
batches = some(("requests",), requests=st.lists(works, min_size=1, max_size=3))
bodies = st.one_of(values, questions, works, batches).map(
    lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
)
by_path = st.one_of(
    st.tuples(st.sampled_from(PATHS), st.one_of(bodies, st.binary(max_size=60))),
    st.tuples(st.sampled_from((ASK, OPEN)), questions.map(lambda q: json.dumps(q).encode())),
    st.tuples(st.just(GENERATE), works.map(lambda w: json.dumps(w).encode())),
    st.tuples(st.just(BATCH), batches.map(lambda b: json.dumps(b).encode())),
)


@given(by_path)
def test_nothing_that_a_user_sends_yields_a_500(send: Send, sent: tuple[str, bytes]) -> None:
    path, body = sent
    response = send("POST", path, content=body, headers={"Content-Type": "application/json"})
    if response.status_code < 400:
        assert response.headers["content-type"] == "application/json"
        return
    told = problem(response, response.status_code)
    if response.status_code >= 500:
        assert response.status_code in (502, 503, 504)
        assert told["code"] in FAILURES


@given(st.text(max_size=60), st.sampled_from(["limit", "before", "q", "x"]))
def test_nor_does_a_search(send: Send, text: str, field: str) -> None:
    response = send("GET", OPEN, params={field: text.encode("utf-8", "replace").decode()})
    assert response.status_code in (200, 422)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=300))
def test_nor_does_a_header(send: Send, value: str) -> None:
    raw, question = value.encode("latin-1"), {"query": "?", "selected_agents": [{"model": "a:1"}]}
    response = send("POST", OPEN, json=question, headers={"Idempotency-Key": raw})
    assert response.status_code in (202, 422)
    for name in ("X-Request-ID", "Accept", "Authorization", "Content-Encoding", "Last-Event-ID"):
        response = send("GET", f"{OPEN}/{uuid.UUID(int=0)}/events", headers={name: raw})
        assert response.status_code in (404, 422), name
