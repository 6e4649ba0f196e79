"""A running session's record: committed first, told in order, paused when the store is away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from actors.council.session import Session, begin
from actors.errors import SessionFinished, StoreUnavailable
from actors.messages.calls import Delta
from actors.messages.events import AgentStarted, LiveEvent, NoticeGiven, StoredEvent
from actors.sessions import record as record_module
from actors.sessions.record import Record
from tests.unit.test_deliberation import started

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Store:
    """Counts and keeps; `trouble` is raised first, one a commit; `gate` holds commits up."""

    def __init__(self, *trouble: Exception) -> None:
        self.trouble = list(trouble)
        self.kept: list[StoredEvent] = []
        self.commits = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, session_id: str, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        await self.gate.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        self.commits += 1
        first = len(self.kept) + 2
        stored = [e.model_copy(update={"seq": first + n}) for n, e in enumerate(events)]
        self.kept += stored
        return stored


def notice(code: str) -> NoticeGiven:
    return NoticeGiven(session_id="s", at=AT, code=code, detail="", degrades=True)


def start(agent_id: str) -> AgentStarted:
    return AgentStarted(session_id="s", at=AT, agent_id=agent_id, stage="opinions", node="pc1")


async def told(record: Record) -> list[StoredEvent | LiveEvent]:
    """What readers were told until the audience was closed."""
    reader, _ = record.audience.join(AT)
    return [event async for batch in reader.batches(0) for event in batch]


async def test_what_is_noted_in_one_moment_shares_a_commit() -> None:
    store = Store()
    record = Record(begin(started()), store.append)
    record.note(start("agent_1"))
    record.note(start("agent_2"))
    await record.hear(notice("last"))
    assert store.commits == 1
    assert [n.code for n in record.session.notices] == ["last"]


async def test_text_is_told_after_the_events_before_it_and_before_those_after_it() -> None:
    store = Store()
    record = Record(begin(started()), store.append)
    reading = asyncio.create_task(told(record))
    await asyncio.sleep(0)
    store.gate.clear()
    record.note(start("agent_1"))
    record.whisper("opinions", "agent_1", Delta(text="Be"), AT)
    hearing = asyncio.create_task(record.hear(notice("after")))
    await asyncio.sleep(0)
    record.whisper("opinions", "agent_1", Delta(text="cause"), AT)
    store.gate.set()
    await hearing
    record.audience.close()
    events = await reading
    assert [e.kind for e in events] == [
        "agent_started", "opinion_delta", "notice", "opinion_delta",
    ]  # fmt: skip
    assert [e.offset for e in events if e.kind == "opinion_delta"] == [0, 2]


async def test_row_28_a_store_that_is_away_pauses_the_session_and_nothing_is_told_unkept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record_module, "PAUSE_S", 0.0)
    store = Store(StoreUnavailable("disk full"), StoreUnavailable("disk full"))
    record = Record(begin(started()), store.append)
    await record.hear(notice("kept"))
    assert [e.seq for e in store.kept] == [2]
    assert record.audience.seq == 2


async def test_a_bug_reaches_whoever_waits_for_the_commit_and_the_next_event_is_kept() -> None:
    store = Store(ValueError("a bug"))
    record = Record(begin(started()), store.append)
    with pytest.raises(ValueError, match="a bug"):
        await record.hear(notice("lost"))
    await record.hear(notice("kept"))
    assert [n.code for n in record.session.notices] == ["kept"]


async def test_what_comes_after_the_end_is_dropped() -> None:
    store = Store(SessionFinished("over"))
    record = Record(begin(started()), store.append)
    await record.hear(notice("late"))
    assert record.session.notices == ()


async def test_being_cancelled_undoes_nothing() -> None:
    store = Store()
    record = Record(begin(started()), store.append)
    store.gate.clear()
    hearing = asyncio.create_task(record.hear(notice("kept")))
    await asyncio.sleep(0)
    hearing.cancel()
    store.gate.set()
    await record.hear(notice("next"))
    assert [n.code for n in record.session.notices] == ["kept", "next"]


async def test_the_witness_is_told_each_event_once_it_is_kept_with_the_session_after_it() -> None:
    store, seen = Store(), []
    record = Record(
        begin(started()), store.append, lambda s, e: seen.append((e.kind, s.last.seq, e.seq))
    )
    store.gate.clear()
    hearing = asyncio.create_task(record.hear(notice("kept")))
    await asyncio.sleep(0)
    assert seen == []
    store.gate.set()
    await hearing
    assert seen == [("notice", 2, 2)]


async def test_a_witness_that_fails_hurts_neither_the_session_nor_the_other_witnesses() -> None:
    def fails(session: Session, event: StoredEvent) -> None:
        raise ValueError("a bug")

    store, seen = Store(), []
    record = Record(begin(started()), store.append, fails, lambda s, e: seen.append(e.kind))
    await record.hear(notice("kept"))
    assert [n.code for n in record.session.notices] == ["kept"] and seen == ["notice"]
