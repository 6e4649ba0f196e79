"""The commands as typed: help that teaches, mistakes in plain words, no traceback."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.store import session_file
from serve_app import __main__
from serve_app.cli.program import program
from tests.ports import port_for_later

runner = CliRunner()
COMMANDS = (
    *("up", "down", "ask", "status", "models", "sessions", "bench", "show", "watch", "mcp"),
    *("join", "drain", "service", "deploy", "key", "token", "backup", "restore"),
    *("doctor", "completion", "test", "lint", "version"),
)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And no setting that another test, or whoever runs them, has in the environment."""
    for name in os.environ:
        if name.startswith(("COUNCIL_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COUNCIL_HOME", str(tmp_path))
    monkeypatch.setenv("COUNCIL_PORT", "9")  # nobody listens there


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["council", *words])
    return __main__.main()


def test_the_help_names_every_command_and_the_way_to_begin() -> None:
    shown = runner.invoke(program, ["--help"]).output
    for command in COMMANDS:
        assert f" {command} " in shown
    assert "./council up" in shown and "./council ask" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help(command: str) -> None:
    result = runner.invoke(program, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("words", "sent"),
    [((), {}), (("--cache",), {}), (("--no-cache",), {"cache": False})],
)
def test_whether_the_cache_may_be_used_can_be_said(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sent: dict[str, bool]
) -> None:
    """What is not said is not sent: a council of an older release knows no such word."""
    bodies: list[dict[str, object]] = []
    monkeypatch.setattr("serve_app.cli.ask.ask", lambda _, body, *rest: bodies.append(body) or 0)
    assert typed(monkeypatch, "ask", "Why?", *words) == 0
    assert bodies == [{"query": "Why?", **sent}]


def test_reasons_are_told_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[bool] = []
    for command in ("ask.ask", "show.show"):
        monkeypatch.setattr(
            f"serve_app.cli.{command}", lambda *given: wanted.append(given[-1]) or 0
        )
    for name in ("ask", "show"):
        assert typed(monkeypatch, name, "last") == typed(monkeypatch, name, "last", "--reasons")
    assert wanted == [False, True] * 2


def test_how_long_mcp_waits_for_an_answer_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    monkeypatch.setattr("serve_app.mcp.stdio.run", lambda *given: waits.append(given[-1]))
    assert typed(monkeypatch, "mcp") == typed(monkeypatch, "mcp", "--wait", "50") == 0
    assert waits == [None, 50.0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ask", "why?"), "No council answers at http://127.0.0.1:9"),
        (("status",), "./council up"),
        (("models",), "./council up"),
        (("bench",), "./council up"),
        (("bench", "none.jsonl"), "none.jsonl cannot be read"),
        (("sessions",), "./council up"),
        (("up", "10.0.0.5"), "goes with --lan"),
        (("up", "--port", "99999"), "COUNCIL_PORT"),
        (("up", "--name", "a b"), "COUNCIL_NODE_NAME"),
        (("join", "file:///x", "--token", "t"), "is not an address"),
        (("join", "10.0.0.5"), "The token is missing"),
        (("join", "10.0.0.5", "--ollama-url", "http://169.254.169.254"), "metadata"),
    ],
)
def test_an_expected_failure_is_a_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    assert typed(monkeypatch, *words) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (b"\xa5" * 9000, ("damaged", "./council restore FILE")),
        (None, ("written by a newer release (schema 7", "run the newer release again")),
    ],
)
def test_rows_28_and_47_up_refuses_a_store_in_plain_words_before_it_starts_anything(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    spoil: bytes | None,
    said: tuple[str, ...],
) -> None:
    store = tmp_path / "sessions.db"
    session_file.prepare(store, 1)
    if spoil is not None:
        store.write_bytes(spoil)
    else:
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA user_version = 7")
    before = store.read_bytes()
    assert typed(monkeypatch, "up", "--no-models", "--port", str(port_for_later())) == 1
    shown = capsys.readouterr().err
    assert all(words in shown for words in said) and "Traceback" not in shown
    assert store.read_bytes() == before
    assert not (tmp_path / "ray").exists() and not (tmp_path / "run.json").exists()


def test_on_a_narrow_terminal_the_help_cuts_no_name_of_an_option() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "serve_app", "ask", "--help"],
        env={**os.environ, "COLUMNS": "40"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert all(option in told for option in ("--chairman", "--continue", "--deadline"))
    assert "…" not in told


def test_a_bad_setting_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://user:hunter2@10.0.0.1")
    assert typed(monkeypatch, "up") == 1
    shown = capsys.readouterr().err
    assert "OLLAMA_HOST" in shown and "hunter2" not in shown


def test_the_version_is_that_of_the_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "version") == 0
    assert "Ray 2.60.0" in capsys.readouterr().out


def test_a_wrong_command_exits_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "frob") == 2
    assert "No such command" in capsys.readouterr().err
