"""How calls share a PC: its time is divided by how many run there, moment by moment. No I/O."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _Pc:
    """`each_s`: seconds that a call would have had of this PC which ran all the time."""

    running: int = 0
    each_s: float = 0.0
    at: float = 0.0

    def advance(self, now: float) -> None:
        if self.running:
            self.each_s += (now - self.at) / self.running
        self.at = now


class Share:
    """Of one call that runs on a PC. Calling it gives what it had of the PC so far, 0 to 1."""

    def __init__(self, pc: _Pc, clock: Callable[[], float]) -> None:
        self._pc = pc
        self._clock = clock
        self._began, self._before = pc.at, pc.each_s

    def __call__(self) -> float:
        now = self._clock()
        self._pc.advance(now)
        if now <= self._began:
            return 1 / max(1, self._pc.running)
        return (self._pc.each_s - self._before) / (now - self._began)


class Shares:
    """Of each PC by name; `clock` in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pcs: dict[str, _Pc] = defaultdict(_Pc)

    @contextmanager
    def call(self, node: str) -> Iterator[Share]:
        """A call runs there until the context ends."""
        pc = self._pcs[node]
        pc.advance(self._clock())
        pc.running += 1
        try:
            yield Share(pc, self._clock)
        finally:
            pc.advance(self._clock())
            pc.running -= 1
