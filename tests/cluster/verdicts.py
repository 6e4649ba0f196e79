"""What a chaos run is worth: clients' logs, the store and the fakes' ledger, compared.

Pure. Every promise that was broken becomes a sentence; a run without sentences has passed.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from actors.council.session import Session, replay
from actors.council.telling import minutes
from actors.messages.events import CHAIRMAN, STORED_EVENT
from actors.sessions.calls import ATTEMPTS
from tests.cluster.clients import OVER, Inquiry
from tests.cluster.ledger import Chat, Step

Stored = Mapping[str, Sequence[dict[str, Any]]]
"""Session's id → its events in order, as the store has them at the end."""
ANSWERS = {
    "opinion": "opinions",
    "review": "review",
    "synthesis": "synthesis",
    "guard_ballot": "guard",
}
"""An answer's kind → its stage."""
PART = "ballot"
"""Chats of that stage are the second half of a call that counts by its first."""
RULE_S = 45.0
"""A model whose PC is gone is waited for so long; only after that may a council do without."""
AT_ONCE = {"head": 6, "raylet": 3}
"""Calls that may be underway where that dies, one at each agent: of all PCs, of one of them."""
EVERYWHERE = ("head", "orchestrator", "replica")
"""Who has a hand in the calls at all PCs; the others in those of their own."""
SCRIPTED = "answer"
"""A model server's next answer ends in the middle, whenever that is."""
SLACK_S = 10.0
"""A kill may hit a call that was sent a moment later: who is dead is not known at once."""


@dataclass(frozen=True)
class Kill:
    """`at` and `back_at` (of a PC: when it served again) in monotonic seconds; `joins` = how often
    the PC had joined by then."""

    at: float
    kind: str
    pc: str
    joins: int = 0
    back_at: float | None = None


@dataclass(frozen=True)
class Verdict:
    councils: int
    complete: int
    degraded: int
    kills: int
    calls: int
    repeated: int
    """Model calls beyond one a step."""
    reconnects: int
    retried_posts: int
    longest_s: float
    median_s: float
    broken: tuple[str, ...]
    repeats_by: Mapping[str, int] = field(default_factory=dict)
    """Repeated calls by the kind of the first kill after they were sent."""


def judge(
    inquiries: Sequence[Inquiry],
    stored: Stored,
    ledger: Mapping[Step, Sequence[Chat]],
    kills: Sequence[Kill],
    wall: float,
) -> Verdict:
    """`wall` = seconds since the epoch at monotonic 0, to compare the store's times."""
    ends = [stored[i.session_id][-1] for i in inquiries if stored.get(i.session_id)]
    ledger = {step: chats for step, chats in ledger.items() if step[1] != PART}
    again = {s: chats for s, chats in ledger.items() if len(chats) > 1}
    broken = [
        *_ended(inquiries, stored),
        *_one_session_each(inquiries, stored),
        *(s for i in inquiries for s in _heard(i, stored.get(i.session_id, ()))),
        *(s for events in stored.values() for s in _record(events)),
        *_asked_again(again, inquiries, stored, kills, wall),
        *_degraded_without_reason(inquiries, stored, kills, wall),
    ]
    cut = [chat for chats in again.values() for chat in chats[:-1]]
    took = [i.ended_at - i.asked_at for i in inquiries] or [0.0]
    return Verdict(
        councils=len(inquiries),
        complete=sum(end.get("outcome") == "complete" for end in ends),
        degraded=sum(_is_degraded(stored.get(i.session_id, ())) for i in inquiries),
        kills=len(kills),
        calls=sum(map(len, ledger.values())),
        repeated=len(cut),
        reconnects=sum(max(0, i.streams - 1) for i in inquiries),
        retried_posts=sum(i.posts - 1 for i in inquiries),
        longest_s=max(took),
        median_s=statistics.median(took),
        broken=tuple(broken),
        repeats_by=Counter(_next_after(chat.at, kills) for chat in cut),
    )


def _ended(inquiries: Iterable[Inquiry], stored: Stored) -> Iterator[str]:
    """Every accepted council has ended well, and its client knows; no client was let down."""
    for inquiry in inquiries:
        yield from (f"{_name(inquiry)}: {trouble}" for trouble in inquiry.troubles)
        events = stored.get(inquiry.session_id, ())
        if not events or events[-1]["kind"] != OVER:
            yield f"{_name(inquiry)} has not ended; {len(events)} events"
        elif events[-1]["outcome"] != "complete":
            yield f"{_name(inquiry)} ended with {events[-1]['error_code']}"


def _one_session_each(inquiries: Sequence[Inquiry], stored: Stored) -> Iterator[str]:
    """A key has one session, and nobody has any other."""
    for inquiry in inquiries:
        if len(inquiry.session_ids) > 1:
            yield f"{_name(inquiry)} was given {len(inquiry.session_ids)} sessions for one key"
    named = {session_id for inquiry in inquiries for session_id in inquiry.session_ids}
    for session_id in stored.keys() - named:
        yield f"session {session_id} is nobody's: {stored[session_id][0]['request']['query']}"


