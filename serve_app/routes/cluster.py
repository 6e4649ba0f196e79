"""The PCs as places to work at: who serves, who is being taken out."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from actors.messages.message import Message
from actors.messages.nodes import NodeStanding
from serve_app.routes.answers import WITH_BODY, CouncilAtHand, json_answer, refusals

router = APIRouter(prefix="/api/cluster", tags=["cluster"])

NodeName = Annotated[str, Path(max_length=200, description="The PC's name, as `/nodes` tells it")]


class Cluster(Message):
    nodes: tuple[NodeStanding, ...]


class Drain(Message):
    """Nothing more is to be said: an empty object. Every POST has a body in JSON, which no form of
    a foreign page can send."""


@router.get("/nodes", response_model=Cluster, responses=refusals(503))
async def nodes(council: CouncilAtHand) -> Response:
    """Each PC: whether it serves, is being drained or is drained, and the calls that run there."""
    return json_answer(Cluster(nodes=await council.standings()))


@router.post(
    "/nodes/{name}/drain",
    status_code=202,
    response_model=NodeStanding,
    responses=refusals(*WITH_BODY, 404, 422, 503),
)
async def drain(name: NodeName, wish: Drain, council: CouncilAtHand) -> Response:
    """Begin to take a PC out: it gets no call that another PC can serve, what runs there ends, and
    it is `drained` once nothing open needs it. Its models are not offered to new questions."""
    return json_answer(await council.drain(name), 202)


@router.delete(
    "/nodes/{name}/drain",
    response_model=NodeStanding,
    responses=refusals(403, 404, 422, 503),
)
async def readmit(name: NodeName, council: CouncilAtHand) -> Response:
    """Let a PC in again, at whatever point its draining is."""
    return json_answer(await council.readmit(name))
