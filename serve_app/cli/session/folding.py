"""Folds a session's events into what was heard of it. Pure."""

from dataclasses import replace

from serve_app.cli.session import voice as voices
from serve_app.cli.session.ballots import cast, refuse
from serve_app.cli.session.hearing import CHAIRMAN, Event, Hearing, at, name_of, seats
from serve_app.cli.session.voice import Voice

DELTAS = {
    "opinion_delta": "opinions",
    "review_delta": "review",
    "revision_delta": "revision",
    "synthesis_delta": "synthesis",
}
SOME_SPEAK = ("revision", "guard")
"""Stages in which not every seat speaks."""
BUSY = ("waiting", "asked", "thinking", "speaking")
"""States of a voice that has not come to an end."""


def heard(hearing: Hearing, event: Event, now: float = 0.0) -> Hearing:
    """The hearing after an event that came `now`, in seconds. Unknown kinds change nothing but the
    position."""
    kind = str(event.get("kind"))
    if kind in DELTAS:
        stage, agent_id = DELTAS[kind], str(event["agent_id"])
        return _with(
            hearing, stage, agent_id, voices.said(at(hearing, stage, agent_id), event, now)
        )
    hearing = replace(hearing, last_seq=max(hearing.last_seq, int(event.get("seq", 0))))
    step = _STEPS.get(kind)
    return step(hearing, event) if step else hearing


def _with(hearing: Hearing, stage: str, agent_id: str, voice: Voice) -> Hearing:
    return replace(hearing, voices={**hearing.voices, (stage, agent_id): voice})


def _answer(hearing: Hearing, stage: str, event: Event, text: str) -> Hearing:
    agent_id = str(event.get("agent_id", CHAIRMAN))
    voice = voices.answered(at(hearing, stage, agent_id), event, text)
    return _with(hearing, stage, agent_id, voice)


def _started(hearing: Hearing, event: Event) -> Hearing:
    names = {s["agent_id"]: (s["name"], s["model"]) for s in event["seats"]}
    names[CHAIRMAN] = ("Chairman", str(event["chairman_model"]))
    return replace(hearing, names=names)


def _queued(hearing: Hearing, event: Event) -> Hearing:
    """`place` 0: a PC has come to it, whatever it does before it asks."""
    return replace(hearing, queue=event if event["place"] else None)


def _loading(hearing: Hearing, event: Event) -> Hearing:
    return replace(hearing, loading=frozenset(event["models"]))


def _stage(hearing: Hearing, event: Event) -> Hearing:
    hearing = replace(hearing, stage=str(event["stage"]))
    sitting = [CHAIRMAN] if hearing.stage == "synthesis" else seats(hearing)
    sitting = [] if hearing.stage in SOME_SPEAK else sitting
    for agent_id in sitting:
        voice = at(hearing, hearing.stage, agent_id)
        hearing = _with(hearing, hearing.stage, agent_id, voice)
    return hearing


def _agent(hearing: Hearing, event: Event) -> Hearing:
    """It begins anew; the guard's judges are asked twice, and what they said first stays."""
    stage, agent_id = str(event["stage"]), str(event["agent_id"])
    before = at(hearing, stage, agent_id)
    voice = voices.asked(before, event)
    voice = replace(voice, text=before.text) if stage == "guard" else voice
    return _with(replace(hearing, queue=None), stage, agent_id, voice)


def _opinion(hearing: Hearing, event: Event) -> Hearing:
    return _answer(hearing, "opinions", event, str(event["content"]))


def _review(hearing: Hearing, event: Event) -> Hearing:
    ballots, judge = cast(hearing.ballots, event), str(event["agent_id"])
    votes = ballots.given[judge].items()
    told = ", ".join(f"{name_of(hearing, seat)} {vote['score']}/10" for seat, vote in votes)
    text = told or f"abstains: {ballots.why_not(judge)}"
    return _answer(replace(hearing, ballots=ballots), "review", event, text)


def _revision(hearing: Hearing, event: Event) -> Hearing:
    return _answer(hearing, "revision", event, str(event["content"]))


def _draft(hearing: Hearing, event: Event) -> Hearing:
    return _answer(hearing, "synthesis", {**event, "agent_id": CHAIRMAN}, str(event["content"]))


def _guard(hearing: Hearing, event: Event) -> Hearing:
    before = at(hearing, "guard", str(event["agent_id"]))
    said = [before.text] if before.text else []
    return _answer(hearing, "guard", event, ", then ".join([*said, PREFERS[event["better"]]]))


def _absence(hearing: Hearing, event: Event) -> Hearing:
    stage, agent_id = str(event["stage"]), str(event["agent_id"])
    detail = f"{event['code']}: {event['detail']}"
    if stage == "review":
        ballots = refuse(hearing.ballots, agent_id, str(event["detail"]))
        hearing = replace(hearing, ballots=ballots)
    voice = replace(at(hearing, stage, agent_id), state="absent", detail=detail, again="")
    return _with(hearing, stage, agent_id, voice)


def _ranked(hearing: Hearing, event: Event) -> Hearing:
    lines = [{**line, "name": name_of(hearing, line["agent_id"])} for line in event["ranking"]]
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
        said = sorted(set(count["answers"].values()))
        if len(said) == 1:
            return f"Only one of the opinions states an answer: {said[0]}."
        return f"The opinions answer {', '.join(said)}: none of them most often."
    return f"{count['votes']} of {len(count['answers'])} opinions answer {count['winner']}."


def _answered(hearing: Hearing, event: Event) -> Hearing:
    """A draft that the guard compared was counted already."""
    drafted = at(hearing, "synthesis", CHAIRMAN).state == "done"
    return replace(hearing if drafted else _draft(hearing, event), answer=event)


def _closed(hearing: Hearing, event: Event) -> Hearing:
    """Who was still at it was stopped."""
    ended = {
        key: replace(voice, state="stopped") if voice.state in BUSY else voice
        for key, voice in hearing.voices.items()
    }
    return replace(hearing, closed=event, stage=str(event["outcome"]), voices=ended)


PREFERS = {
    "synthesis": "the synthesis",
    "opinion": "the best opinion",
    "tie": "neither",
    None: "nothing that could be read",
}
_STEPS = {
    "session_started": _started,
    "queued": _queued,
    "loading": _loading,
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
    "session_closed": _closed,
}
