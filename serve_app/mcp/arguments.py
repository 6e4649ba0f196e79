"""What the tools take, and how a council is asked for it. Their JSON schemas are what clients show
to their models: every description is written for one."""

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from actors.errors import InvalidRequest
from actors.messages.message import Message
from actors.messages.procedure import Mode
from actors.messages.requests import AgentSpec, CouncilRequest, SessionName

Wait = Annotated[
    float | None,
    Field(
        gt=0,
        le=86_400,
        description="Seconds to wait for the answer, for clients that give up on long calls. The "
        "session goes on after that, and get_session waits for it again. Left out: to the end.",
    ),
]
Seat = Annotated[str, StringConstraints(min_length=1, max_length=281)]


class Question(Message):
    question: str = Field(
        min_length=1, description="The whole question: the council sees nothing else."
    )
    mode: Mode | None = Field(
        default=None,
        description="fast: opinions only; standard: reviews and a synthesis; thorough: each "
        "opinion judged by itself, and written again where judges disagree. Left out: as "
        "configured.",
    )
    agents: tuple[Seat, ...] | None = Field(
        default=None,
        min_length=1,
        description="Installed models that answer, a seat each (list_models names them); "
        "`model=name` also names the seat. The same model twice is two seats. Left out: as "
        "configured.",
    )
    chairman: str | None = Field(
        default=None, description="The model that writes the final answer. Left out: as configured."
    )
    follows: SessionName | None = Field(
        default=None, description="The session_id that this question goes on with."
    )
    wait_s: Wait = None

    def request(self) -> CouncilRequest:
        """Raises `InvalidRequest`."""
        try:
            return CouncilRequest(
                query=self.question,
                mode=self.mode,
                selected_agents=tuple(map(_seat, self.agents)) if self.agents else None,
                chairman_model=self.chairman,
                follows=self.follows,
            )
        except ValidationError as error:
            raise InvalidRequest(sentence(error)) from None


class NoArguments(Message):
    pass


class OneSession(Message):
    session_id: SessionName = Field(description="A session's UUID.")
    wait_s: Annotated[
        float, Field(ge=0, le=86_400, description="Seconds to wait for its end, if it is open.")
    ] = 0


class Search(Message):
    text: str | None = Field(
        default=None,
        max_length=200,
        description="Only sessions with this text. Left out: the newest.",
    )
    limit: int = Field(default=10, ge=1, le=100, description="How many at most.")


def sentence(error: ValidationError) -> str:
    """Which argument is wrong and why, without what was sent."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _seat(text: str) -> AgentSpec:
    model, equals, name = text.partition("=")
    return AgentSpec(model=model, name=name if equals else None)
