"""The cache of answers on disk: what is found, for how long, how much of it, and that it harms
nobody whatever becomes of its file."""

import logging
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from actors.errors import StoreUnavailable
from actors.messages.calls import Generated
from actors.store import answers
from actors.store.answer_file import AnswerFile, Bounds, OddFile, wipe
from actors.store.answers import AnswerCache
from tests.fake_hosts import answer, until

BOUNDS = Bounds(ttl_s=100.0)
SAID = answer("Because of Rayleigh.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "answers.db"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(
    path: Path, bounds: Bounds = BOUNDS, clock: Callable[[], float] | None = None
) -> AsyncIterator[AnswerCache]:
    cache = AnswerCache(path, bounds, clock or Clock())
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()


def bytes_of(path: Path) -> bytes:
    """All that is on disk of the cache, logs beside the file too."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def break_pages(path: Path) -> None:
    """All but the first, with nothing in the log that could stand for them."""
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def names(path: Path) -> set[str]:
    """Of the files that are there for the cache."""
    return {file.name for file in path.parent.iterdir()}


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_what_was_kept_is_found_at_once_and_in_another_process(path: Path) -> None:
    async with opened(path) as cache:
        assert await cache.find("k", "s") is None
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "t") == SAID
        assert await cache.find("other", "t") is None
    async with opened(path) as cache:
        assert await cache.find("k", "t") == SAID


async def test_thoughts_are_not_kept(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID.model_copy(update={"thinking": "hm-4711"}))
        assert await cache.find("k", "s") == SAID
        assert b"hm-4711" not in bytes_of(path)


async def test_only_the_owner_may_read(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) >= {"answers.db", "answers.db-wal"}
    assert set(modes.values()) == {0o600}


async def test_an_answer_lasts_as_long_as_it_may_and_no_longer_by_being_used(path: Path) -> None:
    clock = Clock()
    async with opened(path, clock=clock) as cache:
        cache.keep("k", "s", SAID)
        for clock.now in (1_050.0, 1_099.0):
            assert await cache.find("k", "s") == SAID
        clock.now = 1_100.0
        assert await cache.find("k", "s") is None
    assert rows(path, "answers") == rows(path, "uses") == 0


async def test_what_is_too_old_leaves_the_disk_though_nobody_looks_for_it(path: Path) -> None:
    async with opened(path, Bounds(0.2), time.time) as cache:
        for key in "ab":
            cache.keep(key, "s", SAID)
        await until(lambda: b"Rayleigh" in bytes_of(path))
        await until(lambda: b"Rayleigh" not in bytes_of(path))
        assert rows(path, "answers") == 0
        cache.keep("c", "s", SAID)
        await until(lambda: b"Rayleigh" in bytes_of(path))
        await until(lambda: b"Rayleigh" not in bytes_of(path))


async def test_what_became_too_old_while_no_council_ran_is_gone_once_one_does(path: Path) -> None:
    clock = Clock()
    async with opened(path, clock=clock) as cache:
        cache.keep("k", "s", SAID)
    assert b"Rayleigh" in bytes_of(path)
    clock.now += 100
    async with opened(path, clock=clock):
        assert b"Rayleigh" not in bytes_of(path)


async def test_an_answer_of_the_future_is_none(path: Path) -> None:
    """A clock that jumped back must not keep it for ever."""
    clock = Clock()
    async with opened(path, clock=clock) as cache:
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s") == SAID
        clock.now = 0.0
        assert await cache.find("k", "s") is None


async def test_a_newer_answer_takes_the_place_of_the_older_one(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
        cache.keep("k", "t", answer("Newer."))
        assert await cache.find("k", "u") == answer("Newer.")
    assert rows(path, "answers") == 1


async def test_the_one_used_longest_ago_makes_room(path: Path) -> None:
    async with opened(path, Bounds(100.0, answers=2)) as cache:
        cache.keep("a", "s", SAID)
        cache.keep("b", "s", SAID)
        assert await cache.find("a", "s")
        cache.keep("c", "s", SAID)
        found = {key: bool(await cache.find(key, "s")) for key in "abc"}
    assert found == {"a": True, "b": False, "c": True}


async def test_bytes_are_bounded_with_what_each_use_adds(path: Path) -> None:
    """One answer that very many sessions are given goes in the end, and is asked for anew."""
    big = answer("x" * 1_000)
    async with opened(path, Bounds(100.0, bytes=4_000)) as cache:
        for key in "abcde":
            cache.keep(key, "s", big)
        assert await cache.find("a", "s") is None
        assert await cache.find("e", "s")
        given = [bool(await cache.find("e", f"session {n}")) for n in range(60)]
        assert given[0] and not given[-1]
        cache.keep("f", "s", answer("y" * 5_000))
        assert await cache.find("f", "s") is None, "too big by itself"


async def test_a_session_that_is_forgotten_leaves_no_word_behind(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("made", "s", answer("forget-me-1"))
        cache.keep("given", "t", answer("forget-me-2"))
        cache.keep("other", "t", answer("keep-me"))
        assert await cache.find("given", "s")
        await cache.forget("s")
        assert await cache.find("made", "t") is None
        assert await cache.find("given", "t") is None
        assert await cache.find("other", "t")
        left = bytes_of(path)
    assert b"forget-me" not in left and b"keep-me" in left


async def test_without_a_time_there_is_no_cache_and_an_older_one_is_removed(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
    assert names(path) == {path.name}
    async with opened(path, Bounds(ttl_s=0.0)) as cache:
        assert not names(path)
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s") is None
        await cache.forget("s")
    assert not names(path)


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")


def of_a_newer_release(path: Path) -> None:
    AnswerFile(path, BOUNDS).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def no_database(path: Path) -> None:
    path.write_bytes(b"not SQLite at all, " * 500)


def with_a_broken_page(path: Path) -> None:
    file = AnswerFile(path, BOUNDS)
    for n in range(50):
        file.keep(f"key {n}", "s", "x" * 2_000, 1_000.0)
    file.close()
    content = bytearray(path.read_bytes())
    content[4096 : 4 * 4096] = b"\xff" * (3 * 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil", [of_another_program, of_a_newer_release, no_database, with_a_broken_page]
)
async def test_a_file_that_cannot_be_used_is_begun_anew_with_one_line(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    path.parent.mkdir()
    spoil(path)
    with pytest.raises((sqlite3.DatabaseError, OddFile)):
        AnswerFile(path, BOUNDS)
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s") == SAID
    assert [record.message.count("begun anew") for record in caplog.records] == [1]


async def test_a_file_that_breaks_while_it_is_open_costs_an_answer_and_no_more(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as cache:
        for n in range(50):
            cache.keep(f"key {n}", "s", answer("x" * 100_000))  # more than SQLite remembers
        await cache.forget("nobody")  # brings the log into the file
        break_pages(path)
        found = [await cache.find(f"key {n}", "s") for n in range(50)]
        assert None in found
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s") == SAID
    assert len(caplog.records) == 1 and "begun anew" in caplog.text


async def test_a_folder_that_cannot_be_written_is_told_once_and_nobody_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    async with opened(tmp_path / "home" / "answers.db") as cache:
        for _ in range(3):
            cache.keep("k", "s", SAID)
            assert await cache.find("k", "s") is None
    assert len(caplog.records) == 1 and "no answer is kept" in caplog.text


async def test_a_lock_of_another_process_is_a_miss_and_the_file_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.store.answer_file.LOCK_WAIT_S", 0.01)
    monkeypatch.setattr(answers, "PAUSE_S", 0.0)
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s") == SAID
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await cache.find("k", "s") is None
            other.execute("ROLLBACK")
        assert await cache.find("k", "s") == SAID


async def test_a_disk_that_hangs_is_waited_for_a_moment_only(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s") == SAID
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(answers, "PATIENCE_S", 0.05)
            assert await cache.find("k", "s") is None
            cache.keep("other", "s", SAID)  # while it rests nothing is given to it
            assert await cache.find("k", "s") is None
            other.execute("ROLLBACK")
    assert rows(path, "answers") == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "slow" in caplog.text


async def test_a_session_that_cannot_be_found_out_takes_all_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", answer("forget-me"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM answers").fetchall()  # the log cannot be emptied
            monkeypatch.setattr("actors.store.answer_file.LOCK_WAIT_S", 0.01)
            await cache.close()
            cache = AnswerCache(path, BOUNDS, Clock())
            await cache.forget("s")
        assert path.name not in names(path)
        assert await cache.find("k", "s") is None
        await cache.close()
    assert "is removed" in caplog.text


async def test_a_purge_is_refused_where_words_may_be_left(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
        assert await cache.find("k", "s")

        def refuse(_: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("actors.store.answers.wipe", refuse)
            patch.setattr(AnswerFile, "forget", lambda self, session_id: refuse(path))
            with pytest.raises(StoreUnavailable, match=r"answers\.db"):
                await cache.forget("s")
        await cache.forget("s")
        assert await cache.find("k", "s") is None


async def test_an_answer_of_another_releases_shape_is_not_used(path: Path) -> None:
    async with opened(path) as cache:
        cache.keep("k", "s", SAID)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute('UPDATE answers SET body = \'{"kind": "generated", "words": 1}\'')
    async with opened(path) as cache:
        assert await cache.find("k", "s") is None


async def test_after_the_end_nothing_is_found_or_kept_and_nobody_fails(path: Path) -> None:
    async with opened(path) as cache:
        pass
    cache.keep("k", "s", SAID)
    assert await cache.find("k", "s") is None
    with pytest.raises(StoreUnavailable):
        await cache.forget("s")


def test_wiping_removes_what_sqlite_keeps_beside_the_file(path: Path) -> None:
    path.parent.mkdir()
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).touch()
    neighbour = path.with_name("sessions.db")
    neighbour.touch()
    wipe(path)
    assert list(path.parent.iterdir()) == [neighbour]


def test_what_is_kept_can_be_read_back() -> None:
    assert Generated.model_validate_json(SAID.model_dump_json()) == SAID
