"""Lines of the log: JSON with whom they are about, and never another session's ids or a prompt."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from actors.agent import AgentConfig, OllamaAgent
from actors.council.asking.briefs import worker_call
from actors.errors import ModelLoadFailed
from actors.messages.calls import GenerateCall
from actors.messages.requests import Origin, WorkerRequest
from actors.pool import Demand
from actors.telemetry import logs
from actors.telemetry.about import About, now_about, speaking_of
from actors.telemetry.logs import Lines, Speaker
from cluster import process_logs
from cluster.pool import CouncilPool, PoolConfig
from cluster.ray_council import RayCouncil
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, api
from tests.fake_hosts import FakeHosts, FakePc
from tests.scripted import ScriptedPool, plausible, stage_of_call
from tests.unit.test_canary import PROMPT, WORD, client
from tests.unit.test_orchestrator import REQUEST, council

SPEAKER = Speaker("pc1", lambda: "orchestrator")
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"
ORIGIN = Origin(request_id="r-1", traceparent=PARENT)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where the log goes: JSON from INFO on. Leaves the loggers as they were."""
    before = {name: logging.getLogger(name).level for name in logs.OURS}
    stream = io.StringIO()
    logs.install(SPEAKER, "auto", "INFO", stream)
    yield stream
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Lines)]:
        root.removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def broken(call: GenerateCall) -> Any:
    """A bug of ours in each synthesis, that quotes what it stumbled over."""
    if stage_of_call(call) == "synthesis":
        raise ValueError(f"cannot read {call.messages}")
    return plausible(call)


def test_a_line_is_json_with_where_it_comes_from_and_whom_it_is_about(lines: io.StringIO) -> None:
    log = logging.getLogger("actors.hearing")
    with speaking_of(About("s-1", "r-1", "t-1")):
        log.info("two\nlines of %s", "é")
    log.debug("not at INFO")
    logging.getLogger("somebody").info("libraries are heard from WARNING on")
    logging.getLogger("somebody").warning("like this")
    first, second = read(lines)
    at = first.pop("time")
    assert at.endswith("Z") and len(at) == len("2026-01-01T00:00:00.000Z")
    assert first == {
        "level": "INFO", "logger": "actors.hearing", "message": "two\nlines of é", "pc": "pc1",
        "process": "orchestrator", "session_id": "s-1", "request_id": "r-1", "trace_id": "t-1",
    }  # fmt: skip
    assert second["message"] == "like this" and "session_id" not in second


def test_an_exception_is_part_of_its_line(lines: io.StringIO) -> None:
    logs.install(SPEAKER, "auto", "DEBUG", lines)
    try:
        raise KeyError("why")
    except KeyError:
        logging.getLogger("cluster").exception("it broke")
    [line] = read(lines)
    assert line["exception"].endswith("KeyError: 'why'")


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_what_a_task_that_nobody_waited_for_failed_with_is_said_at_debug_only(
    lines: io.StringIO, form: logs.LogFormat, level: logs.LogLevel
) -> None:
    """asyncio tells of it, with the exception and all that is in it."""
    logs.install(SPEAKER, form, level, lines)

    async def failing() -> None:
        raise ValueError(f"cannot read {WORD}")

    async def forgetting() -> None:
        await asyncio.wait([asyncio.create_task(failing())])
        gc.collect()

    asyncio.run(forgetting())
    text = lines.getvalue()
    assert "Task exception was never retrieved" in text and "ValueError" in text
    assert "test_logs.py" in text
    assert (WORD in text) is (level == "DEBUG")


