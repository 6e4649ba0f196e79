"""The program: its help, and the groups of commands that it takes in."""

import shutil

import typer

from serve_app.cli.commands import asking, developing, keeping, measuring, running

EPILOG = """
Start: ./council up, then ./council ask "Why is the sky blue?". \
Another PC: ./council up --lan prints the line to type there. \
Data are in ~/.llm-council (COUNCIL_HOME); ./council down keeps them.
"""

NARROW = 60
"""Columns below which a frame around the help would cut the options' names."""

program = typer.Typer(
    name="./council",
    help="Several local language models, on several PCs, answer one question together.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich" if shutil.get_terminal_size().columns >= NARROW else None,
)
for group in (running.group, asking.group, measuring.group, keeping.group, developing.group):
    program.add_typer(group)
