"""What a council was asked, as the items that a response's input is made of. Pure."""

from collections.abc import Iterator, Sequence
from typing import Literal

from actors.messages.requests import CouncilRequest
from serve_app.openai.faults import Refused
from serve_app.openai.shapes import Shape


def asked_items(name: str, request: CouncilRequest) -> list[Shape]:
    """Messages, oldest first: what was said before, and the question. What it goes on with is the
    input of the response before it. `name` = the response's, without its prefix."""
    return [
        {"id": f"msg_{name}_in_{number}", "type": "message", "status": "completed", **said}
        for number, said in enumerate(_said(request))
    ]


def page_of_items(
    items: Sequence[Shape], after: str | None, limit: int, order: Literal["asc", "desc"]
) -> Shape:
    """`limit` of them, behind the one whose id is `after`. Raises `Refused` where none has it."""
    there = list(items if order == "asc" else reversed(items))
    if after is not None:
        ids = [item["id"] for item in there]
        if after not in ids:
            raise Refused("There is no such item in this response's input.", "after")
        there = there[ids.index(after) + 1 :]
    page = there[:limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(there) > len(page),
    }


def _said(request: CouncilRequest) -> Iterator[Shape]:
    for turn in request.earlier or ():
        yield _from_user(turn.query)
        answer = {"type": "output_text", "text": turn.answer, "annotations": []}
        yield {"role": "assistant", "content": [answer]}
    yield _from_user(request.query)


def _from_user(text: str) -> Shape:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}
