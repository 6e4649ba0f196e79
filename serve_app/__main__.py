"""`python -m serve_app`: the commands, and every expected failure in plain words."""

import sys

from cluster.ports import NoFreePorts
from cluster.settings import InvalidSettings
from serve_app.cli.completion import VARIABLE
from serve_app.cli.program import program
from serve_app.cli.terminal import PLAIN, Stop, show_stop

FAILED, INTERRUPTED = 1, 130


def main() -> int:
    """The exit code."""
    if PLAIN:
        plain_help()
    try:
        program(prog_name="./council", complete_var=VARIABLE)
    except Stop as stop:
        show_stop(*stop.lines)
    except (InvalidSettings, NoFreePorts) as error:
        show_stop(str(error))
    except KeyboardInterrupt:
        show_stop("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left; Python would complain at its end
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return FAILED


def plain_help() -> None:
    """Typer's help and its complaints about what was typed, without a control code."""
    from typer import rich_utils

    rich_utils.COLOR_SYSTEM, rich_utils.FORCE_TERMINAL = None, False


if __name__ == "__main__":
    sys.exit(main())
