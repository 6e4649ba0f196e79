"""The council under the names by which clients ask for a model."""

from actors.messages.procedure import Mode

COUNCIL = "council"
"""In the mode that is configured."""
MODES: dict[str, Mode | None] = {
    COUNCIL: None,
    "council-fast": "fast",
    "council-thorough": "thorough",
}
LATEST = ":latest"


def is_council(model: str) -> bool:
    """Whether that name means a council, with or without Ollama's `:latest`."""
    return model.removesuffix(LATEST) in MODES


def mode_of(model: str) -> Mode | None:
    """The mode that a council's name asks for; None = the configured one."""
    return MODES[model.removesuffix(LATEST)]


def name_of(mode: Mode | None) -> str:
    """The name that asks for a mode; one that no name asks for has to be the configured one."""
    return next((name for name, asked in MODES.items() if asked == mode), COUNCIL)
