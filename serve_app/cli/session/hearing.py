"""What was heard of a session so far, for a display: its record, and what it tells. Pure."""

from dataclasses import dataclass, field
from typing import Any

from serve_app.cli.session.ballots import Ballots
from serve_app.cli.session.voice import Voice

Event = dict[str, Any]

CHAIRMAN = "chairman"


@dataclass(frozen=True)
class Hearing:
    """`voices` by (stage, agent_id), in the order of the table. `queue`: place and time to wait, as
    long as no PC has come to the question; `loading`: models that PCs load now."""

    stage: str = "pending"
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    voices: dict[tuple[str, str], Voice] = field(default_factory=dict)
    ballots: Ballots = field(default_factory=Ballots)
    ranking: tuple[Event, ...] = ()
    agreement: str = ""
    method: str = ""
    answer: Event | None = None
    closed: Event | None = None
    last_seq: int = 0
    queue: Event | None = None
    loading: frozenset[str] = frozenset()


def of_stage(hearing: Hearing, stage: str) -> list[Voice]:
    return [voice for (where, _), voice in hearing.voices.items() if where == stage]


def somebody_waits(hearing: Hearing) -> bool:
    """Whether a seat waits for a PC, or for its model there. Before any is called, all do."""
    states = {voice.state for voice in hearing.voices.values()}
    return hearing.closed is None and (not states or "waiting" in states)


def loads(hearing: Hearing) -> bool:
    """Whether a PC loads a model that a seat waits for."""
    waiting = {voice.model for voice in hearing.voices.values() if voice.state == "waiting"}
    return not waiting.isdisjoint(hearing.loading)


def begun(hearing: Hearing) -> bool:
    """Whether a PC has come to the question."""
    return any(voice.state != "waiting" for voice in hearing.voices.values())


def at(hearing: Hearing, stage: str, agent_id: str) -> Voice:
    name, model = hearing.names.get(agent_id, (agent_id, ""))
    return hearing.voices.get((stage, agent_id), Voice(name, model))


def seats(hearing: Hearing) -> list[str]:
    return [agent_id for agent_id in hearing.names if agent_id != CHAIRMAN]


def name_of(hearing: Hearing, agent_id: str) -> str:
    return hearing.names.get(agent_id, (agent_id, ""))[0]
