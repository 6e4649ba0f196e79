"""Commands that start, stop and join PCs."""

from typing import Annotated

import typer

from cluster.settings import JOIN_TOKEN
from serve_app.cli import proposals
from serve_app.cli.commands import services
from serve_app.cli.commands.options import Embedded, Name, Port, Slots, node_of, settings_of
from serve_app.cli.terminal import Stop

PANEL = "PCs"
"""The heading in the help."""

group = typer.Typer()
group.add_typer(
    services.group,
    name="service",
    help="Let the council come back after a reboot.",
    rich_help_panel=PANEL,
)


@group.command(rich_help_panel=PANEL)
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
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay until Ctrl-C, then stop all (for services).")
    ] = False,
) -> None:
    """Start the council on this PC.

    Finds Ollama (OLLAMA_HOST, else this PC) or starts a small built-in model,
    starts Ray's head, the council and its HTTP API, and prints what to type next.
    After a crash it goes on where it stood. What runs already is left as it is.

    ./council up                      this PC alone, without keys

    ./council up --lan                other PCs may join; clients need a key

    ./council up --lan --no-models    this PC only coordinates

    ./council up --port 9000          where 8000 is taken

    ./council service install up      at every boot

    Something is wrong? ./council doctor
    """
    from serve_app.cli import up as command
    from serve_app.cli.pc1 import Wish

    if address is not None and not lan:
        raise Stop(f"An address ({address}) goes with --lan.", f"./council up --lan {address}")
    settings = settings_of(port=port, max_loaded_models=slots, node_name=name)
    if lan:
        settings = command.on_lan(settings, address)
    wish = Wish(settings, embedded, coordinate_only)
    command.keep(wish) if keep else command.up(wish)


@group.command(rich_help_panel=PANEL)
def down() -> None:
    """Stop everything of the council on this PC. Sessions are kept."""
    from serve_app.cli import up as command

    command.down(settings_of())


@group.command(rich_help_panel=PANEL)
def join(
    head: Annotated[str, typer.Argument(metavar="PC1", help="PC1's address, as it printed it.")],
    token: Annotated[
        str | None,
        typer.Option(
            envvar=JOIN_TOKEN,
            show_envvar=False,
            help="From the line that PC1 printed; kept for the next time. - asks for it.",
        ),
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
    from cluster.ollama_url import OddUrl, model_server_url
    from serve_app.cli.join import join_with

    try:
        url = model_server_url(ollama_url) if ollama_url is not None else None
    except OddUrl as odd:
        raise Stop(f"--ollama-url: {odd}.", "Like: http://192.168.1.42:11434") from None
    default = node_of(url) if url else None
    settings = settings_of(max_loaded_models=slots, node_name=name or default, ollama_url=url)
    join_with(settings, head, token, ray_port, name is not None, embedded, url is not None)


@group.command(rich_help_panel=PANEL)
def drain(
    node: Annotated[
        str,
        typer.Argument(
            metavar="PC", help="Its name; see ./council status.", autocompletion=proposals.pcs
        ),
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Let the PC in again.")] = False,
) -> None:
    """Take a PC out without failing a call; returns once it is empty.

    Calls that run there end, no new one comes, its models are unloaded. What open councils
    find on no other PC is still served. Then it can be switched off.
    """
    from serve_app.cli import drain as command
    from serve_app.cli.client import client_of

    (command.undo if undo else command.drain)(client_of(settings_of()), node)


@group.command(rich_help_panel=PANEL)
def deploy(
    address: Annotated[
        str | None, typer.Option(help="Ray's head (host:port), if it is not found by itself.")
    ] = None,
) -> None:
    """Put the council onto a Ray head that runs already, as after: ray up ray_config.yaml"""
    from serve_app.cli.deploy import deploy as command

    command(settings_of(ray_address=address))
