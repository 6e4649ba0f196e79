"""Who may come in: keeps count of what is open, learns how long calls take, answers at once.

Thin: the estimates and the verdict are in `actors.council`. Asks no PC and awaits nothing, so that
a refusal costs next to nothing. A session's record is immutable: at each question only those that
changed since the last one are counted again, and all of them once enough was learnt.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from actors.council.backlog import Bounds, Vessel, place, refusal, seconds, vessels, waits
from actors.council.session import Session, answers
from actors.council.table.model_names import canonical
from actors.council.workload import Experience, Load, Loads, owed_by_worker, still_owed
from actors.errors import QueueFull
from actors.messages.calls import Generated
from actors.messages.nodes import NodeReport
from actors.messages.requests import ModelOptions
from actors.messages.sessions import QueuePlace


@dataclass(eq=False)
class _Open:
    """A question, or a single call (which has no `look`), and what it still owes."""

    look: Callable[[], Session] | None = None
    seen: Session | None = None
    owes: Loads = field(default_factory=dict)
    models: frozenset[str] = frozenset()


class Admission:
    """All questions and single calls that are open, oldest first. Refusals are `QueueFull`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._open: dict[str, _Open] = {}
        self._total: dict[str, Load] = {}
        self._known = Experience()
        self._news = 0
        self._numbers = count()
        self._pcs: tuple[Vessel, ...] = ()

    def see(self, reports: Iterable[NodeReport]) -> None:
        """What the PCs told last; estimates go by that until the next time."""
        self._pcs = vessels(reports)

    def admit(self, session: Session) -> None:
        """Counts the session, or raises `QueueFull`. Who is admitted must `leave` in the end."""
        self._look_around()
        owes = still_owed(session, self._known)
        self._check(owes)
        self._count(session.session_id, _Open(seen=session), owes)

    def follow(self, session_id: str, look: Callable[[], Session]) -> None:
        """From now on `look` tells how the session stands. What was accepted before the start of
        this process is counted unasked."""
        if session_id not in self._open:
            self._count(session_id, _Open(), {})
        self._open[session_id].look = look

    def leave(self, session_id: str) -> None:
        """The session has ended, or could not be stored."""
        if session_id in self._open:
            self._look_at(self._open[session_id])
            self._forget(session_id)

    @contextmanager
    def call(
        self, texts: Iterable[str], options: ModelOptions, model: str
    ) -> Iterator[Callable[[Generated], None]]:
        """Counts a single call, with these texts in its prompt, as long as it runs, or raises
        `QueueFull`. What it gives wants to be told how the call ended."""
        self._look_around()
        owes = owed_by_worker(texts, options, model, self._known)
        self._check(owes)
        call_id = f"call {next(self._numbers)}"
        self._count(call_id, _Open(), owes)
        try:
            yield lambda said: self._heard(model, said)
        finally:
            self._forget(call_id)

    def places(self, wanted: Iterable[str]) -> dict[str, QueuePlace]:
        """Where these sessions wait; those to which a PC has come are left out. Nobody knows a
        place before the PCs were seen once."""
        asked, told = set(wanted), dict[str, QueuePlace]()
        if not self._pcs:
            return told
        self._look_around()
        total, ahead = dict[str, list[float]](), Counter[frozenset[str]]()
        for session_id, one in self._open.items():
            if session_id in asked:
                asked.remove(session_id)
                if one.seen is not None and not one.seen.asked:
                    told[session_id] = self._place(one.seen, one.owes, total, ahead)
            if not asked:
                break
            ahead[one.models] += 1
            for model, load in one.owes.items():
                so_far = total.setdefault(model, [0.0, 0.0, 0.0])
                for part in range(3):
                    so_far[part] += load[part]
        return told

    def _place(
        self,
        session: Session,
        owes: Loads,
        total: Mapping[str, Iterable[float]],
        ahead: Mapping[frozenset[str], int],
    ) -> QueuePlace:
        seats = {canonical(seat.model) for seat in session.seats}
        before = {model: Load(*so_far) for model, so_far in total.items()}
        wait = waits(seconds(before, self._pcs, self._known), seats, self._pcs)
        eta_s = round(wait.until_first(seats), 1)
        return QueuePlace(place=place(owes, ahead, self._pcs), eta_s=eta_s)

    def _check(self, owes: Loads) -> None:
        ahead = waits(seconds(self._total, self._pcs, self._known), owes, self._pcs)
        refused = refusal(self._bounds, ahead.until_all(owes), len(self._open), ahead.longest_s)
        if refused is not None:
            raise QueueFull(refused.sentence, refused.retry_after_s)

    def _look_around(self) -> None:
        for one in self._open.values():
            self._look_at(one)
        if self._news > len(self._open):  # so that a recount costs no more than a look an answer
            self._news = 0
            for one in self._open.values():
                if one.seen is not None:
                    self._owe(one, still_owed(one.seen, self._known))

    def _look_at(self, one: _Open) -> None:
        if one.look is None or (session := one.look()) is one.seen:
            return
        before = set(map(id, answers(one.seen))) if one.seen else set()
        news = [answer for answer in answers(session) if id(answer) not in before]
        self._known = self._known.heard(news)
        self._news += len(news)
        one.seen = session
        self._owe(one, still_owed(session, self._known))

    def _heard(self, model: str, said: Generated) -> None:
        if not said.cached:  # else nothing was learnt of how long it takes
            self._known = self._known.after("worker", model, said.node, said.usage, said.timing)

    def _count(self, name: str, one: _Open, owes: Loads) -> None:
        self._open[name] = one
        self._owe(one, owes)

    def _forget(self, name: str) -> None:
        self._owe(self._open.pop(name), {})
        if not self._open:
            self._total.clear()

    def _owe(self, one: _Open, owes: Loads) -> None:
        _add(self._total, one.owes, -1.0)
        _add(self._total, owes)
        one.owes, one.models = owes, frozenset(owes)


def _add(total: dict[str, Load], owes: Loads, times: float = 1.0) -> None:
    for model, load in owes.items():
        total[model] = total.get(model, Load()).plus(load, times)
