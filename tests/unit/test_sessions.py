"""The session store, on a real SQLite file: order, durability, idempotency, history, refusals."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from actors.errors import (
    IdempotencyKeyReused,
    SessionFinished,
    SessionNotFound,
    SessionRunning,
    StoreUnavailable,
    Superseded,
)
from actors.messages.events import NoticeGiven
from actors.messages.requests import AgentSpec, CouncilRequest, ModelOptions, Try
from actors.store import session_file
from actors.store.idempotency import TRIES_WITHIN, Idempotency
from actors.store.session_writer import Writer
from actors.store.sessions import SessionStore
from tests.session_events import T0, Summaries, closed, notice, opinion, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SessionStore]:
    made = SessionStore(path, Summaries(), lock_wait_s=0.05)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def patient(path: Path) -> AsyncIterator[SessionStore]:
    """A store that waits for a lock as long as it takes."""
    made = SessionStore(path, Summaries(), lock_wait_s=60)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Every connection that is made from here on; the writer's is the last."""
    made: list[sqlite3.Connection] = []
    connect = session_file.connect

    def remembering(path: Path, lock_wait_s: float, *mode: str) -> sqlite3.Connection:
        made.append(connect(path, lock_wait_s, *mode))
        return made[-1]

    monkeypatch.setattr(session_file, "connect", remembering)
    return made


@pytest.fixture
def other(path: Path) -> Iterator[Callable[[], sqlite3.Connection]]:
    """Another program that has the file open."""
    made: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        made.append(sqlite3.connect(path, isolation_level=None))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


@asynccontextmanager
async def held(other: sqlite3.Connection) -> AsyncIterator[None]:
    """Another program holds the write lock, so all that is asked in the body waits together."""
    other.execute("BEGIN IMMEDIATE")
    yield
    await asyncio.sleep(0)  # the tasks of the body take their first step: they ask
    other.execute("ROLLBACK")


async def test_events_come_back_as_they_went_in_numbered_from_one(store: SessionStore) -> None:
    first = started("Pourquoi « ça » ? 😀\n\"'; DROP TABLE events; --")
    created = await store.create(first)
    assert (created.session_id, created.existing) == (first.session_id, False)
    text = 'é\t\x00\u2028</script>"\\'
    put = await store.append(
        first.session_id, [notice(first.session_id), opinion(first.session_id, text)]
    )
    assert [event.seq for event in put] == [2, 3]
    assert await store.events(first.session_id) == [first.model_copy(update={"seq": 1}), *put]
    assert await store.events(first.session_id, after=2) == put[1:]
    assert await store.events(first.session_id, after=3) == []


async def test_a_session_that_is_not_there(store: SessionStore) -> None:
    for name in ("nobody", "' OR 1=1 --", "../../etc/passwd"):
        with pytest.raises(SessionNotFound):
            await store.events(name)
        with pytest.raises(SessionNotFound):
            await store.events(name, after=7)
        with pytest.raises(SessionNotFound):
            await store.append(name, [notice(name)])
        with pytest.raises(SessionNotFound):
            await store.delete(name)


async def test_nothing_follows_the_closing_event(store: SessionStore) -> None:
    name = (await store.create(started())).session_id
    await store.append(name, [notice(name), closed(name)])
    for late in ([notice(name)], [closed(name)], []):
        with pytest.raises(SessionFinished):
            await store.append(name, late)
    assert len(await store.events(name)) == 3


async def test_what_cannot_be_stored_is_its_callers_alone(
    patient: SessionStore, other: Callable[[], sqlite3.Connection]
) -> None:
    """All of these are in one transaction; the good ones are stored, the bad ones leave nothing."""
    good, bad = started(), started()
    await patient.create(good)
    await patient.create(bad)
    async with held(other()):
        asked = [
            asyncio.create_task(patient.append(name, events))
            for name, events in (
                (good.session_id, [notice(good.session_id)]),
                (bad.session_id, [notice(good.session_id)]),
                (bad.session_id, [notice(bad.session_id), opinion(bad.session_id, "\ud800")]),
                (bad.session_id, [closed(bad.session_id), notice(bad.session_id)]),
                ("nobody", [notice("nobody")]),
                (good.session_id, [notice(good.session_id)]),
            )
        ]
        asked.append(asyncio.create_task(patient.create(bad)))  # type: ignore[arg-type]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result).__name__ for result in results] == [
        "list",
        "ValueError",
        "PydanticSerializationError",
        "ValueError",
        "SessionNotFound",
        "list",
        "ValueError",
    ]
    assert [event.seq for event in await patient.events(good.session_id)] == [1, 2, 3]
    assert len(await patient.events(bad.session_id)) == 1


