"""Where meters are read: an outlet takes what is counted. Knows no library of metrics."""

from collections.abc import Mapping
from typing import Protocol

from actors.meters.catalogue import Meter

Labels = tuple[str, ...]
"""Values in the order of the meter's label names."""


class Outlet(Protocol):
    """Never raises for a meter that it was made with."""

    def begin(self, meter: Meter, labels: Labels) -> None:
        """The counter's or histogram's series is there from now on, with nothing in it: Prometheus
        sees what is counted first only in a series that it knew before."""
        ...

    def add(self, meter: Meter, labels: Labels = (), amount: float = 1.0) -> None:
        """Counts; `amount` is not negative."""
        ...

    def observe(self, meter: Meter, labels: Labels, value: float) -> None:
        """One value more of a histogram."""
        ...

    def set(self, meter: Meter, values: Mapping[Labels, float]) -> None:
        """All of a gauge as it is now: what is not in `values` is gone."""
        ...


class Outlets:
    """Several as one."""

    def __init__(self, *outlets: Outlet) -> None:
        self._outlets = outlets

    def begin(self, meter: Meter, labels: Labels) -> None:
        for outlet in self._outlets:
            outlet.begin(meter, labels)

    def add(self, meter: Meter, labels: Labels = (), amount: float = 1.0) -> None:
        for outlet in self._outlets:
            outlet.add(meter, labels, amount)

    def observe(self, meter: Meter, labels: Labels, value: float) -> None:
        for outlet in self._outlets:
            outlet.observe(meter, labels, value)

    def set(self, meter: Meter, values: Mapping[Labels, float]) -> None:
        for outlet in self._outlets:
            outlet.set(meter, values)
