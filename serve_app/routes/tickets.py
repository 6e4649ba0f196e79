"""Tickets for browsers, which can send no header with a stream."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.requests import HTTPConnection

from actors.messages.message import Message
from serve_app.routes.answers import WITH_BODY, json_answer, refusals
from serve_app.tickets import LIFETIME_S, Tickets

router = APIRouter(prefix="/api/council", tags=["council"])


class TicketWish(Message):
    """Nothing more is to be said: an empty object, as for every POST."""


class Ticket(Message):
    """`ticket` opens one stream, once."""

    ticket: str
    expires_in_s: int = LIFETIME_S


async def _tickets(connection: HTTPConnection) -> Tickets:
    tickets: Tickets = connection.app.state.tickets
    return tickets


@router.post("/tickets", response_model=Ticket, responses=refusals(*WITH_BODY, 422))
async def issue(wish: TicketWish, tickets: Annotated[Tickets, Depends(_tickets)]) -> Response:
    """A ticket for `…/events?ticket=` or `/ws/…?ticket=`: asked for with the key, used once."""
    return json_answer(Ticket(ticket=tickets.issue()))
