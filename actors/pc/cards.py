"""What the NVIDIA cards of this PC draw just now, as `nvidia-smi` tells it. Blocks: for a thread.

Which can take seconds, and on a card that hangs for ever: it is ended then.
"""

import shutil
import subprocess

PROGRAM = "nvidia-smi"
QUERY = ("--query-gpu=power.draw", "--format=csv,noheader,nounits")
PATIENCE_S = 5.0
NO_CARD = (6, 9)
"""How `nvidia-smi` ends, by its manual, where it finds no card, and where no driver is loaded."""


def may_be_there() -> bool:
    """Whether there is somebody to ask."""
    return shutil.which(PROGRAM) is not None


def watts() -> tuple[float, ...] | None:
    """Of each card, in the order of the driver; none where this PC has no card. None where one of
    them does not tell: the others would look like the whole."""
    if not may_be_there():
        return ()
    try:
        ended = subprocess.run(
            [PROGRAM, *QUERY],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ended.returncode in NO_CARD:
        return ()
    return _read(ended.stdout.decode(errors="replace")) if ended.returncode == 0 else None


def _read(lines: str) -> tuple[float, ...] | None:
    """A line a card; `[N/A]` and its like where a card does not tell."""
    try:
        drawn = tuple(float(line) for line in lines.splitlines() if line.strip())
    except ValueError:
        return None
    return drawn if drawn and all(0 <= one < float("inf") for one in drawn) else None