@pytest.mark.parametrize(
    ("form", "stream", "plain"),
    [
        ("auto", io.StringIO, False),
        ("auto", Terminal, True),
        ("json", Terminal, False),
        ("text", io.StringIO, True),
    ],
)
def test_people_at_a_terminal_read_text(
    lines: io.StringIO, form: logs.LogFormat, stream: type[io.StringIO], plain: bool
) -> None:
    written = stream()
    logs.install(SPEAKER, form, "INFO", written)
    with speaking_of(About(request_id="r-1")):
        logging.getLogger("actors").info("two\nlines")
    assert not lines.getvalue(), "installed anew, lines go to one place"
    text = written.getvalue()
    assert text.startswith("{") is not plain and text.count("\n") == 1
    if plain:
        assert text.endswith("INFO pc1/orchestrator actors: two\\nlines [request_id=r-1]\n")


def test_text_commands_no_terminal(lines: io.StringIO) -> None:
    written = io.StringIO()
    logs.install(SPEAKER, "text", "INFO", written)
    logging.getLogger("actors").info("a \x1b[2J b\x07 \x9b1m \u2028 \u202e é 東")
    assert written.getvalue().endswith("a \\x1b[2J b\\x07 \\x9b1m \\u2028 \\u202e é 東\n")


def test_text_shows_an_exception_below(lines: io.StringIO) -> None:
    written = io.StringIO()
    logs.install(SPEAKER, "text", "DEBUG", written)
    try:
        raise KeyError("why")
    except KeyError:
        logging.getLogger("actors").exception("it broke")
    assert written.getvalue().splitlines()[0].endswith("actors: it broke")
    assert written.getvalue().endswith("KeyError: 'why'\n")


@pytest.mark.parametrize("level", ["WARNING", "nonsense"])
def test_a_process_logs_by_its_settings_and_even_where_they_cannot_be_read(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: Any, level: str
) -> None:
    monkeypatch.setenv("COUNCIL_LOG_LEVEL", level)
    monkeypatch.setenv("COUNCIL_NODE_NAME", "pc7")
    process_logs.install(lambda: "probe")
    logging.getLogger("cluster").info("at INFO")
    logging.getLogger("cluster").warning("at WARNING")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    messages = ["at WARNING"] if level == "WARNING" else ["at INFO", "at WARNING"]
    assert [line["message"] for line in told] == messages
    assert told[0]["pc"] == ("pc7" if level == "WARNING" else "pc")


async def test_what_is_logged_of_a_session_has_its_ids_and_no_prompt(
    tmp_path: Path, lines: io.StringIO
) -> None:
    request = REQUEST.model_copy(update={"query": PROMPT})
    async with council(tmp_path, ScriptedPool(script=broken)) as orchestrator:
        opened = await orchestrator.open(request, origin=ORIGIN)
        await orchestrator.wait(opened.session_id)
    failed = [line for line in read(lines) if line["level"] == "ERROR"]
    assert failed and all(
        (line["session_id"], line["request_id"], line["trace_id"])
        == (opened.session_id, "r-1", "a" * 32)
        for line in failed
    )
    assert WORD not in lines.getvalue()


async def test_sessions_at_once_do_not_mix_their_ids(tmp_path: Path, lines: io.StringIO) -> None:
    async with council(tmp_path, ScriptedPool(script=broken)) as orchestrator:
        opened = await asyncio.gather(
            *(orchestrator.open(REQUEST, origin=Origin(request_id=f"r-{n}")) for n in range(8))
        )
        await asyncio.gather(*(orchestrator.wait(one.session_id) for one in opened))
    ids = {one.session_id: f"r-{n}" for n, one in enumerate(opened)}
    told = [line for line in read(lines) if line["level"] == "ERROR"]
    assert {line["session_id"] for line in told} == set(ids)
    for line in told:
        assert line["request_id"] == ids[line["session_id"]]
        assert line["session_id"] in line["message"]
        assert "trace_id" not in line, "there is no trace, so no line names one"


