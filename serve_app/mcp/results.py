"""What the tools give: values whose JSON schemas clients see, and the same as text."""

from collections.abc import Iterable
from datetime import datetime

from actors.messages.message import Message
from actors.messages.nodes import ModelCatalogue
from actors.messages.sessions import CouncilSession, SessionSummary
from serve_app.mcp.caller import Caller

SHOWN = 300
"""Characters of a question in a list of sessions."""
SCHEME = "council://sessions/"


class Source(Message):
    """A seat whose opinion the answer is built on."""

    name: str
    model: str


class Place(Message):
    place: int
    name: str
    model: str
    mean_score: float
    """1 to 10, by the reviews."""
    votes: int


class Answer(Message):
    answer: str | None
    """None while the council still sits: get_session waits for it."""
    stage: str
    session_id: str
    page: str
    """Where a person reads the whole session: opinions, reviews, ranking."""
    resource: str
    chairman_model: str
    sources: tuple[Source, ...]
    ranking: tuple[Place, ...]
    degraded: bool
    """The answer is less than it could have been; `notices` say why."""
    truncated: bool
    notices: tuple[str, ...]


class Found(Message):
    session_id: str
    question: str
    stage: str
    degraded: bool
    created_at: datetime
    page: str
    resource: str
    follows: str | None = None


class FoundSessions(Message):
    """Newest first."""

    sessions: tuple[Found, ...]


class Installed(Message):
    model: str
    pcs: tuple[str, ...]


class Recommended(Message):
    model: str
    role: str
    size: str
    description: str
    installed: bool


class Models(Message):
    installed: tuple[Installed, ...]
    recommended: tuple[Recommended, ...]


def answer_of(session: CouncilSession, caller: Caller) -> Answer:
    """As it stands; what the chairman has not said yet is not there."""
    final = session.final_answer
    seats = {agent.agent_id: agent for agent in session.agents}
    cited = final.sources_cited if final else ()
    return Answer(
        answer=final.content if final else None,
        stage=session.stage,
        session_id=session.session_id,
        page=caller.page(session.session_id),
        resource=SCHEME + session.session_id,
        chairman_model=session.chairman_model,
        sources=tuple(
            Source(name=seats[one].name, model=seats[one].model) for one in cited if one in seats
        ),
        ranking=tuple(
            Place(
                place=one.place,
                name=seats[one.agent_id].name,
                model=seats[one.agent_id].model,
                mean_score=one.mean_score,
                votes=one.votes,
            )
            for one in session.ranking
        ),
        degraded=session.degraded,
        truncated=final is not None and final.truncated,
        notices=tuple(notice.detail for notice in session.notices),
    )


def footer(answer: Answer) -> str:
    """What stands below the answer, for clients that show text only."""
    places = ", ".join(f"{one.place}. {one.name} ({one.model})" for one in answer.ranking)
    lines = [
        f"Council session {answer.session_id}: {answer.page}",
        f"Ranking: {places}." if places else "",
        "Cut at the output limit." if answer.truncated else "",
        "Degraded: the answer is less than it could have been." if answer.degraded else "",
        *(f"Notice: {notice}" for notice in answer.notices),
    ]
    return "\n".join(filter(None, lines))


def found_of(sessions: Iterable[SessionSummary], caller: Caller) -> FoundSessions:
    return FoundSessions(
        sessions=tuple(
            Found(
                session_id=one.session_id,
                question=shortened(one.query, SHOWN),
                stage=one.stage,
                degraded=one.degraded,
                created_at=one.created_at,
                page=caller.page(one.session_id),
                resource=SCHEME + one.session_id,
                follows=one.follows,
            )
            for one in sessions
        )
    )


def found_text(found: FoundSessions) -> str:
    lines = [
        f"{one.session_id} {one.created_at:%Y-%m-%d %H:%M} {one.stage}: {one.question}"
        for one in found.sessions
    ]
    return "\n".join(lines) or "No session was found."


def models_of(catalogue: ModelCatalogue) -> Models:
    return Models(
        installed=tuple(
            Installed(model=name, pcs=catalogue.nodes.get(name, ())) for name in catalogue.installed
        ),
        recommended=tuple(
            Recommended(
                model=one.name,
                role=one.recommended_role,
                size=one.size,
                description=one.description,
                installed=one.installed,
            )
            for one in catalogue.recommended
        ),
    )


def models_text(models: Models) -> str:
    lines = [f"{one.model} on {', '.join(one.pcs)}" for one in models.installed]
    missing = [one for one in models.recommended if not one.installed]
    lines = ["Installed:", *lines] if lines else ["No PC offers a model."]
    if missing:
        lines += ["Recommended, not installed:"]
        lines += [f"{one.model} ({one.size}), {one.role}: {one.description}" for one in missing]
    return "\n".join(lines)


def shortened(text: str, length: int) -> str:
    """On one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
