"""Options that several commands have, and the settings that they change."""

from typing import Annotated, Any

import typer

from cluster.ollama_url import host_of, model_server_url
from cluster.settings import Settings, default_node_name
from serve_app.cli import proposals

Port = Annotated[int | None, typer.Option(help="Port of the HTTP API (default 8000).")]
Embedded = Annotated[
    bool, typer.Option("--embedded", help="Use the built-in engine even where Ollama answers.")
]
Slots = Annotated[
    int | None,
    typer.Option(help="Models that may sit on this PC at once (default OLLAMA_MAX_LOADED_MODELS)."),
]
Seats = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL[=NAME]",
        help="A seat; repeat it for more (1 to 5).",
        autocompletion=proposals.models,
    ),
]
Chairman = Annotated[
    str | None, typer.Option(help="The chairman's model.", autocompletion=proposals.models)
]
Name = Annotated[str | None, typer.Option(help="This PC's name in the council.")]


def settings_of(**options: Any) -> Settings:
    """The environment's settings, changed by the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    return Settings.having(**given)


def node_of(ollama_url: str) -> str:
    """What a PC is called that takes part by its Ollama alone. Raises `OddUrl`."""
    return default_node_name(host_of(model_server_url(ollama_url)))
