"""`./council mcp`: MCP over standard input and output, as desktop clients start it.

Standard output belongs to the protocol; the SDK sends there whatever else is printed to stderr.
"""

import asyncio
import sys
from typing import Any

import httpx
from mcp.server.stdio import stdio_server

from cluster.settings import Settings
from serve_app.cli.terminal import tell
from serve_app.mcp.caller import Caller
from serve_app.mcp.http_council import HttpCouncil
from serve_app.mcp.server import server_over


def run(settings: Settings, version: str, wait_s: float | None) -> None:
    """Returns once the client has left; what it was still asking is cancelled. `wait_s`: how long
    an answer is waited for by a call that does not say."""
    if sys.stdin.isatty():
        tell("This speaks MCP with a program that starts it. How: ./council mcp --help")
    asyncio.run(_serve(settings, version, wait_s))


async def _serve(settings: Settings, version: str, wait_s: float | None) -> None:
    timeout = httpx.Timeout(30, connect=5)
    async with httpx.AsyncClient(trust_env=False, timeout=timeout) as http:
        council = HttpCouncil(settings, http)

        async def caller_of(_: Any) -> Caller:
            return Caller(council, council.address, wait_s=wait_s)

        server = server_over(caller_of, version)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
