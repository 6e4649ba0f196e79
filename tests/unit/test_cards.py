"""NVIDIA cards, by a program that prints what NVIDIA's own prints."""

import os
from pathlib import Path

import pytest

from actors.pc import cards
from tests.power import LOST, NvidiaSmi

NO_DEVICES = "No devices were found\n"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        ("35.12\n", 0, (35.12,)),
        ("35.12\n210.40\n", 0, (35.12, 210.4)),
        (NO_DEVICES, 6, ()),
        (NO_DRIVER, 9, ()),
        (LOST, 15, None),
        ("35.12\n[N/A]\n", 0, None),
        ("[Not Supported]\n", 0, None),
        ("nan\n", 0, None),
        ("-1.00\n", 0, None),
        ("", 0, None),
        (NO_DEVICES, 0, None),
        ("\udcff\udcfe\n", 0, None),
    ],
)
def test_what_the_cards_draw_or_that_it_is_not_told(
    lines: str, code: int, told: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = NvidiaSmi(tmp_path, monkeypatch)
    smi.says("", code)
    (smi.folder / "says").write_bytes(lines.encode(errors="surrogateescape"))
    assert cards.may_be_there()
    assert cards.watts() == told
    assert smi.asked() == 1


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "PATIENCE_S", 0.3)
    smi = NvidiaSmi(tmp_path, monkeypatch)
    gate = smi.hold()
    smi.says("35.12\n")
    assert cards.watts() is None
    os.close(gate)


def test_a_program_that_cannot_be_run_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi = NvidiaSmi(tmp_path, monkeypatch)
    (smi.folder / "nvidia-smi").write_text("#!/no/such/shell\n")
    assert cards.watts() is None


def test_without_the_program_there_is_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not cards.may_be_there()
    assert cards.watts() == ()
