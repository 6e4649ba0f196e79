"""How long the PCs are busy with what is owed: waits, places in the queue, who is admitted. Pure.

The PCs are vessels and the work is poured into them: first the models that fewest PCs have, each
into its emptiest PCs. How high it stands in a PC says when the next one may come; work that only
one PC can do thus fills that PC alone, and work that all can do fills them all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from actors.council.table.model_names import canonical
from actors.council.workload import Experience, Load, Loads, supposed_pace
from actors.messages.nodes import NodeReport

SOONEST_S, LATEST_S = 1.0, 3600.0
"""Between these a refused client is asked to come back."""


@dataclass(frozen=True)
class Vessel:
    """One PC that can work. `sizes`: bytes of each model that it has; at most `parallel` calls of
    one model and `slots` calls of all run there at once."""

    name: str
    sizes: Mapping[str, int]
    parallel: int = 1
    slots: int = 1


@dataclass(frozen=True)
class Bounds:
    """How much may be accepted: `max_queue_s` seconds before the PCs that a question needs come to
    it, and `max_open` questions and single calls in all."""

    max_queue_s: float
    max_open: int


@dataclass(frozen=True)
class Refusal:
    """Why not now, and in how many seconds to ask again."""

    sentence: str
    retry_after_s: float


@dataclass(frozen=True)
class Waits:
    """Seconds until the work ahead leaves a slot free, by model; and until all of it is done."""

    by_model: Mapping[str, float]
    longest_s: float

    def until_all(self, models: Iterable[str]) -> float:
        """Until the last of these models comes to somebody new."""
        return max((self.by_model.get(model, 0.0) for model in models), default=0.0)

    def until_first(self, models: Iterable[str]) -> float:
        """Until the first of these models comes to somebody new."""
        return min((self.by_model.get(model, 0.0) for model in models), default=0.0)


def vessels(reports: Iterable[NodeReport]) -> tuple[Vessel, ...]:
    """The PCs that have models, as they told last. One whose server does not answer counts as long
    as nobody says that its models are gone."""
    return tuple(
        Vessel(
            name=report.name,
            sizes={canonical(model.name): model.size for model in report.ollama.installed},
            parallel=max(1, report.num_parallel),
            slots=max(1, report.num_parallel)
            * max(1, min(report.max_models, len(report.ollama.installed))),
        )
        for report in reports
        if report.ollama and report.ollama.installed
    )


def seconds(loads: Loads, pcs: Sequence[Vessel], known: Experience) -> dict[str, float]:
    """Slot time of the loads, by model: the mean of what is known of the PCs that have the model,
    else of any PC that had it, else what the size of its file lets expect."""
    return {model: _seconds(model, load, pcs, known) for model, load in loads.items()}


def waits(work_s: Mapping[str, float], models: Iterable[str], pcs: Sequence[Vessel]) -> Waits:
    """How long whoever wants `models` waits behind `work_s` (slot seconds by model)."""
    holders = {m: [pc for pc in pcs if m in pc.sizes] for m in {*work_s, *models}}
    levels = {pc.name: 0.0 for pc in pcs}
    for model in sorted(work_s, key=lambda m: (len(holders[m]), m)):
        _pour(work_s[model], holders[model], levels)
    own = {m: work_s.get(m, 0.0) / max(1, sum(pc.parallel for pc in holders[m])) for m in holders}
    by_model = {
        m: max(own[m], min((levels[pc.name] for pc in holders[m]), default=0.0)) for m in holders
    }
    return Waits(by_model, max((*levels.values(), *own.values()), default=0.0))


def refusal(bounds: Bounds, wait_s: float, open_now: int, longest_s: float) -> Refusal | None:
    """None = admitted. `wait_s`: until the last PC that is needed comes to it; `longest_s`: until
    all that is open is done."""
    if open_now == 0:
        return None
    if open_now >= bounds.max_open:
        return Refusal(
            f"{open_now} questions are open, and COUNCIL_MAX_OPEN allows no more.",
            _later(longest_s / open_now),
        )
    if wait_s > bounds.max_queue_s:
        return Refusal(
            f"The PCs that this needs have work for about {wait_s:.0f} s, and COUNCIL_MAX_QUEUE_S "
            f"allows {bounds.max_queue_s:g} s.",
            _later(wait_s - bounds.max_queue_s),
        )
    return None


def place(needed: Iterable[str], ahead: Mapping[frozenset[str], int], pcs: Sequence[Vessel]) -> int:
    """From 1: one more than those ahead that want any of the PCs that may serve `needed`. `ahead`:
    how many there are by the models that they still want."""
    mine = set(needed)
    near = mine.union(*(pc.sizes for pc in pcs if mine & pc.sizes.keys()))
    return 1 + sum(count for models, count in ahead.items() if not near.isdisjoint(models))


def _seconds(model: str, load: Load, pcs: Sequence[Vessel], known: Experience) -> float:
    here = [pc.name for pc in pcs if model in pc.sizes]
    paces = [known.paces[name, model] for name in here if (name, model) in known.paces]
    paces = paces or [pace for (_, name), pace in known.paces.items() if name == model]
    sizes = [pc.sizes[model] for pc in pcs if model in pc.sizes]
    paces = paces or [supposed_pace(max(sizes, default=0))]
    return sum(pace.seconds(load) for pace in paces) / len(paces)


def _pour(work_s: float, into: Sequence[Vessel], levels: dict[str, float]) -> None:
    """Raises the lowest of these vessels until the work is in them."""
    rising = sorted(into, key=lambda pc: levels[pc.name])
    width = held = 0.0
    for number, pc in enumerate(rising, 1):
        width += pc.slots
        held += pc.slots * levels[pc.name]
        level = (work_s + held) / width
        if number == len(rising) or level <= levels[rising[number].name]:
            for full in rising[:number]:
                levels[full.name] = level
            return


def _later(after_s: float) -> float:
    return min(LATEST_S, max(SOONEST_S, after_s))
