"""The commands and their help. Each reads settings, changes them by its options, and hands on."""

import platform
import tomllib
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.settings import Settings, default_node_name
from serve_app.cli.terminal import Stop, say

ROOT = Path(__file__).parents[2]
EPILOG = """
Start: ./council up, then ./council ask "Why is the sky blue?". \
Another PC: ./council up --lan prints the line to type there. \
Data are in ~/.llm-council (COUNCIL_HOME); ./council down keeps them.
"""

program = typer.Typer(
    name="./council",
    help="Several local language models, on several PCs, answer one question together.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)

Port = Annotated[int | None, typer.Option(help="Port of the HTTP API (default 8000).")]
Embedded = Annotated[
    bool, typer.Option("--embedded", help="Use the built-in engine even where Ollama answers.")
]
Slots = Annotated[
    int | None,
    typer.Option(help="Models that may sit on this PC at once (default OLLAMA_MAX_LOADED_MODELS)."),
]
Name = Annotated[str | None, typer.Option(help="This PC's name in the council.")]


@program.command()
def up(
    lan: Annotated[
        bool, typer.Option("--lan", help="Let other PCs in; clients need the key then.")
    ] = False,
    address: Annotated[
        str | None, typer.Argument(metavar="[IP]", help="With --lan: this PC's address to use.")
    ] = None,
    embedded: Embedded = False,
    port: Port = None,
    slots: Slots = None,
    name: Name = None,
    coordinate_only: Annotated[
        bool, typer.Option("--no-models", help="No model on this PC: only those that join have.")
    ] = False,
) -> None:
    """Start the council on this PC.

    Finds Ollama (OLLAMA_HOST, else this PC) or starts a small built-in model, starts Ray's head,
    the council and its HTTP API, and prints what to type next.
    """
    from serve_app.cli import up as command

    if address is not None and not lan:
        raise Stop(f"An address ({address}) goes with --lan.", f"./council up --lan {address}")
    settings = _settings(port=port, max_loaded_models=slots, node_name=name)
    if lan:
        settings = command.on_lan(settings, address)
    command.up(settings, embedded, coordinate_only)


@program.command()
def down() -> None:
    """Stop everything of the council on this PC. Sessions are kept."""
    from serve_app.cli import up as command

    command.down(_settings())


@program.command()
def ask(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="The question; - reads it from standard input."),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL[=NAME]", help="A seat; repeat it for more (1 to 5)."),
    ] = None,
    chairman: Annotated[str | None, typer.Option(help="The chairman's model.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Seconds the whole may take.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the session as JSON.")] = False,
) -> None:
    """Ask the council, and watch it: opinions, reviews, synthesis.

    Exit code 0 only if there is an answer. Ctrl-C cancels the session.
    """
    from serve_app.cli import ask as command
    from serve_app.cli.client import client_of

    request = {
        "query": command.question_of(words or []),
        "selected_agents": command.seats_of(agent or []),
        "chairman_model": chairman,
        "deadline_s": deadline,
    }
    given = {name: value for name, value in request.items() if value is not None}
    raise typer.Exit(command.ask(client_of(_settings()), given, as_json))


@program.command()
def status() -> None:
    """PCs with CPU and RAM, model servers, models, open sessions."""
    from serve_app.cli import status as command
    from serve_app.cli.client import client_of

    command.status(client_of(_settings()))


@program.command()
def models() -> None:
    """Models that are installed, and where; and recommended ones."""
    from serve_app.cli import status as command
    from serve_app.cli.client import client_of

    command.models(client_of(_settings()))


@program.command()
def sessions(
    session_id: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", help="Print this one's minutes.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Only with that text.")] = (
        None
    ),
) -> None:
    """The history, newest first; or the minutes of one session."""
    from serve_app.cli import status as command
    from serve_app.cli.client import client_of

    client = client_of(_settings())
    if session_id:
        command.session(client, session_id)
    else:
        command.sessions(client, limit, search)


@program.command()
def join(
    head: Annotated[str, typer.Argument(metavar="PC1", help="PC1's address, as it printed it.")],
    token: Annotated[
        str | None, typer.Option(help="From the line that PC1 printed; kept for the next time.")
    ] = None,
    name: Name = None,
    embedded: Embedded = False,
    ollama_url: Annotated[
        str | None,
        typer.Option(help="Let that Ollama take part (a PC with Windows or macOS, say)."),
    ] = None,
    slots: Slots = None,
    ray_port: Annotated[int, typer.Option(help="Ray's port on PC1, if not 6379.")] = 6379,
) -> None:
    """Let this PC take part in the council of PC1, until Ctrl-C.

    PC1 prints the line to type: ./council up --lan
    """
    from cluster.ollama_url import OddUrl, host_of, model_server_url
    from serve_app.cli.join import join_with

    try:
        url = model_server_url(ollama_url) if ollama_url is not None else None
    except OddUrl as odd:
        raise Stop(f"--ollama-url: {odd}.", "Like: http://192.168.1.42:11434") from None
    default = default_node_name(host_of(url)) if url else None
    settings = _settings(max_loaded_models=slots, node_name=name or default, ollama_url=url)
    join_with(settings, head, token, ray_port, name is not None, embedded, url is not None)


@program.command()
def deploy(
    address: Annotated[
        str | None, typer.Option(help="Ray's head (host:port), if it is not found by itself.")
    ] = None,
) -> None:
    """Put the council onto a Ray head that runs already, as after: ray up ray_config.yaml"""
    from serve_app.cli.deploy import deploy as command

    command(_settings(ray_address=address))


@program.command()
def token() -> None:
    """Make the token that lets PCs in, if there is none, and say where it is (for ray up)."""
    from cluster.secret_files import TOKEN, secret

    home = _settings().home
    secret(home, TOKEN)
    say(f"The token is in {home / TOKEN}")


@program.command(
    "test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def run_tests(context: typer.Context) -> None:
    """Run the tests: unit wire integration real cluster, or those that are named.

    What this machine cannot run is SKIPPED, with the reason. Other words go to pytest:
    ./council test unit -k ballot -x
    """
    from serve_app.cli import tiers

    raise typer.Exit(tiers.run(context.args))


@program.command()
def lint() -> None:
    """Check style and types: ruff, mypy --strict."""
    from serve_app.cli import lint as command

    raise typer.Exit(command.run())


@program.command()
def version() -> None:
    """The versions that must be the same on all PCs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    say(f"LLM Council on Ray {project['version']}")
    say(f"Ray {version_of('ray')}, Python {platform.python_version()}")
    say(f"From {ROOT}")


def _settings(**options: Any) -> Settings:
    """The environment's settings, changed by the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    return Settings.having(**given)
