"""`./council doctor`: each fault once, on real files, real sockets and the real HTTP layer."""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from actors.errors import CouncilUnavailable
from actors.messages.nodes import ClockReading, MemoryUse, NodeReport, OllamaStatus
from actors.store.sessions import SessionStore
from cluster import run_record
from cluster.run_record import RunRecord
from cluster.secret_files import KEY, TOKEN, home_directory, keep, secret
from cluster.settings import Settings
from serve_app import __main__
from serve_app.api import build_api
from serve_app.cli.client import Client
from serve_app.cli.doctor import council, home, pc, rounds
from serve_app.cli.doctor.finding import Finding, warning
from serve_app.cli.model_server import ModelServer
from serve_app.configuration import ApiConfig
from tests.fake_council import FakeCouncil, report
from tests.ports import port_for_later
from tests.session_events import Summaries, closed, started, write_schema_1

MIB, GIB = 2**20, 2**30


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A home as `up` leaves it, with one finished session."""
    folder = home_directory(tmp_path / "home")
    for name in (TOKEN, KEY):
        secret(folder, name)
    asyncio.run(write(folder / "sessions.db"))
    return folder


async def write(path: Path, is_open: bool = False) -> None:
    store = SessionStore(path, Summaries())
    await store.open()
    name = (await store.create(started("x" * 9000))).session_id
    if not is_open:
        await store.append(name, [closed(name)])
    await store.close()


def states(findings: Iterable[Finding]) -> set[str]:
    return {finding.state for finding in findings}


def wrong(findings: Iterable[Finding]) -> Finding:
    """The only one that is not ok."""
    [found] = [finding for finding in findings if finding.state != "ok"]
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# --- the home ---------------------------------------------------------------------------------


def test_a_home_that_is_well_is_ok_and_stays_as_it_is_to_the_byte(kept: Path) -> None:
    before = files(kept)
    assert states(home.check(kept, council_runs=True)) == {"ok"}
    assert files(kept) == before


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert states(home.check(tmp_path / "a" / "b", council_runs=False)) == {"ok"}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("free", "state"), [(100 * MIB, "fault"), (GIB, "warning"), (9 * GIB, "ok")]
)
def test_a_disk_that_gets_full_is_told(free: int, state: str) -> None:
    assert home.disk(Path("/h"), free).state == state


@pytest.mark.parametrize("name", [TOKEN, KEY, "sessions.db", "answers.db", "."])
def test_what_others_may_read_is_a_fault_and_what_mends_it_mends_it(kept: Path, name: str) -> None:
    (kept / name).touch()
    (kept / name).chmod(0o755 if name == "." else 0o644)
    found = wrong(home.check(kept, council_runs=True))
    assert found.state == "fault"
    subprocess.run(found.mend.split(), check=True)
    assert states(home.check(kept, council_runs=True)) == {"ok"}


def test_an_empty_secret_is_a_fault(kept: Path) -> None:
    (kept / TOKEN).write_text("\n")
    found = wrong(home.check(kept, council_runs=True))
    assert found.state == "fault" and "ray_token is empty" in found.says


def test_a_list_of_keys_that_is_none_is_a_fault_and_shows_nothing_of_it(kept: Path) -> None:
    keep(kept / "api_keys.json", '{"hunter2": 1}')
    found = wrong(home.check(kept, council_runs=True))
    assert found.state == "fault" and "api_keys.json" in found.says
    assert "hunter2" not in found.says + found.mend


def test_a_damaged_store_is_a_fault_that_says_the_way_out(kept: Path) -> None:
    path = kept / "sessions.db"
    data = path.read_bytes()
    path.write_bytes(data[: 3 * 4096] + b"\xa5" * 4096 + data[4 * 4096 :])
    before = files(kept)
    found = wrong(home.check(kept, council_runs=False))
    assert found.state == "fault"
    assert "damaged" in found.says and "./council restore" in found.says
    assert files(kept) == before


def test_an_index_that_misses_a_row_is_damage_too(kept: Path) -> None:
    """What a look at the pages alone (`quick_check`) does not see."""
    path = kept / "sessions.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        sql = "CREATE INDEX sessions_by_age ON sessions (session_id)"
        query = "UPDATE sqlite_schema SET sql = ? WHERE name = 'sessions_by_age'"
        connection.execute(query, (sql,))
    found = wrong(home.check(kept, council_runs=False))
    assert found.state == "fault" and "damaged" in found.says


def test_row_47_a_store_of_a_newer_release_is_a_fault_and_says_to_go_back(kept: Path) -> None:
    with closing(sqlite3.connect(kept / "sessions.db")) as connection:
        connection.execute("PRAGMA user_version = 7")
    found = wrong(home.check(kept, council_runs=False))
    assert found.state == "fault" and "newer release" in found.says


def test_row_47_a_store_of_an_older_release_is_ok_and_is_brought_up_by_up(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    write_schema_1(path)
    found = home.store(path, council_runs=True)
    assert found.state == "ok" and "schema 1" in found.says and "up brings it to 2" in found.says


def test_sessions_that_wait_for_a_council_are_told(kept: Path) -> None:
    asyncio.run(write(kept / "sessions.db", is_open=True))
    found = wrong(home.check(kept, council_runs=False))
    assert found.state == "warning"
    assert "2 kept, 1 open" in found.says and "epoch 2" in found.says
    assert states(home.check(kept, council_runs=True)) == {"ok"}


def test_a_log_that_is_never_written_back_is_told(kept: Path) -> None:
    path = kept / "sessions.db"
    found = home.contents(path, 1)
    long = home.kept(path, found.__class__(**{**vars(found), "log_bytes": 99 * MIB}), True)
    assert long.state == "warning" and "log 99.0 MiB" in long.says


# --- this PC ----------------------------------------------------------------------------------

LOCK = "other==1\nray==2.60.0 \\\n  --hash=x\n"


@pytest.mark.parametrize(
    ("python", "ray", "said"),
    [("3.11.7", "2.59.0", "Ray 2.60.0"), ("3.10.1", "2.60.0", "3.11 to 3.14")],
)
def test_versions_that_do_not_fit_are_a_fault(python: str, ray: str, said: str) -> None:
    found = pc.versions(python, ray, LOCK)
    assert found.state == "fault" and said in found.says
    assert pc.versions("3.14.0", "2.60.0", LOCK).state == "ok"


def test_the_versions_of_this_very_checkout_fit() -> None:
    settings = Settings.having(home="/nowhere", ollama_url="http://127.0.0.1:9")
    [found] = [f for f in pc.check(settings, council_runs=True) if f.about == "versions"]
    assert found.state == "ok"


def test_row_46_two_orchestrators_on_one_store_are_a_fault_in_plain_words() -> None:
    lines = ["ray::CouncilOrchestrator", "raylet", "ray::CouncilOrchestrator.open"]
    found = pc.running(lines, council_runs=True)
    assert found.state == "fault" and "2 orchestrators" in found.says
    assert pc.running(lines[:2], council_runs=True).state == "ok"


def test_what_is_left_of_a_council_that_does_not_answer_is_a_fault(kept: Path) -> None:
    code = "print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "COUNCIL_RUN": str(kept)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as left:
        assert left.stdout is not None and left.stdout.readline() == b"1\n"
        settings = Settings.having(home=kept, ollama_url="http://127.0.0.1:9")
        found = [f for f in pc.check(settings, council_runs=False) if f.about == "processes"]
        left.communicate(b"\n")
    assert wrong(found).state == "fault" and "1 are left" in wrong(found).says
    joined = ["python -m serve_app join 10.0.0.1", "raylet"]
    assert pc.running(joined, council_runs=False).state == "ok"


def test_a_port_that_another_program_has_is_a_fault_and_names_another(kept: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings.having(home=kept, port=port, ollama_url="http://127.0.0.1:9")
        [found] = [f for f in pc.check(settings, False) if str(port) in f.says]
    assert found.state == "fault" and f"--port {port + 1}" in found.mend
    assert pc.api_port(port, free=True).state == "ok"


def test_ports_of_ray_that_are_taken_are_told() -> None:
    with socket.create_server(("", 0)) as other:
        first = other.getsockname()[1] - 3
        found = pc.ray_ports(Settings.having(ray_port=first))
    assert found.state == "fault" and "COUNCIL_RAY_PORT" in found.says


def test_an_old_ollama_is_a_warning_and_a_new_one_is_not() -> None:
    old = list(pc.model_server("u", ModelServer("u", "Ollama 0.17.0", ("a",)), True))
    assert "0.17.1" in wrong(old).says and wrong(old).state == "warning"
    assert states(pc.model_server("u", ModelServer("u", "Ollama 0.17.1", ("a",)), True)) == {"ok"}


def test_an_ollama_without_a_model_is_a_warning() -> None:
    found = wrong(pc.model_server("u", ModelServer("u", "Ollama 1.0.0", ()), True))
    assert found.state == "warning" and "ollama pull" in found.mend


@pytest.mark.parametrize(
    ("url", "has_built_in", "state"),
    [
        ("http://127.0.0.1:9", True, "warning"),
        ("http://127.0.0.1:9", False, "fault"),
        ("http://192.0.2.1:11434", True, "fault"),
    ],
)
def test_no_ollama_is_as_bad_as_what_stands_in(url: str, has_built_in: bool, state: str) -> None:
    assert wrong(pc.model_server(url, None, has_built_in)).state == state


# --- the council that runs --------------------------------------------------------------------


class Given(FakeCouncil):
    """Its PCs are as the test says."""

    def __init__(self, *reports: NodeReport) -> None:
        super().__init__()
        self.reports = reports

    async def nodes(self) -> tuple[NodeReport, ...]:
        return self.reports


class InProcess(httpx.BaseTransport):
    """The HTTP layer itself, without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._inner) as http:
            answer = await http.request(request.method, request.url, headers=request.headers)
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=answer.content
            )


