"""`./council service`: commands that make the council come back after a reboot."""

from typing import Annotated, Any

import typer

from serve_app.cli import proposals
from serve_app.cli.commands.options import node_of, settings_of
from serve_app.cli.terminal import Stop

group = typer.Typer(no_args_is_help=True)

System = Annotated[
    bool, typer.Option("--system", help="A service of the whole PC (as root), not of your own.")
]
User = Annotated[
    str | None, typer.Option(envvar="SUDO_USER", help="With --system: the user that it runs as.")
]


@group.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def install(
    context: typer.Context,
    command: Annotated[
        str,
        typer.Argument(
            metavar="up|join", help="What is to come back.", autocompletion=proposals.services
        ),
    ],
    system: System = False,
    user: User = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print the unit, write and start nothing.")
    ] = False,
) -> None:
    """Let up or join come back after a reboot, with all that you would type behind it.

    ./council service install up --lan

    ./council service install join 192.168.1.10 --token -
    """
    from serve_app.cli import service
    from serve_app.cli.join import asked_token

    words = [command, *context.args]
    given = _read(words)
    token, node = given.get("token"), _node(given)
    runs_as = _user(system, user)
    home = service.home_of(runs_as) if runs_as else None
    settings = settings_of()
    if home is not None and "home" not in settings.model_fields_set:
        settings = settings.model_copy(update={"home": home})
    wanted = service.service_of(words, settings, runs_as, node)
    if show:
        return service.print_unit(wanted)
    service.install(wanted, settings, asked_token() if token == "-" else token)


@group.command()
def remove(
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="[up|join]", help="Which one; else all.", autocompletion=proposals.services
        ),
    ] = None,
    system: System = False,
) -> None:
    """End the services and forget them. Sessions, keys and models are kept."""
    from serve_app.cli import service

    service.remove(service.Systemd("root" if system else None), command)


@group.command()
def status(system: System = False) -> None:
    """What is installed, and whether it runs."""
    from serve_app.cli import service

    service.status(service.Systemd("root" if system else None))


def _read(words: list[str]) -> dict[str, Any]:
    """The parameters, as the command itself would read its words: what it refuses is refused here,
    and not at the next boot. Raises `Stop`, and the command's own usage error."""
    from serve_app.cli.program import program

    if words[0] not in ("up", "join"):
        raise Stop(f"{words[0]} cannot be a service.", "Type: ./council service install up")
    command = typer.main.get_group(program).commands[words[0]]
    given = command.make_context(words[0], words[1:]).params
    if given.get("address") and not given.get("lan"):
        raise Stop("An address goes with --lan.")
    return given


def _node(given: dict[str, Any]) -> str | None:
    """The PC's name, if it is not to be called as its host is. Raises `Stop`, `InvalidSettings`."""
    from cluster.ollama_url import OddUrl

    url, name = given.get("ollama_url"), given.get("name")
    try:
        node: str | None = name or (node_of(url) if url else None)
    except OddUrl as odd:
        raise Stop(f"--ollama-url: {odd}.", "Like: http://192.168.1.42:11434") from None
    settings_of(port=given.get("port"), max_loaded_models=given.get("slots"), node_name=node)
    return node


def _user(system: bool, user: str | None) -> str | None:
    if not system:
        return None
    return user or "root"
