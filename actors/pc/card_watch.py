"""Looks at this PC's NVIDIA cards as long as somebody listens, once a second, in a thread.

However many listen, one look at a time; who comes in between begins with the last one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from actors.pc import cards

EVERY_S = 1.0
FRESH_S = 5.0
"""So old may a look be that stands for a listener's first moment."""

Look = tuple[float, ...] | None
"""Watts of each card; None where one does not tell (`cards.watts`)."""


class CardWatch:
    """For one event loop."""

    def __init__(self) -> None:
        self._listeners: list[list[Look]] = []
        self._last: tuple[float, Look] | None = None
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self) -> Iterator[list[Look]]:
        """The looks so far, a list that grows until the context ends."""
        looks: list[Look] = []
        if self._last is not None and _now() - self._last[0] <= FRESH_S:
            looks.append(self._last[1])
        if not cards.may_be_there():
            looks.append(())
        elif self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        self._listeners.append(looks)
        try:
            yield looks
        finally:
            self._listeners = [one for one in self._listeners if one is not looks]
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            look = await asyncio.to_thread(cards.watts)
            self._last = (_now(), look)
            for looks in self._listeners:
                looks.append(look)
            await asyncio.sleep(EVERY_S)


def mean_watts(looks: list[Look]) -> float | None:
    """Of all cards together; None without a look, or where one failed or a card came or went."""
    told = [look for look in looks if look is not None]
    if not told or len(told) < len(looks) or len({len(look) for look in told}) > 1:
        return None
    return sum(map(sum, told)) / len(told)


def _now() -> float:
    return asyncio.get_running_loop().time()
