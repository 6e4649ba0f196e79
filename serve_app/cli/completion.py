"""What Tab may write next: takes the line up to the cursor, and prints a proposal a line.

The shells' side is in `shells.py`. Between them: a value, a tab, a description; or `FILES`, where
the shell is to propose its own files. Typer keeps its click to itself (`typer._click`).
"""

import sys

from typer._click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    split_arg_string,
)

from serve_app.cli.terminal import printable

VARIABLE = "_COUNCIL_COMPLETE"
"""What the shells set; `council` (the launcher) installs nothing and is silent where it is set."""
WORDS = "words"
ASKS = f"complete_{WORDS}"
"""The value of `VARIABLE`."""
FILES = ":files"
"""As a proposal's description: names of files belong here."""


class Line(ShellComplete):
    """The line comes as the only argument, whatever the shell: no shell's way to split words."""

    name = WORDS
    source_template = ""

    def source_vars(self) -> dict[str, str]:
        return {}

    def get_completion_args(self) -> tuple[list[str], str]:
        return parted(sys.argv[1] if len(sys.argv) > 1 else "")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """`--mode=fa` is one word: so are its proposals."""
        option, sign, _ = incomplete.partition("=")
        found = super().get_completions(args, incomplete)
        if not sign or not option.startswith("-"):
            return found
        return [CompletionItem(f"{option}={item.value}", help=item.help) for item in found]

    def format_completion(self, item: CompletionItem) -> str:
        if item.help == FILES:
            return FILES
        return f"{item.value}\t{printable(' '.join((item.help or '').split()))}"


def parted(line: str) -> tuple[list[str], str]:
    """The words behind the command's name, and the one that is being typed."""
    words = split_arg_string(line)
    if not line or line[-1].isspace():
        words.append("")
    return words[1:-1], words[-1]


add_completion_class(Line, WORDS)
