"""What systemd does with a unit of `./council service`, done by hand: its environment and no other,
its words, SIGTERM (row 48); and a head that dies under it."""

import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from cluster import processes
from cluster.secret_files import KEY, TOKEN
from cluster.settings import Settings
from serve_app.cli.service import service_of
from serve_app.cli.units import unit
from tests.ports import port_for_later

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
STARTS_S, ENDS_S = 300, 30


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "a home"
    yield folder
    processes.end_all(folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A program that nobody edits between two starts: else the second is a new cluster."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("actors", "cluster", "serve_app", "requirements"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def text_of_unit(home: Path, checkout: Path) -> str:
    words = ("up", "--no-models", "--port", str(port_for_later()))
    service = service_of(words, Settings.having(home=home), None, None)
    return unit(replace(service, checkout=checkout))


def run(unit_text: str, journal: Path) -> "subprocess.Popen[bytes]":
    """Its standard error is the journal's, its standard output nobody's."""
    lines = [line.replace("%%", "%") for line in unit_text.splitlines()]
    [command] = [line.removeprefix("ExecStart=:") for line in lines if "ExecStart=" in line]
    [folder] = [line.partition("=")[2] for line in lines if "WorkingDirectory=" in line]
    given = [shlex.split(line.partition("=")[2])[0] for line in lines if "Environment=" in line]
    environment = {"HOME": str(Path.home()), **dict(pair.split("=", 1) for pair in given)}
    with journal.open("ab") as output:
        return subprocess.Popen(
            shlex.split(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )


def stands(started: "subprocess.Popen[bytes]", journal: Path, times: int = 1) -> None:
    until = time.monotonic() + STARTS_S
    while journal.read_text().count("It stays until") < times:
        assert started.poll() is None, journal.read_text()
        assert time.monotonic() < until, journal.read_text()
        time.sleep(0.1)


def head_of(home: Path) -> psutil.Process:
    [head] = [process for process in processes.ours(home) if process.name() == "gcs_server"]
    return head


def test_row_48_a_service_ends_in_order_and_goes_on_where_it_stood_after_its_head_died(
    home: Path, checkout: Path, tmp_path: Path
) -> None:
    text, journal = text_of_unit(home, checkout), tmp_path / "journal"
    port = re.search(r'"--port" "(\d+)"', text)
    assert port is not None

    died = run(text, journal)
    stands(died, journal)
    health = f"http://127.0.0.1:{port[1]}/health"
    assert httpx.get(health, timeout=30, trust_env=False).status_code == 200
    head_of(home).kill()
    assert died.wait(ENDS_S) == 1  # so that systemd starts it again
    assert not processes.ours(home)

    again = run(text, journal)
    stands(again, journal, times=2)
    assert "goes on where it stood." in journal.read_text(), journal.read_text()
    again.send_signal(signal.SIGTERM)
    assert again.wait(ENDS_S) == 0
    assert not processes.ours(home)
    assert not (home / "run.json").exists()

    said = journal.read_text()
    assert not any((home / name).read_text() in said for name in (TOKEN, KEY))
