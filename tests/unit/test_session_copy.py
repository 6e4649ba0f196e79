"""A copy of the sessions: of one moment, also beside one who writes; and put back (row 28)."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from actors.errors import StoreUnavailable
from actors.store import session_copy, session_file
from actors.store.session_contents import Contents, contents
from actors.store.session_copy import copy, put_back
from actors.store.sessions import SessionStore
from tests.session_events import Summaries, closed, notice, started, write_schema_1

WAIT_S = 0.05


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SessionStore]:
    made = SessionStore(path, Summaries(), lock_wait_s=WAIT_S)
    await made.open()
    yield made
    await made.close()


def events_in(path: Path) -> list[tuple[str, int, str]]:
    """All events in the order in which they were stored."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(
            "SELECT session_id, seq, body FROM events ORDER BY rowid"
        ).fetchall()


def files(folder: Path) -> dict[str, bytes]:
    """What is kept in a folder; SQLite's shared memory is nothing that is kept."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith("-shm")}


def spoil(path: Path) -> None:
    """A page in the middle."""
    data = path.read_bytes()
    path.write_bytes(data[: 3 * 4096] + b"\xa5" * 4096 + data[4 * 4096 :])


async def test_a_copy_made_while_a_writer_writes_is_what_was_stored_at_one_moment(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    """The writer goes on until the copy is made, so that events come during it and after it."""
    target = tmp_path / "copy"
    sessions = [(await store.create(started("x" * 500))).session_id for _ in range(9)]
    stored = [(name, 1) for name in sessions]
    for turn in range(600):
        name = sessions[turn * 7 % 9]
        [event] = await store.append(name, [notice(name, "y" * 900)])
        stored.append((name, event.seq))
    before = len(stored)
    copying = asyncio.create_task(asyncio.to_thread(copy, path, target, WAIT_S))
    turn = 0
    while not copying.done() or turn < 20:
        name = sessions[turn * 5 % 9]
        [event] = await store.append(name, [notice(name, "z" * 900)])
        stored.append((name, event.seq))
        turn += 1
    found = await copying
    copied = [(name, seq) for name, seq, _ in events_in(target)]
    assert before <= len(copied) < len(stored)
    assert sorted(copied) == sorted(stored[: len(copied)])
    assert (found.sessions, found.open_sessions) == (9, 9)
    assert await store.writable()


async def test_a_copy_leaves_the_file_its_log_and_its_writer_as_they_were(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    for _ in range(20):
        await store.create(started())
    before = files(path.parent)
    copy(path, tmp_path / "copy", WAIT_S)
    assert files(path.parent) == before
    await store.create(started())  # its epoch is still the file's


async def test_a_copy_waits_for_no_one_who_holds_the_lock_to_write(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    with closing(session_file.connect(path, 0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE health SET checked_at = 'x'")
        copy(path, tmp_path / "copy", 0)
        writer.execute("COMMIT")


async def test_what_a_kill_left_in_the_log_is_in_the_copy(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    for _ in range(3):
        await store.create(started())
    left = tmp_path / "left"
    left.mkdir()
    for name in ("sessions.db", "sessions.db-wal"):
        shutil.copy(path.with_name(name), left / name)
    before = files(left)
    assert copy(left / "sessions.db", tmp_path / "copy", WAIT_S).sessions == 3
    assert files(left) == before


async def test_a_copy_is_for_its_owner_alone_and_whole_in_one_file(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    name = (await store.create(started("Why?"))).session_id
    await store.append(name, [closed(name)])
    await store.create(started("Where?"))
    folder = tmp_path / "copies"
    folder.mkdir()
    mask = os.umask(0)
    try:
        found = copy(path, folder / "one", WAIT_S)
    finally:
        os.umask(mask)
    assert [p.name for p in folder.iterdir()] == ["one"]
    assert (folder / "one").stat().st_mode & 0o777 == 0o600
    size = (folder / "one").stat().st_size
    assert found == Contents(2, 1, 2, 1, size, 0)
    assert events_in(folder / "one") == events_in(path)


async def test_a_file_of_an_older_release_is_copied_as_it_is(path: Path, tmp_path: Path) -> None:
    write_schema_1(path)
    found = copy(path, tmp_path / "copy", WAIT_S)
    assert (found.schema, found.epoch, found.sessions) == (1, None, 5)
    assert events_in(tmp_path / "copy") == events_in(path)


async def test_a_copy_that_fails_leaves_what_was_there_and_nothing_else(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    """The page in the middle is damaged: it is found before a byte is written."""
    for _ in range(50):
        await store.create(started("x" * 500))
    await store.close()
    spoil(path)
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "one").write_text("before")
    with pytest.raises(StoreUnavailable, match="damaged"):
        copy(path, folder / "one", WAIT_S)
    assert files(folder) == {"one": b"before"}


async def test_a_copy_that_is_not_whole_does_not_take_the_place_of_one_that_is(
    path: Path, store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a bad disk would do it: the draft is spoilt before it is checked."""
    for _ in range(50):
        await store.create(started("x" * 500))

    def checked(which: Path, lock_wait_s: float) -> Contents:
        if which != path:
            spoil(which)
        return contents(which, lock_wait_s)

    monkeypatch.setattr(session_copy, "contents", checked)
    target = tmp_path / "copies" / "one"
    target.parent.mkdir()
    target.write_text("before")
    with pytest.raises(StoreUnavailable):
        copy(path, target, WAIT_S)
    assert files(target.parent) == {"one": b"before"}


