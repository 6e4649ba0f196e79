"""What the processor of this PC used for a session of a benchmark, in joules, by stage."""

from actors.pc.energy import Meter


class StageMeter:
    """Joules of a session by stage."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._stage = meter, "opinions"
        self._before = meter.joules()
        self._spent: dict[str, float] | None = {}

    def stage(self, name: str) -> None:
        """From now on it is this stage that uses it."""
        self.look()
        self._stage = name

    def look(self) -> None:
        now = self._meter.joules()
        if now is None or self._before is None:
            self._spent = None
        if self._spent is not None and now is not None and self._before is not None:
            self._spent[self._stage] = self._spent.get(self._stage, 0.0) + now - self._before
        self._before = now

    def spent(self) -> dict[str, float] | None:
        self.look()
        return self._spent