def _heard(inquiry: Inquiry, events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What the client was told is what the store has: no gap, no repeat, nothing changed."""
    numbers = [number for number, _ in inquiry.told]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{_name(inquiry)} heard {numbers}"
    if len(numbers) != len(events):
        yield f"{_name(inquiry)} heard {len(numbers)} of {len(events)} events"
    for (_, told), kept in zip(inquiry.told, events, strict=False):
        if told != kept:
            yield f"{_name(inquiry)}: event {kept['seq']} was told as another one"


def _record(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A record counts from 1 without gaps, ends once, and has one answer of a seat a stage."""
    session_id = events[0]["session_id"]
    if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
        yield f"session {session_id} counts {[event['seq'] for event in events]}"
    if [event["kind"] for event in events].count(OVER) > 1:
        yield f"session {session_id} ended more than once"
    answers = Counter(
        (e["kind"], e["agent_id"], e.get("first")) for e in events if e["kind"] in ANSWERS
    )
    for (kind, agent_id, _), count in answers.items():
        if count > 1:
            yield f"session {session_id} has {count} of {kind} by {agent_id}"


def _asked_again(
    again: Mapping[Step, Sequence[Chat]],
    inquiries: Sequence[Inquiry],
    stored: Stored,
    kills: Sequence[Kill],
    wall: float,
) -> Iterator[str]:
    """A step that is stored is not asked again, and each repeat has a kill that cut its call."""
    repeats, excused = sum(len(chats) - 1 for chats in again.values()), _cuts(kills, inquiries)
    if repeats > excused:
        yield f"{repeats} repeated calls, and the kills can have cut {excused}: {sorted(again)}"
    by_number = {inquiry.number: stored.get(inquiry.session_id, ()) for inquiry in inquiries}
    for step, chats in again.items():
        answered = _answered_at(step, by_number.get(step[0], ()), wall)
        if answered is not None and chats[-1].at > answered:
            yield f"{step} was asked again {chats[-1].at - answered:.3f} s after it was stored"
        reasons = sum(_may_cut(kill, step, chats) for kill in kills)
        if len(chats) - 1 > reasons:
            yield f"{step} was asked {len(chats)} times with {reasons} kills at hand: {chats}"


def _cuts(kills: Iterable[Kill], inquiries: Sequence[Inquiry]) -> int:
    """How many calls such kills cut at the most; a chairman has one for each council at a time."""
    return sum(
        sum(inquiry.asked_at <= kill.at <= inquiry.ended_at for inquiry in inquiries)
        if kill.kind == "chairman"
        else AT_ONCE.get(kill.kind, 1)
        for kill in kills
    )


def _may_cut(kill: Kill, step: Step, chats: Sequence[Chat]) -> bool:
    """Whether one of the calls that were asked again was within that kill's reach."""
    since = 0.0 if kill.kind == SCRIPTED else chats[0].at - SLACK_S
    if not since <= kill.at <= chats[-1].at:
        return False
    if kill.kind == "chairman":
        return step[1] == "synthesis"
    return kill.kind in EVERYWHERE or kill.pc in {chat.pc for chat in chats[:-1]}


def _answered_at(step: Step, events: Sequence[dict[str, Any]], wall: float) -> float | None:
    """When the step's stored answer was heard, in monotonic seconds."""
    _, stage, who = step
    if not events:
        return None
    agent_id = CHAIRMAN if stage == "synthesis" else who.split()[0]
    stored = [
        datetime.fromisoformat(event["at"]).timestamp() - wall
        for event in events
        if ANSWERS.get(event["kind"]) == stage and event.get("agent_id") == agent_id
    ]
    wanted = 2 if stage == "guard" else 1  # which order was heard when is not known here
    return stored[-1] if len(stored) == wanted else None


def _degraded_without_reason(
    inquiries: Sequence[Inquiry], stored: Stored, kills: Sequence[Kill], wall: float
) -> Iterator[str]:
    """Only a PC that was gone for longer than the rule excuses an absence, or as many kills while
    the question was open as a call is tried."""
    gone = [(k.at, k.back_at) for k in kills if k.back_at and k.back_at - k.at > RULE_S]
    for inquiry in inquiries:
        events = stored.get(inquiry.session_id, ())
        absences = [event for event in events if event["kind"] == "absence"]
        excused = any(at < inquiry.ended_at and back > inquiry.asked_at for at, back in gone)
        hit = sum(inquiry.asked_at <= kill.at <= inquiry.ended_at for kill in kills)
        used_up = hit >= ATTEMPTS and all(e["attempts"] >= ATTEMPTS for e in absences)
        if _is_degraded(events) and not excused and not (absences and used_up):
            absent = [
                f"{e['agent_id']} in {e['stage']}: {e['code']} after {e['attempts']}"
                for e in absences
            ]
            yield f"{_name(inquiry)} is degraded: {absent or 'by a notice'}"


def _is_degraded(events: Sequence[dict[str, Any]]) -> bool:
    return bool(events) and minutes.is_degraded(_session(events))


def _session(events: Sequence[dict[str, Any]]) -> Session:
    return replay([STORED_EVENT.validate_python(event) for event in events])


def _next_after(at: float, kills: Sequence[Kill]) -> str:
    """The kind of the first kill at that time or later."""
    after = sorted((kill.at, kill.kind) for kill in kills if kill.at >= at)
    return after[0][1] if after else "none"


def _name(inquiry: Inquiry) -> str:
    return f"inquiry {inquiry.number} ({inquiry.session_id or 'not accepted'})"
