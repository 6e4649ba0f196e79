"""`./council lint`: ruff and mypy over the whole checkout."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from serve_app.cli.terminal import Stop, err

ROOT = Path(__file__).parents[2]
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


def run() -> int:
    """All checks, also after one has failed; 1 if any did."""
    if find_spec("ruff") is None:
        raise Stop("ruff is not installed.", "./council lint installs it: use that.")
    failed = False
    for check in CHECKS:
        err.print(f"[bold]{' '.join(check)}[/]")
        failed |= subprocess.run([sys.executable, "-m", *check], cwd=ROOT).returncode != 0
    return int(failed)
