"""The token that lets a PC in: where `join` takes it from, and where nobody else sees it."""

import io
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from cluster import processes
from cluster.settings import JOIN_TOKEN, Settings, inherited_environment
from serve_app.cli import join as command
from serve_app.cli.program import program
from serve_app.cli.terminal import Stop

TOKEN = "0123456789abcdef" * 4


class Restarted(Exception):
    """The process would have become this: (command line, environment)."""


@pytest.fixture
def restarting(monkeypatch: pytest.MonkeyPatch) -> None:
    def execve(path: str, words: list[str], environment: dict[str, str]) -> NoReturn:
        raise Restarted(words, environment)

    monkeypatch.setattr(os, "execve", execve)


@pytest.mark.parametrize(
    "typed", [["--token", TOKEN, "--slots", "2"], [f"--token={TOKEN}", "--slots", "2"]]
)
@pytest.mark.parametrize("marked", [False, True])
def test_the_token_leaves_the_command_line_which_every_user_can_read(
    restarting: None, monkeypatch: pytest.MonkeyPatch, typed: list[str], marked: bool
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "serve_app", "join", "pc1", *typed])
    if marked:
        monkeypatch.setenv(processes.MARK, "/h")
        monkeypatch.setenv(processes.NODE, "pc2")
    with pytest.raises(Restarted) as restarted:
        processes.carry_mark(Path("/h"), "pc2", TOKEN)
    words, environment = restarted.value.args
    assert words == [sys.executable, "-m", "serve_app", "join", "pc1", "--slots", "2"]
    assert environment[JOIN_TOKEN] == TOKEN
    assert (environment[processes.MARK], environment[processes.NODE]) == ("/h", "pc2")


def test_who_has_no_token_is_given_the_mark_alone(
    restarting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "serve_app", "up", "--keep"])
    with pytest.raises(Restarted) as restarted:
        processes.carry_mark(Path("/h"), "pc1")
    words, environment = restarted.value.args
    assert words == [sys.executable, "-m", "serve_app", "up", "--keep"]
    assert (environment[processes.MARK], environment[processes.NODE]) == ("/h", "pc1")
    assert JOIN_TOKEN not in environment


def test_a_process_that_is_ours_and_shows_no_token_is_left_as_it_is(
    restarting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "serve_app", "join", "pc1"])
    monkeypatch.setenv(processes.MARK, "/h")
    monkeypatch.setenv(processes.NODE, "pc2")
    processes.carry_mark(Path("/h"), "pc2", TOKEN)


def test_no_child_process_inherits_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JOIN_TOKEN, TOKEN)
    assert TOKEN not in inherited_environment().values()


def joined(monkeypatch: pytest.MonkeyPatch, home: Path, token: str | None, said: str = "") -> str:
    """The token that `join` goes to PC1 with."""
    wishes: list[command.Joining] = []
    monkeypatch.setattr(command, "join", wishes.append)
    monkeypatch.setattr(sys, "stdin", io.StringIO(said))
    settings = Settings.having(home=home)
    command.join_with(settings, "192.168.1.10", token, 6379, False, False, False)
    return wishes[0].head.token


def test_a_dash_reads_the_token_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert joined(monkeypatch, tmp_path, "-", f" {TOKEN}\n") == TOKEN
    with pytest.raises(Stop, match="No token came"):
        joined(monkeypatch, tmp_path, "-", "\n")


def test_without_one_the_token_of_the_last_time_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Stop, match="The token is missing"):
        joined(monkeypatch, tmp_path, None)
    (tmp_path / "ray_token").write_text(TOKEN + "\n")
    assert joined(monkeypatch, tmp_path, None) == TOKEN


def test_the_environment_gives_the_token_and_the_help_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(command, "join_with", lambda *arguments: given.extend(arguments))
    environment = {"COUNCIL_HOME": str(tmp_path), JOIN_TOKEN: TOKEN}
    CliRunner().invoke(program, ["join", "192.168.1.10"], env=environment)
    assert given[2] == TOKEN
    helped = CliRunner().invoke(program, ["join", "--help"], env=environment)
    assert "--token" in helped.output and TOKEN not in helped.output