def asked(sitting: FakeCouncil, ray: str = "2.60.0", python: str | None = None) -> Client:
    config = ApiConfig("1", python or sys.version.split()[0], ray)
    http = httpx.Client(transport=InProcess(build_api(sitting, config)))
    return Client("http://localhost", None, http)


def of(about: str, client: Client) -> list[Finding]:
    return [finding for finding in council.check(client) if finding.about == about]


def a_server(**told: Any) -> OllamaStatus:
    return OllamaStatus(**{"url": "http://10.0.0.2:11434", "connected": True, **told})


def test_a_council_that_is_well_is_ok() -> None:
    client = asked(Given(report("pc1", "head")))
    assert not council.why_not(client)
    assert states(of("council", client)) == states(of("pc1", client)) == {"ok"}


def test_a_council_that_is_not_ready_is_a_fault() -> None:
    sitting = Given(report("pc1", "head"))
    sitting.ready = {"store": False}
    assert "store" in wrong(of("council", asked(sitting))).says


def test_a_council_of_other_versions_is_a_fault() -> None:
    found = wrong(of("council", asked(Given(), ray="2.59.0")))
    assert found.state == "fault" and "ray 2.59.0" in found.says


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({"ollama": a_server(connected=False, error="refused")}, "fault", "refused"),
        ({"breaker": "open"}, "fault", "failed so often"),
        ({"breaker": "half_open"}, "fault", "failed so often"),
        ({"ollama": a_server(warnings=("too old",))}, "warning", "too old"),
        ({"ollama": a_server(connected=False, error="\x1b[2Jred")}, "fault", "[2Jred"),
        ({"clock": ClockReading(ahead_s=60, bound_s=0.1)}, "warning", "60 s ahead of PC1's"),
        ({"ray": "2.59.0"}, "fault", "ray 2.59.0, PC1 2.60.0"),
    ],
)
def test_a_pc_that_is_not_well_is_told(change: dict[str, Any], state: str, said: str) -> None:
    there = report("pc9", "worker").model_copy(update=change)
    found = wrong(of("pc9", asked(Given(there))))
    assert found.state == state and said in found.says and "\x1b" not in found.says


