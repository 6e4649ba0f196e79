"""How far a benchmark is: a bar with the time left on a terminal, a line a session elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from serve_app.bench.runs import Run
from serve_app.cli.terminal import err, printable, tell


class Told:
    """What is shown while it runs. `bar` is None where plain lines are written."""

    def __init__(self, total: int, done: int, bar: Progress | None) -> None:
        self._total, self._done, self._here = total, done, 0
        self._began = time.monotonic()
        self._bar = bar
        self._task = bar.add_task("", total=total, completed=done) if bar else None

    def ran(self, run: Run) -> None:
        self._done, self._here = self._done + 1, self._here + 1
        left = (time.monotonic() - self._began) / self._here * (self._total - self._done)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, description=in_words(left))
        else:
            tell(
                f"{self._done}/{self._total} {run.item_id}, {run.mode}: {_outcome(run)},"
                f" {run.seconds:.1f} s; {in_words(left)}"
            )

    def wait(self, seconds: float, why: str) -> None:
        """Says why, and waits."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=printable(why))
        else:
            tell(f"{why} Waiting {seconds:.0f} s.")
        time.sleep(seconds)


@contextmanager
def progress(total: int, done: int) -> Iterator[Told]:
    if not err.is_terminal:
        yield Told(total, done, None)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    text = TextColumn("{task.description}", markup=False)
    with Progress(*columns, text, console=err, transient=True) as bar:
        yield Told(total, done, bar)


def in_words(seconds: float) -> str:
    if not seconds:
        return "done"
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"about {seconds:.0f} s left"
    return f"about {minutes} min left" if minutes < 120 else f"about {minutes / 60:.0f} h left"


def _outcome(run: Run) -> str:
    if run.error_code:
        return f"failed ({run.error_code})"
    return {True: "right", False: "wrong", None: "not judged"}[run.correct]
