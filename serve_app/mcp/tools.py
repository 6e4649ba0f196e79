"""The tools: what each is for, what it takes, what it does. The same over every transport."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations

from actors.council.telling.export import markdown
from actors.errors import council_failed
from actors.messages.message import Message
from serve_app.mcp.arguments import NoArguments, OneSession, Question, Search
from serve_app.mcp.asking import Report, ask, heard_out
from serve_app.mcp.caller import Caller
from serve_app.mcp.results import (
    Answer,
    FoundSessions,
    Models,
    answer_of,
    footer,
    found_of,
    found_text,
    models_of,
    models_text,
)

STILL_SITS = (
    "The council still sits. Read the answer later with get_session, which can also wait for it: "
    "session_id {}, {}"
)


@dataclass(frozen=True)
class CouncilTool:
    """`call` is given what `arguments` made of the client's; it raises `CouncilError`s."""

    definition: Tool
    arguments: type[Message]
    call: Callable[[Any, Caller, Report], Awaitable[CallToolResult]]


async def ask_council(question: Question, caller: Caller, report: Report) -> CallToolResult:
    wait_s = caller.wait_s if question.wait_s is None else question.wait_s
    session = await ask(question.request(), caller, report, wait_s)
    answer = answer_of(session, caller)
    if session.stage == "error":
        why = f"{session.error or 'No answer came of it.'} The session is kept: "
        kept = f"{why}{answer.session_id}, {answer.page}"
        raise council_failed(session.error_code or "", kept, answer.session_id)
    if answer.answer is None:
        return _given(answer, STILL_SITS.format(answer.session_id, answer.page))
    return _given(answer, answer.answer, footer(answer))


async def list_models(_: NoArguments, caller: Caller, report: Report) -> CallToolResult:
    models = models_of(await caller.council.catalogue())
    return _given(models, models_text(models))


async def get_session(wanted: OneSession, caller: Caller, report: Report) -> CallToolResult:
    if wanted.wait_s:
        session = await heard_out(wanted.session_id, caller, report, wanted.wait_s)
    else:
        session = await caller.council.session(wanted.session_id)
    return CallToolResult(content=[_text(markdown(session))])


async def search_sessions(search: Search, caller: Caller, report: Report) -> CallToolResult:
    found = found_of(await caller.council.sessions(search.limit, None, search.text or None), caller)
    return _given(found, found_text(found))


def failed(sentence: str) -> CallToolResult:
    """What the calling model is told when it did not work."""
    return CallToolResult(content=[_text(sentence)], is_error=True)


def _given(structured: Message, *texts: str) -> CallToolResult:
    return CallToolResult(
        content=[_text(text) for text in texts],
        structured_content=structured.model_dump(mode="json"),
    )


def _text(text: str) -> TextContent:
    return TextContent(text=text)


def _tool(
    call: Callable[[Any, Caller, Report], Awaitable[CallToolResult]],
    arguments: type[Message],
    result: type[Message] | None,
    title: str,
    description: str,
    *,
    reads: bool = True,
) -> CouncilTool:
    """A tool of the function's name. `reads`: it changes nothing."""
    hints = ToolAnnotations(
        read_only_hint=reads, destructive_hint=False, idempotent_hint=reads, open_world_hint=False
    )
    definition = Tool(
        name=call.__name__,
        title=title,
        description=description,
        input_schema=arguments.model_json_schema(),
        output_schema=result.model_json_schema(mode="serialization") if result else None,
        annotations=hints,
    )
    return CouncilTool(definition, arguments, call)


_ALL = (
    _tool(
        ask_council,
        Question,
        Answer,
        "Ask the council",
        "Several local language models answer the question, review each other's answers without "
        "names, and a chairman writes the final answer. It takes from seconds to many minutes; "
        "progress is reported meanwhile, and cancelling the call cancels the session. The council "
        "knows nothing of this conversation: put all it needs into the question, or go on with an "
        "earlier session by `follows`.",
        reads=False,
    ),
    _tool(
        list_models,
        NoArguments,
        Models,
        "List the council's models",
        "The models that are installed and on which PC, and recommended ones.",
    ),
    _tool(
        get_session,
        OneSession,
        None,
        "Read a session",
        "The minutes of a session as Markdown: question, answer, ranking, every opinion and "
        "review, who was missing, tokens and times. Of one that is open: as it stands, or with "
        "wait_s once it has ended.",
    ),
    _tool(
        search_sessions,
        Search,
        FoundSessions,
        "Search earlier sessions",
        "Earlier questions to the council, newest first, by a text in them.",
    ),
)
TOOLS = {tool.definition.name: tool for tool in _ALL}
