"""What was heard of a session so far, folded from its events, for a display. Pure."""

from dataclasses import dataclass, field, replace
from typing import Any

Event = dict[str, Any]

DELTAS = {
    "opinion_delta": "opinions",
    "review_delta": "review",
    "revision_delta": "revision",
    "synthesis_delta": "synthesis",
}
SOME_SPEAK = ("revision", "guard")
"""Stages in which not every seat speaks."""
CHAIRMAN = "chairman"


@dataclass(frozen=True)
class Voice:
    """One seat in one stage. `state`: waiting, speaking, done, absent. `cached` = nobody was
    asked."""

    name: str
    model: str
    node: str = ""
    text: str = ""
    state: str = "waiting"
    detail: str = ""
    cached: bool = False


@dataclass(frozen=True)
class Hearing:
    """`voices` by (stage, agent_id), in the order of the table. `queue`: place and time to wait, as
    long as no PC has come to the question."""

    stage: str = "pending"
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    voices: dict[tuple[str, str], Voice] = field(default_factory=dict)
    votes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ranking: tuple[Event, ...] = ()
    agreement: str = ""
    method: str = ""
    answer: Event | None = None
    notices: tuple[str, ...] = ()
    closed: Event | None = None
    last_seq: int = 0
    queue: Event | None = None


def heard(hearing: Hearing, event: Event) -> Hearing:
    """The hearing after an event. Unknown kinds change nothing but the position."""
    kind = str(event.get("kind"))
    if kind in DELTAS:
        return _said(hearing, DELTAS[kind], event)
    hearing = replace(hearing, last_seq=max(hearing.last_seq, int(event.get("seq", 0))))
    step = _STEPS.get(kind)
    return step(hearing, event) if step else hearing


def of_stage(hearing: Hearing, stage: str) -> list[Voice]:
    return [voice for (where, _), voice in hearing.voices.items() if where == stage]


def _voice(hearing: Hearing, stage: str, agent_id: str, **changes: Any) -> Hearing:
    name, model = hearing.names.get(agent_id, (agent_id, ""))
    before = hearing.voices.get((stage, agent_id), Voice(name, model))
    after = replace(before, **changes)
    return replace(hearing, voices={**hearing.voices, (stage, agent_id): after})


def _said(hearing: Hearing, stage: str, event: Event) -> Hearing:
    """A delta goes to its offset: after a reconnection the text so far comes again, in one."""
    if event.get("thinking"):
        return hearing
    agent_id = str(event["agent_id"])
    voice = hearing.voices.get((stage, agent_id))
    before = voice.text if voice else ""
    text = before[: int(event["offset"])] + str(event["text"])
    return _voice(hearing, stage, agent_id, text=text, state="speaking")


def _started(hearing: Hearing, event: Event) -> Hearing:
    names = {s["agent_id"]: (s["name"], s["model"]) for s in event["seats"]}
    names[CHAIRMAN] = ("Chairman", str(event["chairman_model"]))
    return replace(hearing, names=names)


def _queued(hearing: Hearing, event: Event) -> Hearing:
    return replace(hearing, queue=event)


def _stage(hearing: Hearing, event: Event) -> Hearing:
    hearing = replace(hearing, stage=str(event["stage"]))
    sitting = [CHAIRMAN] if hearing.stage == "synthesis" else _seats(hearing)
    sitting = [] if hearing.stage in SOME_SPEAK else sitting
    for agent_id in sitting:
        hearing = _voice(hearing, hearing.stage, agent_id)
    return hearing


def _seats(hearing: Hearing) -> list[str]:
    return [agent_id for agent_id in hearing.names if agent_id != CHAIRMAN]


def _agent(hearing: Hearing, event: Event) -> Hearing:
    detail = f"attempt {event['attempt']}" if event.get("attempt", 1) > 1 else ""
    stage, agent_id = str(event["stage"]), str(event["agent_id"])
    hearing = replace(hearing, queue=None)
    return _voice(hearing, stage, agent_id, node=str(event["node"]), state="asked", detail=detail)


