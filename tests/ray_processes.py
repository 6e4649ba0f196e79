"""The processes of this test's own Ray, by the title that Ray gives each actor's process."""

import psutil


def actor_process(title: str) -> psutil.Process:
    """The one whose title starts so. Raises StopIteration if there is none."""
    return next(p for p in psutil.Process().children(recursive=True) if _title(p).startswith(title))


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline()[:1])
    except psutil.Error:
        return ""
