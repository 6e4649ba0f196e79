"""Tab: the real launcher, the real shells, names from a council that answers on a socket."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import create_server

import pytest

from actors.messages.requests import CouncilRequest
from cluster import api_keys
from serve_app.cli import shells
from tests.fake_council import MODEL, FakeCouncil
from tests.terminals import ROOT, Terminal, answering, on_terminal, plain_environment

pytestmark = pytest.mark.wire

PROMPT = "what now? "
PATIENCE = 10
"""On a busy machine a council may well answer too late for Tab; then one presses it again."""
ROOMS = ("actors", "cluster", "serve_app", "requirements", "pyproject.toml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout under another path, with a quote and a space in it, installed."""
    folder = tmp_path_factory.mktemp("here") / "the council's"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ROOMS:
        (folder / name).symlink_to(ROOT / name)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "council", folder / "council")
    content = (ROOT / "requirements" / "run.lock").read_bytes()
    lock = subprocess.check_output(["cksum"], input=content)
    (folder / ".venv" / ".installed-run").write_text(f"{lock.decode().strip()} {python}\n")
    return folder


@pytest.fixture(scope="module")
def council() -> FakeCouncil:
    sitting = FakeCouncil()
    asyncio.run(sitting.open(CouncilRequest(query="Why $(touch /tmp/x)?\x1b[2J")))
    return sitting


@pytest.fixture(scope="module")
def port(council: FakeCouncil) -> Iterator[int]:
    with answering(council) as port:
        yield port


@contextmanager
def bash(checkout: Path, home: Path, port: int) -> Iterator[Terminal]:
    """An interactive bash that has read the script, in a folder with one file."""
    (home / "a file.jsonl").touch()
    printed = home / "completion.sh"
    printed.write_text(shells.script("bash", checkout / "council"))
    env = plain_environment(COUNCIL_HOME=str(home), COUNCIL_PORT=str(port), PS1=PROMPT)
    with on_terminal(["bash", "--norc", "--noprofile", "-i"], env, columns=200) as terminal:
        terminal.type(f"bind 'set enable-bracketed-paste off'; source {printed}; cd {home}\n")
        terminal.type("echo rea''dy\n")
        terminal.until(f"ready\r\n{PROMPT}")
        yield terminal


def test_tab_in_bash_writes_commands_values_and_names_that_the_council_tells(
    checkout: Path, port: int, tmp_path: Path
) -> None:
    with bash(checkout, tmp_path, port) as terminal:
        for typed, written in (
            ("./council statu\t", "./council status "),
            ("council ask --mode=fa\t", "council ask --mode=fast "),
            ("/x/council ask --agent smollm2:1\t", f"/x/council ask --agent {MODEL} "),
            ("./council bench a\t", "./council bench a\\ file.jsonl "),
            ("./council status >a\t", "./council status >a\\ file.jsonl "),
        ):
            assert any(f"{written}#" in tab(terminal, typed) for _ in range(PATIENCE)), typed


def tab(terminal: Terminal, typed: str) -> str:
    """What stands on the line then."""
    terminal.shown = ""
    terminal.type(f"{typed}#\n")
    return terminal.until(PROMPT)


def replies(checkout: Path, line: str, **env: str) -> list[str]:
    """What the launcher tells a shell; nothing may be written beside it."""
    done = subprocess.run(
        [checkout / "council", line], capture_output=True, text=True, timeout=30,
        env=plain_environment(_COUNCIL_COMPLETE="complete_words", **env),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_what_is_not_installed_is_not_installed_by_tab(checkout: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ROOMS:
        (bare / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "council", bare / "council")
    assert replies(bare, "./council ") == []
    assert not (bare / ".venv").exists()


def test_a_council_that_is_slow_to_answer_is_not_waited_for(checkout: Path, tmp_path: Path) -> None:
    """Somebody listens there and says nothing. What is known without it is still told."""
    key = api_keys.fingerprint(api_keys.add(tmp_path, "phone", datetime.now(UTC)))
    with create_server(("127.0.0.1", 0)) as mute:
        port = str(mute.getsockname()[1])
        told = replies(checkout, "./council show ", COUNCIL_HOME=str(tmp_path), COUNCIL_PORT=port)
        assert told == []
        keys = replies(
            checkout, "council key revoke ", COUNCIL_HOME=str(tmp_path), COUNCIL_PORT=port
        )
        assert keys == [f"{key}\tphone"]


def test_what_a_council_tells_cannot_steer_the_terminal(
    checkout: Path, port: int, tmp_path: Path
) -> None:
    env = {"COUNCIL_HOME": str(tmp_path), "COUNCIL_PORT": str(port)}
    tries = (replies(checkout, "council show ", **env) for _ in range(PATIENCE))
    told: list[str] = next(filter(None, tries), [])
    assert told[0] == "last\tthe newest" and len(told) == 2
    assert "Why $(touch /tmp/x)?[2J" in told[1] and "\x1b" not in told[1]


def test_tab_loads_neither_ray_nor_the_http_layer(tmp_path: Path) -> None:
    env = plain_environment(_COUNCIL_COMPLETE="complete_words", COUNCIL_HOME=str(tmp_path))
    command = [sys.executable, "-X", "importtime", "-m", "serve_app", "./council ask --"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)
    assert "--mode" in done.stdout
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded and not loaded & {"ray", "fastapi", "httpx", "uvicorn", "sqlite3"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_read_their_script_and_ask_the_launcher(
    checkout: Path, tmp_path: Path, shell: shells.Shell
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    printed = tmp_path / "completion"
    printed.write_text(shells.script(shell, checkout / "council"))
    with on_terminal([shell, "-i"], plain_environment(HOME=str(tmp_path))) as terminal:
        terminal.type(f"source {printed}; echo rea''dy\n")
        terminal.until("ready")
        terminal.type("./council statu\t")
        terminal.until("status")  # fish draws word by word
