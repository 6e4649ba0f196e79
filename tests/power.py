"""A PC that tells what it uses: counters laid out as Linux does, and a program `nvidia-smi`."""

import os
from pathlib import Path

import pytest

SCRIPT = """#!/bin/sh
here="$(dirname "$0")"
[ "$*" = "--query-gpu=power.draw --format=csv,noheader,nounits" ] || exit 2
echo asked >> "$here/asked"
[ -p "$here/gate" ] && read -r _ < "$here/gate"
cat "$here/says"
read -r code < "$here/code"
echo answered >> "$here/answered"
exit "$code"
"""
LOST = "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.\n"


def zone(root: Path, name: str, what: str, used: int, most: int = 1_000_000) -> Path:
    """One counter of the kernel's; the file that holds how far it is, in µJ."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{what}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    (folder / "energy_uj").write_text(f"{used}\n")
    return folder / "energy_uj"


def count_to(counter: Path, microjoules: int | None) -> None:
    """None: it cannot be read any more."""
    if microjoules is None:
        counter.unlink()
    else:
        counter.write_text(f"{microjoules}\n")


class NvidiaSmi:
    """A real program on the PATH that prints what NVIDIA's prints for this one query."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        program = self.folder / "nvidia-smi"
        program.write_text(SCRIPT)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.folder}:{os.environ['PATH']}")
        self.says("")

    def says(self, lines: str, code: int = 0) -> None:
        for name, text in (("says", lines), ("code", f"{code}\n")):
            (self.folder / f"{name}.new").write_text(text)
            (self.folder / f"{name}.new").rename(self.folder / name)

    def asked(self) -> int:
        return self._lines("asked")

    def answered(self) -> int:
        return self._lines("answered")

    def _lines(self, name: str) -> int:
        path = self.folder / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def hold(self) -> int:
        """It answers nothing until a line is written to the descriptor that this gives."""
        os.mkfifo(self.folder / "gate")
        return os.open(self.folder / "gate", os.O_RDWR)
