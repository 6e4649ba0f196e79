"""Which models the fake holds in memory, as Ollama does it: so many at once, the least recently
used goes first, another `num_ctx` loads again. Knows no HTTP."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.fakes import shapes
from tests.fakes.speech import DEFAULT_CTX


@dataclass(frozen=True)
class Resident:
    """A model in memory; `used` orders by last use."""

    num_ctx: int
    expires_at: datetime
    used: int


class Memory:
    """`loads` are all loads so far, as (model, num_ctx); a load takes `load_s` seconds."""

    def __init__(self, max_loaded: int, load_s: float) -> None:
        self.max_loaded, self.load_s = max_loaded, load_s
        self.loads: list[tuple[str, int]] = []
        self._resident: dict[str, Resident] = {}
        self._loading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._uses = count()

    @property
    def resident(self) -> dict[str, Resident]:
        now = datetime.now(UTC)
        self._resident = {n: held for n, held in self._resident.items() if held.expires_at > now}
        return self._resident

    async def hold(self, model: str, asked: Mapping[str, Any]) -> None:
        """Brings the model in if need be; everybody who wants it waits for the same load."""
        num_ctx = (asked.get("options") or {}).get("num_ctx", DEFAULT_CTX)
        expires_at = shapes.expiry(asked.get("keep_alive"), datetime.now(UTC))
        async with self._loading[model]:
            held = self.resident.get(model)
            self._resident[model] = Resident(num_ctx, expires_at, next(self._uses))
            if held is None or held.num_ctx != num_ctx:
                self._make_room()
                self.loads.append((model, num_ctx))
                await asyncio.sleep(self.load_s)

    def drop(self, model: str) -> None:
        self._resident.pop(model, None)

    def _make_room(self) -> None:
        while len(self._resident) > self.max_loaded:
            del self._resident[min(self._resident, key=lambda name: self._resident[name].used)]
