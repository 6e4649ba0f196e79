"""How a command that stays in the foreground ends: by Ctrl-C and by SIGTERM, the same way."""

import signal
from types import FrameType


def end_by_sigterm_too() -> None:
    """From now on SIGTERM (of `down`, of systemd) raises KeyboardInterrupt, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)


def end_undisturbed() -> None:
    """From now on nothing but SIGKILL interrupts what is still to be cleared away."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _as_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