async def test_no_folder_no_copy(path: Path, store: SessionStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written: No such file"):
        copy(path, tmp_path / "nowhere" / "copy", WAIT_S)


async def test_what_is_put_back_is_what_was_copied_and_what_was_there_is_kept_with_its_log(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    first = (await store.create(started("first"))).session_id
    copy(path, tmp_path / "copy", WAIT_S)
    for _ in range(5):
        await store.create(started("later"))
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("sessions.db", "sessions.db-wal"):
        shutil.copy(path.with_name(name), killed / name)
    later, aside = killed / "sessions.db", killed / "sessions.db.aside"
    before = files(killed)
    put_back(tmp_path / "copy", later, aside, WAIT_S)
    after = files(killed)
    assert set(after) == {"sessions.db", "sessions.db.aside", "sessions.db.aside-wal"}
    assert after["sessions.db.aside"] == before["sessions.db"]
    assert after["sessions.db.aside-wal"] == before["sessions.db-wal"]
    assert events_in(later) == events_in(tmp_path / "copy")
    assert later.stat().st_mode & 0o777 == 0o600
    again = SessionStore(later, Summaries(), lock_wait_s=WAIT_S)
    await again.open()
    assert await again.open_sessions() == [first]
    await again.close()
    assert contents(aside, WAIT_S).sessions == 6


async def test_a_damaged_file_is_replaced_and_kept(
    path: Path, store: SessionStore, tmp_path: Path
) -> None:
    for _ in range(50):
        await store.create(started("x" * 500))
    await store.close()
    copy(path, tmp_path / "copy", WAIT_S)
    spoil(path)
    spoilt = files(path.parent)["sessions.db"]
    put_back(tmp_path / "copy", path, path.with_name("aside"), WAIT_S)
    assert contents(path, WAIT_S).sessions == 50
    assert files(path.parent)["aside"] == spoilt


@pytest.mark.parametrize("kind", ["garbage", "another", "newer", "empty"])
async def test_what_is_no_good_copy_is_not_put_back(
    path: Path, store: SessionStore, tmp_path: Path, kind: str
) -> None:
    await store.create(started())
    await store.close()
    bad = tmp_path / "bad"
    copy(path, bad, WAIT_S)
    if kind in ("garbage", "empty"):
        bad.write_bytes(b"\xa5" * 9000 if kind == "garbage" else b"")
    else:
        pragma = "user_version = 7" if kind == "newer" else "application_id = 7"
        with closing(sqlite3.connect(bad)) as connection:
            connection.execute(f"PRAGMA {pragma}")
    before = files(path.parent)
    said = {"garbage": "damaged", "another": "another program", "newer": "newer", "empty": "empty"}
    with pytest.raises(StoreUnavailable, match=said[kind]):
        put_back(bad, path, path.with_name("aside"), WAIT_S)
    assert files(path.parent) == before