def _opinion(hearing: Hearing, event: Event) -> Hearing:
    return _voice(
        hearing, "opinions", str(event["agent_id"]),
        text=str(event["content"]), state="done", node=str(event.get("node", "")), detail="",
        cached=bool(event.get("cached")),
    )  # fmt: skip


def _review(hearing: Hearing, event: Event) -> Hearing:
    votes = [f"{_name(hearing, v['agent_id'])} {v['score']}/10" for v in event["rankings"]]
    text = ", ".join(votes) or "abstains: " + "; ".join(event.get("rejected", ()))
    agent_id = str(event["agent_id"])
    if event.get("about"):  # one of several: what it said before stays
        before = hearing.votes.get(agent_id, ())
        hearing = replace(hearing, votes={**hearing.votes, agent_id: (*before, text)})
        text = ", ".join(hearing.votes[agent_id])
    return _voice(hearing, "review", agent_id, text=text, state="done", detail="")


def _revision(hearing: Hearing, event: Event) -> Hearing:
    agent_id, text = str(event["agent_id"]), str(event["content"])
    return _voice(hearing, "revision", agent_id, text=text, state="done", detail="")


def _draft(hearing: Hearing, event: Event) -> Hearing:
    return _voice(hearing, "synthesis", CHAIRMAN, text=str(event["content"]), state="done")


def _guard(hearing: Hearing, event: Event) -> Hearing:
    agent_id = str(event["agent_id"])
    before = hearing.voices.get(("guard", agent_id))
    said = [before.text] if before and before.text else []
    text = ", then ".join([*said, PREFERS[event["better"]]])
    return _voice(hearing, "guard", agent_id, text=text, state="done", detail="")


def _absence(hearing: Hearing, event: Event) -> Hearing:
    stage, agent_id = str(event["stage"]), str(event["agent_id"])
    return _voice(
        hearing, stage, agent_id, state="absent", detail=f"{event['code']}: {event['detail']}"
    )


def _ranked(hearing: Hearing, event: Event) -> Hearing:
    lines = [{**line, "name": _name(hearing, line["agent_id"])} for line in event["ranking"]]
    sentences = [
        str((event.get("agreement") or {}).get("sentence", "")),
        _counted(event.get("count")),
    ]
    told = " ".join(sentence for sentence in sentences if sentence)
    return replace(hearing, ranking=tuple(lines), agreement=told, method=str(event.get("method")))


def _counted(count: Event | None) -> str:
    """What the opinions answer to a closed question."""
    if not count:
        return ""
    if count["winner"] is None:
        said = ", ".join(sorted(set(count["answers"].values())))
        return f"The opinions answer {said}: none of them most often."
    return f"{count['votes']} of {len(count['answers'])} opinions answer {count['winner']}."


def _answered(hearing: Hearing, event: Event) -> Hearing:
    hearing = _voice(hearing, "synthesis", CHAIRMAN, text=str(event["content"]), state="done")
    return replace(hearing, answer=event)


def _notice(hearing: Hearing, event: Event) -> Hearing:
    return replace(hearing, notices=(*hearing.notices, str(event["detail"])))


def _closed(hearing: Hearing, event: Event) -> Hearing:
    return replace(hearing, closed=event, stage=str(event["outcome"]))


def _name(hearing: Hearing, agent_id: str) -> str:
    return hearing.names.get(agent_id, (agent_id, ""))[0]


PREFERS = {
    "synthesis": "the synthesis",
    "opinion": "the best opinion",
    "tie": "neither",
    None: "nothing that could be read",
}
_STEPS = {
    "session_started": _started,
    "queued": _queued,
    "stage_started": _stage,
    "agent_started": _agent,
    "opinion": _opinion,
    "review": _review,
    "revision": _revision,
    "synthesis": _draft,
    "guard_ballot": _guard,
    "absence": _absence,
    "ranking": _ranked,
    "final_answer": _answered,
    "notice": _notice,
    "session_closed": _closed,
}
