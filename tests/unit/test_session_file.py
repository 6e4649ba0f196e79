"""The file that sessions live in: what is refused and left as it is, and what is brought up to date
(faults.md, rows 28 and 47)."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors.chairman import ChairmanActor
from actors.errors import StoreUnavailable
from actors.messages.calls import GenerateCall
from actors.messages.configs import OrchestratorConfig
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.orchestrator import CouncilOrchestrator
from actors.store import session_file
from actors.store.session_log import is_damaged
from actors.store.sessions import SessionStore
from tests.scripted import ScriptedPool, plausible, seat_of_call, stage_of_call
from tests.session_events import Summaries, notice, started, write_schema_1

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
    """Opens, expects a refusal, and that not one byte of the file or its log was changed."""
    files = [path, path.with_name("sessions.db-wal")]
    before = [file.read_bytes() if file.exists() else b"" for file in files]
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as caught:
            session_file.prepare(path, 0.05)
    assert [file.read_bytes() if file.exists() else b"" for file in files] == before
    return str(caught.value)


def sessions_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
        return int(count)


def says_how_to_restore(says: str, path: Path) -> bool:
    return all(word in says for word in ("damaged", "./council restore", ".recover", str(path)))


@pytest.mark.parametrize("at", [0, 4096, 3 * 4096])
async def test_row_28_a_damaged_file_is_kept_and_the_way_out_is_said(
    path: Path, store: SessionStore, at: int
) -> None:
    """The header, a page of the index, a page in the middle."""
    for _ in range(50):
        await store.create(started("x" * 500))
    await store.close()
    rewrite(path, lambda data: spoil(data, at))
    assert says_how_to_restore(refused(path), path)


async def test_row_28_a_page_that_rots_while_the_store_is_open_is_told_and_not_a_bug(
    path: Path, store: SessionStore
) -> None:
    names = [(await store.create(started("x" * 500))).session_id for _ in range(50)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rewrite(path, lambda data: data[:4096] + b"\xa5" * (len(data) - 4096))
    asked = [store.events(names[7]), store.page(9), store.append(names[7], [notice(names[7])])]
    for refused in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(refused, StoreUnavailable)
        assert says_how_to_restore(str(refused), path)


async def killed(store: SessionStore, path: Path, into: Path) -> Path:
    """The file as a kill leaves it: fifty sessions in it, three in its log."""
    for _ in range(50):
        await store.create(started("x" * 500))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    for _ in range(3):
        await store.create(started("y" * 500))
    copy(path, into)
    return into / "sessions.db"


def copy(path: Path, into: Path) -> None:
    into.mkdir()
    for name in ("sessions.db", "sessions.db-wal"):
        shutil.copy(path.with_name(name), into / name)


async def test_row_28_a_damaged_file_with_a_log_is_kept_and_so_is_the_log(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    left = await killed(store, path, tmp_path / "left")
    rewrite(left, lambda data: spoil(data, 10 * 4096))
    assert says_how_to_restore(refused(left), left)


@pytest.mark.parametrize("spot", [0, 16, 200, 4300])
async def test_row_28_a_damaged_log_is_kept_and_nothing_of_it_is_dropped_in_silence(
    path: Path, store: SessionStore, tmp_path: Path, spot: int
) -> None:
    """Its magic, its salts, its first frame, its second: SQLite would drop three sessions."""
    left = await killed(store, path, tmp_path / "left")
    log = left.with_name("sessions.db-wal")
    whole = log.read_bytes()
    rewrite(log, lambda data: data[:spot] + bytes([data[spot] ^ 0xFF]) + data[spot + 1 :])
    assert says_how_to_restore(refused(left), left)
    log.write_bytes(whole)
    session_file.prepare(left, 0.05)
    assert sessions_in(left) == 53


async def test_row_28_garbage_in_place_of_the_log(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    left = await killed(store, path, tmp_path / "left")
    left.with_name("sessions.db-wal").write_bytes(b"\xa5" * 9000)
    assert says_how_to_restore(refused(left), left)


async def test_row_06_a_log_that_is_torn_at_its_end_is_what_a_crash_leaves(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    """The last commit was not acknowledged: it is dropped whole, wherever it was torn."""
    left = await killed(store, path, tmp_path / "left")
    whole, log = left.read_bytes(), left.with_name("sessions.db-wal").read_bytes()
    for cut in (*range(1, 4120, 103), len(log), len(log) - 32):
        left.write_bytes(whole)
        left.with_name("sessions.db-wal").write_bytes(log[:-cut] + bytes(min(cut, 7)))
        session_file.prepare(left, 0.05)
        expected = 52 if cut < 4120 else 50
        assert sessions_in(left) == expected


async def test_row_28_the_log_is_read_as_sqlite_reads_it(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    """A whole log is never called damaged, also where the rest of a log before it lies behind."""
    for turn in range(30):
        await store.create(started("x" * (turn * 997 % 5000 + 1)))
        if turn % 7 == 6:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(RESTART)")
        assert not is_damaged(path.with_name("sessions.db-wal").read_bytes())


async def test_row_28_a_cut_file_is_damaged_too(path: Path, store: SessionStore) -> None:
    await store.create(started("x" * 50_000))
    await store.close()
    rewrite(path, lambda data: data[:-8192])
    assert says_how_to_restore(refused(path), path)


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


async def test_row_47_what_was_stored_before_there_were_codes_is_told_in_english(
    path: Path,
) -> None:
    """Reviews had no `rejections`, and notices no `values`."""

    def script(call: GenerateCall) -> str:
        said = {"opinions": "word " * 3000, "review": "I like them all."}
        return said.get(stage_of_call(call)) or str(plausible(call))

    config = OrchestratorConfig(store_path=path)
    pool = ScriptedPool(script=script, num_ctx=2048)
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    opened = await orchestrator.open(FIRST)
    told = await orchestrator.wait(opened.session_id)
    await orchestrator.close()
    assert {reason.code for review in told.reviews for reason in review.rejections} == {"no_ballot"}
    assert any(notice.values for notice in told.notices)

    taken_out = "json_remove(body, '$.rejections', '$.values')"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE events SET body = {taken_out}")
    orchestrator = CouncilOrchestrator(config, lambda: pool, ChairmanActor())
    older = await orchestrator.session(opened.session_id)
    await orchestrator.close()
    assert [review.rejected for review in older.reviews] == [r.rejected for r in told.reviews]
    assert not any(review.rejections for review in older.reviews)
    assert [notice.detail for notice in older.notices] == [n.detail for n in told.notices]
    assert not any(notice.values for notice in older.notices)
