"""The MCP server: the SDK's protocol over our tools and resources. Knows no transport.

The SDK's lower level, not `MCPServer`: that one sets up logging for the whole process, puts its own
words in front of our sentences, and lists only resources that are known beforehand.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)
from pydantic import ValidationError

from actors.errors import CouncilError
from actors.mistakes import told
from serve_app.mcp import resources
from serve_app.mcp.arguments import sentence
from serve_app.mcp.caller import Caller
from serve_app.mcp.tools import TOOLS, failed

NAME = "llm-council"
TITLE = "LLM Council on Ray"
INSTRUCTIONS = (
    "A council of local language models: ask_council puts a question to several of them, which "
    "review each other before a chairman answers. It is slow and thorough: use it where a second "
    "opinion is worth minutes. Earlier sessions can be searched, read and gone on with."
)
OURS = "Something is wrong on the council's side; its log tells more."

Context = ServerRequestContext[Any, Any]
CallerOf = Callable[[Any], Awaitable[Caller]]
"""From the HTTP request that a message came with (None on standard input) to who calls."""

Found = TypeVar("Found")

log = logging.getLogger(__name__)


def server_over(caller_of: CallerOf, version: str) -> Server[Any]:
    """A server for one transport; it holds no state of a client."""

    async def list_tools(
        context: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[tool.definition for tool in TOOLS.values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        if params.name not in TOOLS:
            raise MCPError(INVALID_PARAMS, f"There is no such tool; there are {', '.join(TOOLS)}.")
        return await _called(context, params, await caller_of(context.request))

    async def list_resources(
        context: Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        caller = await caller_of(context.request)
        return await _guarded(resources.listed(caller, params.cursor if params else None))

    async def list_templates(
        context: Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return resources.templates()

    async def read_resource(
        context: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        return await _guarded(resources.read(await caller_of(context.request), str(params.uri)))

    server: Server[Any] = Server(
        NAME,
        version=version,
        title=TITLE,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
    server.middleware.clear()  # its spans: a session's trace is ours, and begins in the caller's
    return server


async def _called(
    context: Context, params: CallToolRequestParams, caller: Caller
) -> CallToolResult:
    """The rim: whatever goes wrong is a sentence for the calling model."""
    tool = TOOLS[params.name]

    async def report(progress: float, line: str) -> None:
        await context.session.report_progress(progress, None, line)

    try:
        arguments = tool.arguments.model_validate(params.arguments or {})
    except ValidationError as error:
        return failed(sentence(error))
    try:
        return await tool.call(arguments, caller, report)
    except CouncilError as error:
        return failed(error.detail)
    except Exception as error:
        log.error("tool %s failed: %s", params.name, told(error))
        log.debug("tool %s", params.name, exc_info=error)
        return failed(OURS)


async def _guarded(reading: Awaitable[Found]) -> Found:
    try:
        return await reading
    except CouncilError as error:
        raise MCPError(INTERNAL_ERROR, error.detail, {"code": error.code}) from None
    except MCPError:
        raise
    except Exception as error:
        log.error("a resource could not be read: %s", told(error))
        log.debug("resource", exc_info=error)
        raise MCPError(INTERNAL_ERROR, OURS) from None