async def test_a_session_that_goes_on_after_a_restart_is_named_with_the_request_it_came_by(
    tmp_path: Path, lines: io.StringIO
) -> None:
    waiting = asyncio.Event()
    async with council(tmp_path, ScriptedPool(gate=lambda call: waiting)) as orchestrator:
        opened = await orchestrator.open(REQUEST, origin=ORIGIN)
    async with council(tmp_path, ScriptedPool()) as orchestrator:
        await orchestrator.wait(opened.session_id)
    [line] = [line for line in read(lines) if line["message"].endswith("resumed")]
    assert (line["session_id"], line["request_id"]) == (opened.session_id, "r-1")


async def test_a_request_is_named_where_http_fails(lines: io.StringIO) -> None:
    fake = FakeCouncil()
    fake.failure = KeyError(PROMPT)
    app = api(fake, ApiConfig("1", "3.11", "2.60", hosts=("council",)))
    async with client(app, "") as http:
        answer = await http.post(
            "/api/council/query", json={"query": PROMPT}, headers={"X-Request-ID": "r-7"}
        )
    assert answer.status_code == 500
    [line] = read(lines)
    assert line["request_id"] == "r-7" and line["logger"] == "serve_app.problems"
    assert now_about() == About()
    assert WORD not in lines.getvalue()


async def test_a_request_about_a_session_names_it_where_http_fails(lines: io.StringIO) -> None:
    session_id = "6f0c2a4e-3f4b-4c1d-9a53-0f6f1c1f7f10"
    fake = FakeCouncil()
    fake.failure = KeyError(PROMPT)
    app = api(fake, ApiConfig("1", "3.11", "2.60", hosts=("council",)))
    async with client(app, "") as http:
        await http.get(f"/api/council/sessions/{session_id.upper()}/export")
        await http.get("/api/council/sessions")
    named, unnamed = read(lines)
    assert named["session_id"] == session_id and "session_id" not in unnamed


async def test_what_opens_a_session_is_about_it_from_then_on(lines: io.StringIO) -> None:
    class Opening:
        async def remote(self, *asked: Any) -> Any:
            return SimpleNamespace(session_id="s-1")

    council = RayCouncil(lambda: SimpleNamespace(open=Opening()))
    with speaking_of(About(request_id="r-1")):
        await council.open(REQUEST)
        assert now_about() == About("s-1", "r-1")
    assert now_about() == About()


async def test_what_the_pool_does_for_everybody_is_about_nobody(lines: io.StringIO) -> None:
    hosts = FakeHosts(FakePc("pc1", ("a:1",), load_fails={"a:1": "model_load_failed"}))
    pool = CouncilPool(PoolConfig(report_s=3600, watch_s=0.01), hosts)
    with speaking_of(About(session_id="s-1")), pytest.raises(ModelLoadFailed):
        async with pool.lease(Demand("a:1", "s-1", 0.0)):
            raise AssertionError("no PC can load it")
    await pool.close()
    [line] = [line for line in read(lines) if "failed to start" in line["message"]]
    assert "session_id" not in line


@pytest.mark.parametrize("call_id", ["s-1:opinions:agent_1", "a-single-call"])
async def test_an_agent_speaks_of_the_session_that_asked_it(
    lines: io.StringIO, call_id: str
) -> None:
    def stumbles() -> httpx.AsyncClient:
        def handle(request: httpx.Request) -> httpx.Response:
            raise ValueError(f"cannot send {request.content!r}")

        return httpx.AsyncClient(transport=httpx.MockTransport(handle))

    agent = OllamaAgent(AgentConfig(model="a:1", url="http://127.0.0.1:1", node="pc1"), stumbles)
    wish = WorkerRequest(model="a:1", prompt=PROMPT)
    call = worker_call(call_id, wish, "a:1", 10, 5.0, ORIGIN)
    assert [event async for batch in agent.batches(call) for event in batch]
    [line] = read(lines)
    assert line.get("session_id") == ("s-1" if ":" in call_id else None)
    assert (line["request_id"], line["trace_id"]) == ("r-1", "a" * 32)
    assert WORD not in lines.getvalue()