async def test_all_that_waits_goes_into_one_transaction(
    connections: list[sqlite3.Connection],
    patient: SessionStore,
    other: Callable[[], sqlite3.Connection],
) -> None:
    names = [(await patient.create(started())).session_id for _ in range(20)]
    commits: list[str] = []
    connections[-1].set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    async with held(other()):
        asked = [
            asyncio.create_task(patient.append(name, [notice(name), notice(name)]))
            for name in names
            for _ in range(5)
        ]
    await asyncio.gather(*asked)
    assert len(commits) == 1
    for name in names:
        assert [event.seq for event in await patient.events(name)] == list(range(1, 12))


async def test_an_error_of_sqlites_leaves_nothing_of_the_group_and_the_next_one_works(
    store: SessionStore, path: Path, other: Callable[[], sqlite3.Connection]
) -> None:
    name = (await store.create(started())).session_id
    writer = Writer(path, lock_wait_s=60, epoch=1)
    async with held(other()):
        asked = [
            asyncio.create_task(writer.write(lambda db, sql=sql: db.execute(sql).rowcount))
            for sql in (
                "UPDATE sessions SET closed = 1",
                "INSERT INTO sessions SELECT * FROM sessions",
            )
        ]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 2
    assert await store.open_sessions() == [name]
    assert await writer.write(lambda db: db.execute("UPDATE sessions SET closed = 1").rowcount) == 1
    await writer.close()
    assert await store.open_sessions() == []


async def test_no_gap_and_no_repeat_however_many_write(store: SessionStore) -> None:
    names = [(await store.create(started())).session_id for _ in range(4)]

    async def write(name: str, which: int) -> list[int]:
        return [
            event.seq
            for n in range(5)
            for event in await store.append(name, [notice(name, f"{which}.{n}")])
        ]

    given = await asyncio.gather(*(write(name, n) for name in names for n in range(8)))
    assert all(numbers == sorted(numbers) for numbers in given)
    for name in names:
        events = await store.events(name)
        assert [event.seq for event in events] == list(range(1, 42))
        assert len({event.detail for event in events[1:] if isinstance(event, NoticeGiven)}) == 40


async def test_reads_do_not_wait_for_a_write(
    store: SessionStore, other: Callable[[], sqlite3.Connection]
) -> None:
    name = (await store.create(started())).session_id
    writer = other()
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE sessions SET closed = 1")
    assert len(await store.events(name)) == 1
    assert await store.open_sessions() == [name]
    assert len(await store.page(9)) == 1
    writer.execute("ROLLBACK")


async def test_everything_is_there_after_a_close(path: Path) -> None:
    for turn in range(3):
        store = SessionStore(path, Summaries())
        await store.open()
        assert len(await store.page(9)) == turn
        asked = asyncio.create_task(store.create(started(minutes=turn)))
        await asyncio.sleep(0)
        await store.close()
        await store.close()
        assert not (await asked).existing
    assert not path.with_name("sessions.db-wal").exists()


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    store = SessionStore(path, Summaries())
    with pytest.raises(StoreUnavailable):
        await store.create(started())
    with pytest.raises(StoreUnavailable):
        await store.page(1)
    assert not await store.writable()


async def test_open_sessions_are_those_to_resume_oldest_first(store: SessionStore) -> None:
    names = [(await store.create(started(minutes=-n))).session_id for n in range(4)]
    await store.append(names[1], [closed(names[1])])
    assert await store.open_sessions() == [names[3], names[2], names[0]]


async def test_a_hundred_times_the_same_key_and_body_is_one_session(store: SessionStore) -> None:
    key = Idempotency.of("key", CouncilRequest(query="Why?"))
    created = await asyncio.gather(*(store.create(started(), key) for _ in range(100)))
    assert len({one.session_id for one in created}) == 1
    assert [one.existing for one in created].count(False) == 1
    assert len(await store.page(200)) == 1


async def test_a_key_with_another_body_is_refused_even_at_once(store: SessionStore) -> None:
    keys = [Idempotency.of("key", CouncilRequest(query=f"Why {n % 2}?")) for n in range(20)]
    results = await asyncio.gather(
        *(store.create(started(), key) for key in keys), return_exceptions=True
    )
    assert [isinstance(result, IdempotencyKeyReused) for result in results] == [
        n % 2 == 1 for n in range(20)
    ]
    assert len(await store.page(200)) == 1


