"""What time it is: by the wall, for people; since the PC's boot, for deadlines.

The wall's clock may jump (a wrong battery, a first sync); the boot clock never does, goes on while
the PC sleeps, and is the same for every process of that boot.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

from actors.messages.events import BootTime

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now() -> datetime:
    return datetime.now(UTC)


def boot_time() -> BootTime | None:
    """None where the system does not tell its boots apart (Linux does)."""
    try:
        boot_id = _BOOT_ID.read_text().strip()
    except OSError:
        return None
    return BootTime(boot_id=boot_id, seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
