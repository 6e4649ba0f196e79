"""What the processor of this PC has used, in joules, where Linux tells it (RAPL, by powercap).

All that runs on the PC is in it, and nothing of other PCs or graphics cards. Since 2020 most
systems let only root read it. Knows nothing of time.
"""

from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
COUNTED = ("package-", "dram")
"""Zones that do not hold one another: `core` is in a package, `psys` holds packages."""


@dataclass
class Zone:
    """A counter in µJ that begins anew after `most`."""

    path: Path
    most: int
    last: int

    def used(self) -> int:
        """µJ since the last look. Raises OSError and ValueError."""
        now = int((self.path / "energy_uj").read_text())
        used, self.last = (now - self.last) % (self.most + 1), now
        return used


class Meter:
    """To be read more often than the counters begin anew: every few minutes."""

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones = _zones(root)
        self._joules = 0.0

    def joules(self) -> float | None:
        """Since the meter was made; None where it is not told."""
        try:
            self._joules += sum(zone.used() for zone in self._zones) / 1e6
        except (OSError, ValueError):
            self._zones = []
        return self._joules if self._zones else None


def _zones(root: Path) -> list[Zone]:
    """Empty where one that counts cannot be read: a part would look like the whole."""
    found = []
    for path in sorted(root.glob("intel-rapl:*")):
        try:
            if (path / "name").read_text().startswith(COUNTED):
                most = int((path / "max_energy_range_uj").read_text())
                found.append(Zone(path, most, int((path / "energy_uj").read_text())))
        except (OSError, ValueError):
            return []
    return found
