"""Batches of a call's events: the first piece at once, then by 30 ms, signs of life between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest

from actors.batches import GAP_S, Batch, Batches, Happening, joined
from actors.messages.calls import CallTiming, Delta, Generated, TokenUsage

ANSWER = Generated(content="ab", usage=TokenUsage(), timing=CallTiming())


def deltas(*texts: str) -> list[Delta]:
    return [Delta(text=text) for text in texts]


async def stream(
    *steps: Happening | Callable[[], Awaitable[object]],
) -> AsyncIterator[Happening]:
    for step in steps:
        if isinstance(step, Delta | Generated):
            yield step
        elif callable(step):
            await step()


async def collected(batches: Batches) -> list[Batch]:
    return [batch async for batch in batches]


def text_of(batches: list[Batch]) -> str:
    return "".join(e.text for batch in batches for e in batch if isinstance(e, Delta))


def test_neighbouring_pieces_become_one() -> None:
    assert joined([*deltas("a", "b"), ANSWER]) == (Delta(text="ab"), ANSWER)


def test_thinking_and_answer_stay_apart() -> None:
    thought = Delta(text="hm", thinking=True)
    assert joined([thought, thought, *deltas("a")]) == (
        Delta(text="hmhm", thinking=True),
        Delta(text="a"),
    )


async def test_a_call_that_ends_at_once_is_a_single_batch() -> None:
    assert await collected(Batches(stream(*deltas("a", "b"), ANSWER))) == [
        (Delta(text="ab"), ANSWER)
    ]


async def test_the_first_piece_does_not_wait_for_the_next() -> None:
    gate = asyncio.Event()
    batches = aiter(Batches(stream(*deltas("a"), gate.wait, *deltas("b"), ANSWER)))
    async with asyncio.timeout(1):
        assert await anext(batches) == (Delta(text="a"),)
    gate.set()
    assert [batch async for batch in batches] == [(Delta(text="b"), ANSWER)]


async def test_pieces_in_quick_succession_share_batches() -> None:
    async def tick() -> None:
        await asyncio.sleep(0.004)

    steps = [step for text in "abcdefghijklmnop" for step in (*deltas(text), tick)]
    batches: list[Batch] = []
    times: list[float] = []
    async for batch in Batches(stream(*steps, ANSWER)):
        batches.append(batch)
        times.append(asyncio.get_running_loop().time())
    assert text_of(batches) == "abcdefghijklmnop"
    assert batches[-1][-1] == ANSWER
    between = [later - earlier for earlier, later in pairwise(times[:-1])]
    assert between, "60 ms of pieces take more than the first and the last batch"
    assert min(between) > 0.9 * GAP_S


async def test_silence_is_filled_with_signs_of_life() -> None:
    gate = asyncio.Event()
    batches = aiter(Batches(stream(gate.wait, ANSWER), beat_s=0.01))
    assert [await anext(batches), await anext(batches)] == [(), ()]
    gate.set()
    assert [batch async for batch in batches if batch] == [(ANSWER,)]


async def test_leaving_early_ends_the_call() -> None:
    ended = asyncio.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    batches = aiter(Batches(stream(*deltas("a"), for_ever)))
    await anext(batches)
    await batches.aclose()  # type: ignore[attr-defined]
    assert ended.is_set()


async def test_a_cut_call_ends_its_batches() -> None:
    batches = Batches(stream(*deltas("a"), asyncio.Event().wait))
    told = aiter(batches)
    assert await anext(told) == (Delta(text="a"),)
    batches.cut()
    assert [batch async for batch in told] == []


async def test_what_the_events_raise_comes_after_what_they_said() -> None:
    async def fail() -> None:
        raise RuntimeError("broken")

    told = aiter(Batches(stream(*deltas("a"), fail)))
    assert await anext(told) == (Delta(text="a"),)
    with pytest.raises(RuntimeError):
        await anext(told)
