"""Who sits at the table: a request and what is installed → seats and a chairman, or a refusal
that says what to mend. Knows nothing of PCs: where a model runs is the pool's business.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from actors.council.asking.quoting import clean
from actors.council.table.model_names import can_be_asked_for, can_chat, resolve, runs_here
from actors.council.table.personas import PERSONAS
from actors.council.table.recommended import CHAIRMAN_MODEL, RECOMMENDED
from actors.errors import FieldReason, InvalidRequest, ModelNotInstalled, NoModelServer
from actors.messages.nodes import InstalledModel
from actors.messages.requests import AgentSpec, CouncilRequest, Seat

DEFAULT_SEATS = 3
NOTHING = (
    "No PC of the council offers a model just now. See with `./council status` whether Ollama runs "
    "there; if it does, run `ollama pull qwen2.5:0.5b` on a PC, or join one that has models."
)
_NAMES = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa")
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_UNWRITABLE = "It contains a character that cannot be written (NUL or half a surrogate)."


@dataclass(frozen=True)
class SeatingDefaults:
    """What the settings say. `models`: the seats of a request that names none (as many as
    `max_agents`); empty = choose among what is installed."""

    models: tuple[str, ...] = ()
    chairman_model: str | None = None
    max_agents: int = 5
    max_query: int = 32_000


@dataclass(frozen=True)
class Seating:
    seats: tuple[Seat, ...]
    chairman_model: str


def seat(
    request: CouncilRequest, installed: Sequence[InstalledModel], defaults: SeatingDefaults
) -> Seating:
    """The seats, with installed models' own names. Raises InvalidRequest, ModelNotInstalled, or
    NoModelServer where no PC has any model."""
    _check(request, defaults)
    sizes = _sizes(installed)
    if not sizes:
        raise NoModelServer(NOTHING)
    specs = request.selected_agents or _default_specs(installed, defaults)
    models = [installed_name(spec.model, sizes) for spec in specs]
    names = _unique([_name(spec, index) for index, spec in enumerate(specs)])
    seats = tuple(
        Seat(
            agent_id=f"agent_{index + 1}",
            name=names[index],
            model=models[index],
            system=spec.system,
            options=spec.options,
        )
        for index, spec in enumerate(specs)
    )
    return Seating(seats, _chairman(request, defaults, models, sizes))


def _check(request: CouncilRequest, defaults: SeatingDefaults) -> None:
    query, agents = request.query, request.selected_agents or ()
    errors = [
        _error(loc, "unwritable", _UNWRITABLE)
        for loc, text in _texts(request)
        if _FORBIDDEN.search(text)
    ]
    if not clean(query).strip():
        errors.append(_error(["query"], "blank", "The question is blank."))
    if len(query) > defaults.max_query:
        errors.append(
            _error(
                ["query"],
                "question_too_long",
                f"The question has {len(query)} characters; at most {defaults.max_query} fit.",
                max_length=defaults.max_query,
            )
        )
    if len(agents) > defaults.max_agents:
        errors.append(
            _error(
                ["selected_agents"],
                "too_many",
                f"{len(agents)} agents are asked for; at most {defaults.max_agents} can sit.",
                max_length=defaults.max_agents,
            )
        )
    if errors:
        raise InvalidRequest(" ".join(str(error["msg"]) for error in errors), errors)


def _texts(request: CouncilRequest) -> list[tuple[list[str | int], str]]:
    """Every free text of a request, with the path of its field."""
    texts: list[tuple[list[str | int], str]] = [(["query"], request.query)]
    texts.append((["instructions"], request.instructions or ""))
    for index, turn in enumerate(request.earlier or ()):
        texts.append((["earlier", index, "query"], turn.query))
        texts.append((["earlier", index, "answer"], turn.answer))
    for index, agent in enumerate(request.selected_agents or ()):
        path: list[str | int] = ["selected_agents", index]
        texts.append(([*path, "name"], agent.name or ""))
        texts.append(([*path, "system"], agent.system or ""))
        texts += [([*path, "options", "stop"], stop) for stop in agent.options.stop or ()]
    return texts


def _error(
    loc: Sequence[str | int], reason: FieldReason, message: str, **ctx: int
) -> dict[str, Any]:
    return {"loc": [*loc], "msg": message, "type": "value_error", "reason": reason, "ctx": ctx}


def _sizes(installed: Sequence[InstalledModel]) -> dict[str, int]:
    """Model → bytes on disk; a model on several PCs once."""
    sizes: dict[str, int] = {}
    for model in installed:
        sizes[model.name] = max(model.size, sizes.get(model.name, 0))
    return sizes


def installed_name(name: str, installed: Collection[str]) -> str:
    """The installed model that `name` means. Raises `ModelNotInstalled`, naming what there is, or
    `NoModelServer` where there is nothing: a server that is down now may well have it."""
    if found := resolve(name, installed):
        return found
    if not installed:
        raise NoModelServer(NOTHING)
    there = ", ".join(sorted(installed))
    raise ModelNotInstalled(
        f"No PC of the council has the model {name}. Installed: {there}. "
        f"Run `ollama pull {name}` on a PC to add it.",
        name,
    )


def _default_specs(
    installed: Sequence[InstalledModel], defaults: SeatingDefaults
) -> tuple[AgentSpec, ...]:
    if defaults.models:
        return _personified(defaults.models[: defaults.max_agents])
    models = _preferred(installed)
    if not models:
        there = ", ".join(sorted({model.name for model in installed}))
        raise ModelNotInstalled(
            f"None of the installed models can answer a question by itself: {there}. "
            "Run `ollama pull qwen2.5:0.5b` on a PC, or name the agents."
        )
    count = min(DEFAULT_SEATS, defaults.max_agents)
    return _personified([models[index % len(models)] for index in range(count)])


def _preferred(installed: Sequence[InstalledModel]) -> list[str]:
    """Models to seat unasked: the recommended ones in their order, then the others from the
    smallest on, which any PC can load."""
    sizes = _sizes([m for m in installed if may_chat(m)])
    recommended = [resolve(model.name, sizes) for model in RECOMMENDED]
    others = sorted(sizes, key=lambda name: (sizes[name], name))
    return list(dict.fromkeys(name for name in (*recommended, *others) if name))


def may_chat(model: InstalledModel) -> bool:
    """Whether it may be asked without anybody having named it."""
    name = model.name
    return can_be_asked_for(name) and can_chat(name, model.family) and runs_here(name)


def _personified(models: Sequence[str]) -> tuple[AgentSpec, ...]:
    """A seat a model. Seats that share a model each get another persona, temperature and seed:
    they would else give one answer three times."""
    shared = Counter(models)
    seen: Counter[str] = Counter()
    specs = []
    for model in models:
        if shared[model] == 1:
            specs.append(AgentSpec(model=model))
            continue
        persona = PERSONAS[seen[model] % len(PERSONAS)]
        options = persona.options.model_copy(update={"seed": seen[model] + 1})
        specs.append(AgentSpec(model=model, system=persona.system, options=options))
        seen[model] += 1
    return tuple(specs)


def _name(spec: AgentSpec, index: int) -> str:
    """The name asked for, on one line and printable; else Expert_Alpha, Expert_Beta, …"""
    asked = " ".join(clean(spec.name or "").split())
    if asked:
        return asked
    return f"Expert_{_NAMES[index]}" if index < len(_NAMES) else f"Expert_{index + 1}"


def _unique(names: Sequence[str]) -> list[str]:
    """The names, the second `x` as `x_2`, and so on; upper and lower case count as the same."""
    taken = {name.casefold() for name in names}
    given: set[str] = set()
    unique = []
    for name in names:
        chosen, number = name, 1
        while chosen.casefold() in given or (number > 1 and chosen.casefold() in taken):
            number += 1
            chosen = f"{name}_{number}"
        given.add(chosen.casefold())
        unique.append(chosen)
    return unique


def _chairman(
    request: CouncilRequest,
    defaults: SeatingDefaults,
    models: Sequence[str],
    sizes: dict[str, int],
) -> str:
    """The chairman asked for, else the configured one, else the recommended one if it is there,
    else the largest model at the table."""
    named = request.chairman_model or defaults.chairman_model
    if named:
        return installed_name(named, sizes)
    return resolve(CHAIRMAN_MODEL, sizes) or max(models, key=lambda model: sizes[model])