async def test_a_key_is_remembered_across_a_restart_and_forgotten_with_its_session(
    path: Path,
) -> None:
    key = Idempotency.of("key", CouncilRequest(query="Why?"))
    store = SessionStore(path, Summaries())
    await store.open()
    name = (await store.create(started(), key)).session_id
    await store.close()
    store = SessionStore(path, Summaries())
    await store.open()
    again = await store.create(started(), key)
    assert (again.session_id, again.existing) == (name, True)
    await store.append(name, [closed(name)])
    await store.delete(name)
    assert not (await store.create(started(), key)).existing
    await store.close()


def test_the_hash_is_of_what_was_asked_not_of_how_it_was_written() -> None:
    spelled = CouncilRequest(
        query="Why?", selected_agents=(AgentSpec(model="m", options=ModelOptions()),)
    )
    short = CouncilRequest.model_validate_json('{"selected_agents":[{"model":"m"}],"query":"Why?"}')
    assert Idempotency.of("k", spelled) == Idempotency.of("k", short)
    assert Idempotency.of("k", spelled) != Idempotency.of("k", CouncilRequest(query="Why?"))


async def test_a_key_leads_to_the_session_that_it_began(store: SessionStore) -> None:
    key = Idempotency.of("key", CouncilRequest(query="Why?"))
    assert await store.find(key) is None
    name = (await store.create(started(), key)).session_id
    assert await store.find(key) == name
    assert await store.find(Idempotency.of("other", CouncilRequest(query="Why?"))) is None
    with pytest.raises(IdempotencyKeyReused):
        await store.find(Idempotency.of("key", CouncilRequest(query="Who?")))


async def test_a_retry_means_the_try_before_it_and_a_first_try_none(path: Path) -> None:
    """Also after a crash, which is what most retries come of."""
    at = started().at
    first, retry = (Idempotency.of_try(Try(mark="m", again=a), at) for a in (False, True))
    store = SessionStore(path, Summaries())
    await store.open()
    old = await store.create(started(), first)
    anew = await store.create(started(), first)
    await store.close()
    store = SessionStore(path, Summaries())
    await store.open()
    assert not anew.existing and old.session_id != anew.session_id
    assert await store.find(retry) == anew.session_id
    assert await store.find(first) is None
    assert (await store.create(started(), retry)).session_id == anew.session_id
    assert await store.find(Idempotency.of_try(Try(mark="n", again=True), at)) is None
    late = Idempotency.of_try(Try(mark="m", again=True), at + TRIES_WITHIN + timedelta(seconds=1))
    assert not (await store.create(started(), late)).existing
    await store.close()


async def test_row_46_who_opened_the_file_last_writes_and_the_other_writes_nothing(
    path: Path,
) -> None:
    old, new = SessionStore(path, Summaries()), SessionStore(path, Summaries())
    before = await old.open()
    name, ended = [(await old.create(started())).session_id for _ in range(2)]
    await old.append(ended, [closed(ended)])
    assert await new.open() == before + 1
    refused = await asyncio.gather(
        old.create(started()),
        old.append(name, [notice(name)]),
        old.append(name, [closed(name)]),
        old.delete(ended),
        return_exceptions=True,
    )
    assert [type(result) for result in refused] == [Superseded] * 4
    assert len({id(error) for error in refused}) == 4
    assert not await old.writable()
    assert [len(await new.events(one)) for one in (name, ended)] == [1, 2]
    assert len(await old.page(9)) == 2, "it may still be read"
    assert [event.seq for event in await new.append(name, [notice(name)])] == [2]
    assert await new.writable()
    await old.close()
    assert [event.seq for event in await new.append(name, [closed(name)])] == [3]
    await new.close()


async def test_row_46_what_waited_while_the_file_was_taken_over_is_refused(
    patient: SessionStore, path: Path, other: Callable[[], sqlite3.Connection]
) -> None:
    """The check is inside the transaction: an append that was asked before comes after."""
    name = (await patient.create(started())).session_id
    taker = other()
    taker.execute("BEGIN IMMEDIATE")
    asked = [asyncio.create_task(patient.append(name, [notice(name)])) for _ in range(5)]
    await asyncio.sleep(0)
    taker.execute("UPDATE keeper SET epoch = epoch + 1")
    taker.execute("COMMIT")
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in results] == [Superseded] * 5
    assert len(await patient.events(name)) == 1