def test_a_pc_whose_disk_is_full_is_told() -> None:
    there = report("pc9", "worker")
    assert there.vitals is not None
    vitals = there.vitals.model_copy(update={"disk": MemoryUse(total=9, used=9, percent=99)})
    found = wrong(of("pc9", asked(Given(there.model_copy(update={"vitals": vitals})))))
    assert "99 % full" in found.says


def test_a_pc_that_is_being_taken_out_is_told() -> None:
    sitting = FakeCouncil()
    asyncio.run(sitting.drain("pc2"))
    assert "drain pc2 --undo" in wrong(of("pc2", asked(sitting))).mend


def test_a_council_that_stops_answering_meanwhile_is_one_more_fault() -> None:
    sitting = Given()
    sitting.failure = CouncilUnavailable("It starts again.")
    with pytest.raises(__main__.Stop, match="starts again"):
        list(council.check(asked(sitting)))


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (-3600, "warning"), (3600, "warning")])
def test_clocks_that_differ_are_told(ahead_s: float, state: str) -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"date": then}))
    assert council.clock(Client("http://pc1", None, httpx.Client(transport=transport))).state == (
        state
    )


def test_who_was_started_and_does_not_answer_is_a_fault_and_who_was_not_is_none() -> None:
    assert council.absent("No council answers.", was_started=True).state == "fault"
    assert council.absent("No council answers.", was_started=False).state == "ok"


