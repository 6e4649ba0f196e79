"""What is told while a council sits, to clients that show only one text: a line for each thing that
happened. Folds a session's events; knows no protocol."""

from actors.messages.events import (
    CHAIRMAN,
    AbsenceNoted,
    AgentStarted,
    GuardHeard,
    LiveEvent,
    NoticeGiven,
    OpinionHeard,
    RankingMade,
    ReviewHeard,
    RevisionHeard,
    SessionStarted,
    StageStarted,
    StoredEvent,
)

STAGES = {
    "opinions": "Opinions",
    "review": "Reviews",
    "revision": "Second thoughts",
    "synthesis": "Synthesis",
    "guard": "The guard compares the synthesis with the best opinion",
}
PREFERS = {
    "synthesis": "prefers the synthesis",
    "opinion": "prefers the best opinion",
    "tie": "prefers neither",
    None: "says nothing that could be read",
}
"""One comparison; a judge makes two."""


class Progress:
    """Of one session: tell it every event, in order."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {CHAIRMAN: "The chairman"}

    def line(self, event: StoredEvent | LiveEvent) -> str | None:
        """What the event is worth telling, without a line end; None = nothing."""
        match event:
            case SessionStarted():
                self._names |= {seat.agent_id: seat.name for seat in event.seats}
                seated = ", ".join(f"{seat.name} ({seat.model})" for seat in event.seats)
                return f"The council sits: {seated}."
            case StageStarted():
                return f"{STAGES[event.stage]} …"
            case AgentStarted(former=failed) if failed is not None:
                who, why = self._who(event.agent_id), failed.detail
                return f"{who} is asked again, on {event.node}: {why}"
            case OpinionHeard():
                return f"{self._who(event.agent_id)} on {event.node} has answered{_cached(event)}."
            case RevisionHeard():
                return f"{self._who(event.agent_id)} has answered again."
            case ReviewHeard(rankings=()):
                return f"{self._who(event.agent_id)} abstains: its ballot could not be read."
            case ReviewHeard():
                scores = (f"{self._who(v.agent_id)} {v.score}/10" for v in event.rankings)
                return f"{self._who(event.agent_id)} gives {', '.join(scores)}."
            case RankingMade():
                return self._ranked(event)
            case GuardHeard(better=better):
                return f"{self._who(event.agent_id)} {PREFERS[better]}."
            case AbsenceNoted():
                return f"{self._who(event.agent_id)} is missing from {event.stage}: {event.detail}"
            case NoticeGiven():
                return event.detail
            case _:
                return None

    def _ranked(self, event: RankingMade) -> str:
        places = (f"{one.place}. {self._who(one.agent_id)}" for one in event.ranking)
        agreed = f" {event.agreement.sentence}" if event.agreement else ""
        return f"Ranking: {', '.join(places)}.{agreed}"

    def _who(self, agent_id: str) -> str:
        return self._names.get(agent_id, agent_id)


def _cached(event: OpinionHeard) -> str:
    return ", from the cache" if event.cached else ""