async def test_a_page_is_newest_first_and_goes_on_where_it_ended(store: SessionStore) -> None:
    for n in (3, 1, 4, 0, 2):
        await store.create(started(f"q{n}", minutes=n))
    first = await store.page(2)
    assert [line.query for line in first] == ["q4", "q3"]
    second = await store.page(2, before=first[-1].created_at)
    assert [line.query for line in second] == ["q2", "q1"]
    elsewhere = second[-1].created_at.astimezone(timezone(timedelta(hours=9)))
    assert [line.query for line in await store.page(2, before=elsewhere)] == ["q0"]
    assert await store.page(2, before=T0) == ()


async def test_search_finds_questions_and_answers_and_nothing_else(store: SessionStore) -> None:
    asked = (await store.create(started("Pourquoi le CIEL est-il bleu ?", 1))).session_id
    answered = (await store.create(started("x", 2))).session_id
    await store.append(
        answered, [opinion(answered, 'Über 100% "blau"\n_ja_ Straße'), notice(answered, "hidden")]
    )

    async def found(q: str) -> list[str]:
        return [line.session_id for line in await store.page(9, q=q)]

    for q in ("ciel", "bleu ?", "POURQUOI"):
        assert await found(q) == [asked], q
    for q in ("über", "100%", '"blau"\n', "_JA_", "STRASSE"):
        assert await found(q) == [answered], q
    for q in ("hidden", "agent_1", "content", "%", "_", "x_"):
        assert await found(q) == ([answered] if q in ("%", "_") else []), q
    assert await found("") == [answered, asked]
    assert [line.session_id for line in await store.page(9, before=T0, q="ciel")] == []


async def test_a_line_is_computed_once_until_its_session_grows(path: Path) -> None:
    summaries = Summaries()
    store = SessionStore(path, summaries)
    await store.open()
    name = (await store.create(started())).session_id
    for _ in range(3):
        assert [line.total_tokens for line in await store.page(9)] == [1]
    assert summaries.calls == 1
    await store.append(name, [notice(name), closed(name)])
    assert [line.total_tokens for line in await store.page(9)] == [3]
    assert summaries.calls == 2
    await store.close()


async def test_only_a_closed_session_is_purged_and_then_it_is_gone_from_the_file(
    path: Path,
) -> None:
    store = SessionStore(path, Summaries())
    await store.open()
    kept = (await store.create(started("kept"))).session_id
    name = (await store.create(started("forget-me-4711"))).session_id
    with pytest.raises(SessionRunning):
        await store.delete(name)
    await store.append(name, [closed(name)])
    await store.delete(name)
    with pytest.raises(SessionNotFound):
        await store.events(name)
    assert [line.session_id for line in await store.page(9)] == [kept]
    await store.close()
    left = bytes_of(path)
    assert b"forget-me-4711" not in left
    assert b"kept" in left


async def test_only_the_owner_may_read(path: Path, store: SessionStore) -> None:
    await store.create(started())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


@pytest.mark.parametrize(
    ("ill", "well", "says"),
    [
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF", "may not be written"),
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 100000", "disk is full"),
    ],
)
async def test_a_disk_that_cannot_be_written_acknowledges_nothing_and_heals(
    path: Path, connections: list[sqlite3.Connection], ill: str, well: str, says: str
) -> None:
    """SQLite's own errors: a read-only file, and a file that cannot grow."""
    store = SessionStore(path, Summaries())
    await store.open()
    name = (await store.create(started())).session_id
    connections[-1].execute(ill)
    big = [opinion(name, "x" * 20_000)]
    results = await asyncio.gather(
        *(store.append(name, big) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, StoreUnavailable) and says in str(result) for result in results)
    assert len(await store.events(name)) == 1
    connections[-1].execute(well)
    assert [event.seq for event in await store.append(name, big)] == [2]
    assert await store.writable()
    await store.close()


async def test_a_lock_is_waited_for_once_and_then_refused(
    connections: list[sqlite3.Connection],
    store: SessionStore,
    other: Callable[[], sqlite3.Connection],
) -> None:
    """Thirty that wait behind a lock are refused together, not one lock wait after the other."""
    name = (await store.create(started())).session_id
    assert await store.writable()
    tries: list[str] = []
    connections[-1].set_trace_callback(lambda sql: tries.append(sql) if "BEGIN" in sql else None)
    holder = other()
    holder.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(
        *(store.append(name, [notice(name)]) for _ in range(30)), return_exceptions=True
    )
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert "locked" in str(results[0])
    assert len(tries) == 1
    assert not await store.writable()
    holder.execute("ROLLBACK")
    assert [event.seq for event in await store.append(name, [notice(name)])] == [2]
