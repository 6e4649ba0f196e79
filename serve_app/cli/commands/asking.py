"""Commands that ask the council and show what it said."""

from typing import Annotated

import typer

from actors.messages.procedure import Mode
from serve_app.cli import proposals
from serve_app.cli.commands.options import Chairman, Seats, settings_of

PANEL = "Questions"
"""The heading in the help."""
Reasons = Annotated[
    bool,
    typer.Option(
        "--reasons",
        help="Show too why each judge gave what it gave, and a synthesis that the guard put aside.",
    ),
]

group = typer.Typer()


@group.command(rich_help_panel=PANEL)
def ask(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="The question; - reads it from standard input."),
    ] = None,
    agent: Seats = None,
    chairman: Chairman = None,
    mode: Annotated[
        Mode | None,
        typer.Option(
            help="fast: opinions only; standard: reviews and a synthesis; thorough: each opinion "
            "judged by itself, and written again where judges disagree."
        ),
    ] = None,
    follow: Annotated[
        str | None,
        typer.Option(
            "--continue",
            "-c",
            metavar="SESSION",
            help="Go on with that session: the council sees what was said. Its id or how it "
            "begins; last = the newest.",
        ),
    ] = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds the whole may take.")] = None,
    cache: Annotated[
        bool,
        typer.Option(help="Take what a model answered to the very same before; or ask it anew."),
    ] = True,
    reasons: Reasons = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the session as JSON.")] = False,
) -> None:
    """Ask the council, and watch it: opinions, reviews, synthesis.

    Exit code 0 only if there is an answer. Ctrl-C cancels the session.
    """
    from serve_app.cli import ask as command
    from serve_app.cli.client import client_of
    from serve_app.cli.show import whole_id

    client = client_of(settings_of())
    request = {
        "query": command.question_of(words or []),
        "selected_agents": command.seats_of(agent or []),
        "chairman_model": chairman,
        "mode": mode,
        "follows": whole_id(client, follow) if follow else None,
        "deadline_s": deadline,
        "cache": None if cache else False,
    }
    given = {name: value for name, value in request.items() if value is not None}
    raise typer.Exit(command.ask(client, given, as_json, reasons))


@group.command(rich_help_panel=PANEL)
def status() -> None:
    """PCs with CPU and RAM, model servers, models, open sessions."""
    from serve_app.cli import status as command
    from serve_app.cli.client import client_of

    command.status(client_of(settings_of()))


@group.command(rich_help_panel=PANEL)
def watch(
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
) -> None:
    """The council at a glance, over and over: PCs, models, open sessions."""
    from serve_app.cli import watch as command
    from serve_app.cli.client import client_of

    command.watch(client_of(settings_of()), every)


@group.command(rich_help_panel=PANEL)
def show(
    session_id: Annotated[
        str,
        typer.Argument(
            metavar="SESSION",
            help="Its id or how it begins; last = the newest.",
            autocompletion=proposals.sessions,
        ),
    ],
    reasons: Reasons = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the session as JSON.")] = False,
) -> None:
    """A session as ask showed it; one that is open is followed to its end."""
    from serve_app.cli import show as command
    from serve_app.cli.client import client_of

    raise typer.Exit(command.show(client_of(settings_of()), session_id, as_json, reasons))


@group.command("mcp", rich_help_panel=PANEL)
def serve_mcp(
    wait: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds that ask_council waits for the answer; after that the session goes on, "
            "and get_session has it. For clients that give up on long calls.",
        ),
    ] = None,
) -> None:
    """The council as tools of an MCP client (Claude Desktop and others), which starts this itself.

    The client's configuration, with this folder in place of /path/to:

    {"mcpServers": {"council": {"command": "/path/to/council", "args": ["mcp"]}}}

    Type any ./council command before, so that all is installed. Of a council on another PC: "env"
    with COUNCIL_HOST and COUNCIL_PORT, and its key in api_key in a COUNCIL_HOME of its own. Clients
    that speak HTTP need no command: http://127.0.0.1:8000/mcp. See docs/clients-mcp.md.
    """
    from serve_app.cli.commands.developing import project_version
    from serve_app.mcp import stdio

    stdio.run(settings_of(), project_version(), wait)


@group.command(rich_help_panel=PANEL)
def models() -> None:
    """Models that are installed, and where; and recommended ones."""
    from serve_app.cli import status as command
    from serve_app.cli.client import client_of

    command.models(client_of(settings_of()))


@group.command(rich_help_panel=PANEL)
def sessions(
    session_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[SESSION]",
            help="Print this one's minutes.",
            autocompletion=proposals.sessions,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Only with that text.")] = (
        None
    ),
) -> None:
    """The history, newest first; or the minutes of one session."""
    from serve_app.cli import status as command
    from serve_app.cli.client import client_of

    client = client_of(settings_of())
    if session_id:
        command.session(client, session_id)
    else:
        command.sessions(client, limit, search)
