"""The file that sessions live in: what is refused and left as it is, and what is brought up to date
(faults.md, rows 28 and 47)."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors import session_file
from actors.chairman import ChairmanActor
from actors.errors import StoreUnavailable
from actors.messages.configs import OrchestratorConfig
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.orchestrator import CouncilOrchestrator
from actors.sessions import SessionStore
from tests.scripted import ScriptedPool, seat_of_call, stage_of_call
from tests.session_events import Summaries, started, write_schema_1

FIRST = CouncilRequest(
    query="A whole one?",
    selected_agents=tuple(AgentSpec(model=model) for model in ("a:1", "b:1", "a:1")),
    chairman_model="c:1",
)
"""What began the first session of the older release's file, under `key-1`."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SessionStore]:
    made = SessionStore(path, Summaries(), lock_wait_s=0.05)
    await made.open()
    yield made
    await made.close()


def spoil(data: bytes, at: int) -> bytes:
    return data[:at] + b"\xa5" * 4096 + data[at + 4096 :]


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def refused(path: Path) -> str:
    """Opens, expects a refusal, and that not one byte of the file was changed."""
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable) as caught:
        session_file.prepare(path, 0.05)
    assert path.read_bytes() == before
    return str(caught.value)


@pytest.mark.parametrize("at", [0, 4096, 3 * 4096])
async def test_a_damaged_file_is_kept_and_the_way_out_is_said(path: Path, at: int) -> None:
    store = SessionStore(path, Summaries())
    await store.open()
    for _ in range(50):
        await store.create(started("x" * 500))
    await store.close()
    rewrite(path, lambda data: spoil(data, at))
    says = refused(path)
    assert "damaged" in says
    assert ".recover" in says
    assert str(path) in says


async def test_a_cut_file_is_damaged_too(path: Path, store: SessionStore) -> None:
    await store.create(started("x" * 50_000))
    await store.close()
    rewrite(path, lambda data: data[:-8192])
    assert "damaged" in refused(path)


async def test_row_47_a_newer_file_is_refused_and_stays_as_it_is(
    path: Path, store: SessionStore
) -> None:
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    says = refused(path)
    assert "newer release (schema 7" in says
    assert "COUNCIL_HOME" in says


async def test_another_programs_file_is_refused(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    assert "another program" in refused(path)


async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "sessions.db", tmp_path):
        with pytest.raises(StoreUnavailable):
            await SessionStore(place, Summaries()).open()


def whole(path: Path) -> list[str]:
    """All that a file holds, as SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return [str(connection.execute("PRAGMA user_version").fetchall()), *connection.iterdump()]


def test_row_47_an_older_file_is_brought_up_to_date_and_every_event_stays(path: Path) -> None:
    write_schema_1(path)
    before = whole(path)
    for _ in range(2):
        session_file.prepare(path, 0.05)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT * FROM keeper").fetchall() == [(0,)]
    assert {line for line in before if "INSERT" in line} < set(whole(path))


def test_row_47_an_older_file_and_a_new_one_have_the_same_schema(path: Path) -> None:
    def schema(of: Path) -> set[tuple[str, ...]]:
        session_file.prepare(of, 0.05)
        with closing(sqlite3.connect(of)) as connection:
            return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))

    write_schema_1(path)
    assert schema(path) == schema(path.with_name("new.db"))


def test_row_47_an_upgrade_that_fails_leaves_the_older_file_whole(path: Path) -> None:
    write_schema_1(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE keeper (in_the_way)")
    before = whole(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="SQLITE_ERROR"):
            session_file.prepare(path, 0.05)
        assert whole(path) == before
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE keeper")
    session_file.prepare(path, 0.05)


async def test_row_47_the_open_sessions_of_an_older_release_go_on_and_its_keys_are_known(
    path: Path,
) -> None:
    write_schema_1(path)
    pool = ScriptedPool()
    config = OrchestratorConfig(store_path=path)
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    lines = await orchestrator.sessions(9, None, None)
    ended = [await orchestrator.wait(line.session_id) for line in lines]
    known = await orchestrator.open(FIRST, "key-1")
    await orchestrator.close()
    assert [(s.query, s.stage, s.error_code) for s in ended] == [
        ("Does it wait and is cancelled?", "error", "cancelled"),
        ("Does it wait for an opinion?", "complete", None),
        ("Does it stay in the reviews?", "complete", None),
        ("One with a bad seat?", "complete", None),
        ("A whole one?", "complete", None),
    ]
    assert known == ended[-1]
    asked = sorted((stage_of_call(call), seat_of_call(call)) for call in pool.agent.calls)
    assert asked == [
        ("opinions", "agent_3"),
        *(("review", f"agent_{n}") for n in (1, 2, 2, 3, 3)),
        *[("synthesis", "chairman")] * 2,
    ]
