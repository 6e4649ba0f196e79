"""Requests that chat front ends send beside a question, under the same model's name: a title, tags,
follow-up questions, a search query, the end of a sentence. They are no questions for a council.

Recognised by the words that the front ends document for them, and by markers of the user's own
(`COUNCIL_TASK_MARKERS`). Wrong guesses go both ways: a council that answers "Sky blue 🌈" costs
minutes, a question that a small model answers costs the council, so both a beginning and a
part are looked for where the front end has both.
"""

import re
from collections.abc import Sequence

from actors.council.table.model_names import resolve
from actors.council.table.seating import may_chat
from actors.messages.nodes import NodeReport
from serve_app.clients.local_models import installed

LOOKED_AT = 20_000
"""Characters of the last message; front ends put their order at its beginning."""
_TASK = "### Task:"
_HISTORY = re.compile(r"^(?:<chat_history>|<text>)", re.MULTILINE)
"""Where Open WebUI's templates have what was said: a line of its own, unlike in a question about
them."""
_TASKS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE)
    for pattern in (
        # Open WebUI: what was said long ago in few words, the face of its voice call, its memory
        r"\A\s*### Task:\s*Summarize the conversation history\b.*^### Messages Being Compacted:",
        r"\A\s*Your task is to reflect the speaker's likely facial expression\b.{,40}\bemoji\b",
        r"\A\s*Review the completed conversation turn and decide whether long-term memory should\b",
        # LibreChat, Lobe Chat, Chatbox, LangChain's chat front ends: titles
        r"\A.{0,200}\b(concise|short|brief).{0,60}\btitle\b.{0,80}\bth(e|is) (conversation|chat)\b",
        r"\A.{0,200}\bsummari[sz]e\b.{0,120}\b(conversation|chat)\b.{0,80}\b(title|words)\b",
        r"\A.{0,80}\bgenerate a title for (this|the) (conversation|chat)\b",
    )
)


def is_side_request(text: str, markers: Sequence[str] = (), instructions: str = "") -> bool:
    """Whether `text`, the user's last message, is one. `markers`: the user's own, in any case;
    `instructions`: what the client's system message says."""
    looked_at = text[:LOOKED_AT]
    folded = looked_at.casefold()
    if any(marker.casefold() in folded for marker in markers if marker):
        return True
    if _fills_in(looked_at) or _picks_tools(looked_at, instructions):
        return True
    return any(task.search(looked_at) for task in _TASKS)


def _fills_in(text: str) -> bool:
    """One of Open WebUI's templates (titles, tags, follow-ups, queries, pictures, autocompletion):
    all ask for JSON made of what was said. Its template for a question about documents begins
    alike, and has them in <context>."""
    found = _HISTORY.search(text)
    order = text[: found.start()].lstrip() if found else ""
    return order.startswith(_TASK) and "JSON" in order and "<context>" not in order


def _picks_tools(text: str, instructions: str) -> bool:
    """Open WebUI, where tools are not the model's own ("legacy"), asks first which to use."""
    asks = text.startswith(("Query: ", "History:\n"))
    return asks and instructions.startswith("Available Tools: ") and "tool_calls" in instructions


def task_model(wanted: str | None, reports: Sequence[NodeReport]) -> str | None:
    """The model that answers them: the one that is `wanted`, else the smallest that can chat; None
    where no PC has one."""
    there = installed(reports)
    if wanted and (found := resolve(wanted, there)):
        return found
    sizes = sorted((model.size, name) for name, model in there.items() if may_chat(model))
    return sizes[0][1] if sizes else None