def test_something_else_at_the_port_is_no_council() -> None:
    for body in ("<html>", "[]", "{}", "3"):
        transport = httpx.MockTransport(lambda _, body=body: httpx.Response(200, text=body))
        client = Client("http://pc1", None, httpx.Client(transport=transport))
        assert council.why_not(client) == "Something else than a council answers."


# --- as typed ---------------------------------------------------------------------------------


@pytest.fixture
def typed_at(monkeypatch: pytest.MonkeyPatch, kept: Path) -> Path:
    for name in os.environ:
        if name.startswith(("COUNCIL_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COUNCIL_HOME", str(kept))
    monkeypatch.setenv("COUNCIL_PORT", str(port_for_later()))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    (kept / "embedded").mkdir()
    (kept / "embedded" / "model.gguf").touch()
    return kept


def doctor(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["council", "doctor", *words])
    return __main__.main()


def test_each_finding_is_a_line_and_the_exit_code_tells_whether_one_is_a_fault(
    typed_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning"}
    assert doctor(monkeypatch) == 0
    (typed_at / KEY).chmod(0o644)
    capsys.readouterr()
    assert doctor(monkeypatch) == 1
    [line] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("fault")]
    assert f"chmod 600 {typed_at / KEY}" in line


def test_on_a_narrow_terminal_no_word_is_broken_and_what_mends_it_can_be_copied() -> None:
    says, mend = "none answers at http://127.0.0.1:11434", "ollama pull qwen2.5:0.5b llama3.2:1b"
    found = warning("Ollama", says, mend)
    assert [line.plain for line in rounds.lines(found, 200)] == [
        f"warning  Ollama      {says}  → {mend}"
    ]
    assert [line.plain for line in rounds.lines(found, 80)] == [
        f"warning  Ollama      {says}",
        f"{'':21}→ {mend}",
    ]
    assert [line.plain for line in rounds.lines(found, 40)] == [
        "warning  Ollama      ",
        f"  {says}",
        f"  → {mend}",
    ]
    short = [line.plain for line in rounds.lines(found, 32)]
    assert short[1:3] == ["  none answers at", "  http://127.0.0.1:11434"]


def test_as_json_it_is_for_programs(
    typed_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_record.write(
        typed_at,
        RunRecord(
            api_url=f"http://127.0.0.1:{os.environ['COUNCIL_PORT']}",
            dashboard_url="",
            ray_address="127.0.0.1:6379",
            node_name="pc1",
            lan=False,
            engine="Ollama",
            started_at="2026-01-01T00:00:00+00:00",
        ),
    )
    assert doctor(monkeypatch, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    [found] = [finding for finding in told["findings"] if finding["state"] == "fault"]
    assert found["about"] == "council" and "./council up" in found["mend"]


def test_no_secret_is_told(
    typed_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (typed_at / KEY).chmod(0o644)
    doctor(monkeypatch)
    shown = capsys.readouterr()
    for name in (TOKEN, KEY):
        assert secret(typed_at, name) not in shown.out + shown.err
