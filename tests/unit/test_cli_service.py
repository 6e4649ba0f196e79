"""`./council service`: the text of the units, read by the real `systemd-analyze`; written, written
again, removed."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster import run_record
from cluster.secret_files import TOKEN, keep
from cluster.settings import JOIN_TOKEN, Settings
from serve_app import __main__
from serve_app.cli import service
from serve_app.cli.program import program
from serve_app.cli.service import Systemd, service_of
from serve_app.cli.units import Service, Unwritable, quoted, unit

SECRET = "0123456789abcdef" * 4
UP, JOIN = ("up", "--lan", "10.0.0.1"), ("join", "10.0.0.1", "--slots", "2")
runner = CliRunner()


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user's home, a council's in it, and a PC on which systemd does not run."""
    for name in os.environ:
        if name.startswith(("COUNCIL_", "OLLAMA_", "SUDO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(service, "RUNS", tmp_path / "no-systemd")
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["council", "service", *words])
    return __main__.main()


def shown(*words: str) -> str:
    return runner.invoke(program, ["service", "install", "--print", *words]).stdout


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def a_service(words: tuple[str, ...] = UP, python: str = "/c/.venv/bin/python") -> Service:
    return Service(words, Path(python), Path("/c"), {"COUNCIL_HOME": "/h"})


@pytest.mark.parametrize(
    ("word", "in_unit"),
    [
        ("plain", '"plain"'),
        ("two words", '"two words"'),
        ("100%h", '"100%%h"'),
        ("$HOME", '"$HOME"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("köln", '"köln"'),
    ],
)
def test_a_word_is_quoted_so_that_systemd_reads_it_back(word: str, in_unit: str) -> None:
    assert quoted(word) == in_unit


@pytest.mark.parametrize("word", ["a\nExecStart=/bin/evil", "a\rb", "\0", "a\x7f", "\udcff"])
def test_what_no_unit_can_hold_is_refused_wherever_it_stands(word: str) -> None:
    with pytest.raises(Unwritable):
        unit(a_service((*UP, word)))
    with pytest.raises(Unwritable):
        unit(Service(UP, Path("/python"), Path("/c"), {"COUNCIL_HOME": word}))
    with pytest.raises(Unwritable):
        unit(Service(UP, Path("/python"), Path(word), {}))


@pytest.mark.parametrize("end", [" ", "\\"])
def test_a_folder_whose_end_systemd_would_swallow_is_refused(end: str) -> None:
    with pytest.raises(Unwritable):
        unit(Service(UP, Path("/python"), Path(f"/c{end}"), {}))


def test_no_variable_of_the_environment_gets_into_the_command_line() -> None:
    line = next(line for line in unit(a_service()).splitlines() if line.startswith("ExecStart="))
    assert line == 'ExecStart=:"/c/.venv/bin/python" "-m" "serve_app" "up" "--lan" "10.0.0.1"'


def test_up_stays_in_the_foreground_and_brings_what_was_set_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "10.0.0.9")
    text = shown("up", "--port", "9000")
    assert '"serve_app" "up" "--keep" "--port" "9000"' in text
    assert 'Environment="COUNCIL_OLLAMA_URL=http://10.0.0.9:11434"' in text
    assert "COUNCIL_NODE_NAME" not in text  # as the host is called then


def test_an_ollama_that_starts_later_than_we_do_after_a_boot_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "COUNCIL_OLLAMA_WAIT_S=60" in shown("up")
    monkeypatch.setenv("COUNCIL_OLLAMA_WAIT_S", "5")
    assert "COUNCIL_OLLAMA_WAIT_S=5" in shown("up")


@pytest.mark.parametrize("typed", [("--token", SECRET), (f"--token={SECRET}",)])
def test_the_token_is_kept_in_its_file_and_is_in_no_unit(
    own_home: Path, typed: tuple[str, ...]
) -> None:
    result = runner.invoke(program, ["service", "install", *JOIN, *typed])
    assert result.exit_code == 0, result.output
    assert SECRET not in result.output
    files = written(Systemd().folder)
    assert list(files) == ["llm-council-join.service"]
    assert SECRET not in files["llm-council-join.service"]
    assert "--token" not in files["llm-council-join.service"]
    token = own_home / ".llm-council" / TOKEN
    assert token.read_text() == SECRET
    assert token.stat().st_mode & 0o777 == 0o600


def test_a_token_of_the_environment_is_in_no_unit_either(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(JOIN_TOKEN, SECRET)
    assert runner.invoke(program, ["service", "install", *JOIN]).exit_code == 0
    assert SECRET not in written(Systemd().folder)["llm-council-join.service"]
    assert (own_home / ".llm-council" / TOKEN).read_text() == SECRET


def test_without_a_token_join_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "install", *JOIN) == 1
    assert "--token -" in capsys.readouterr().err
    assert not Systemd().folder.exists()


def test_what_up_prints_with_the_token_in_it_does_not_reach_the_journal() -> None:
    assert "StandardOutput=null" in unit(a_service())


def test_installing_again_changes_nothing_and_other_words_replace_the_unit() -> None:
    def install(*words: str) -> str:
        result = runner.invoke(program, ["service", "install", *words])
        assert result.exit_code == 0, result.output
        return result.output

    assert "Written" in install(*UP)
    path = Systemd().folder / "llm-council-up.service"
    first = path.stat().st_ino, path.read_text()
    assert "there already" in install(*UP)
    assert (path.stat().st_ino, path.read_text()) == first
    assert "Written" in install("up", "--slots", "1")
    assert list(written(path.parent)) == [path.name]
    assert '"--slots"' in path.read_text()


def test_two_model_servers_of_one_pc_have_two_units(own_home: Path) -> None:
    keep(service.home_directory(own_home / ".llm-council") / TOKEN, SECRET)
    for words in ((), ("--name", "second"), ("--ollama-url", "http://10.0.0.7:11434")):
        assert runner.invoke(program, ["service", "install", *JOIN, *words]).exit_code == 0
    assert list(written(Systemd().folder)) == [
        "llm-council-join-10.0.0.7.service",
        "llm-council-join-second.service",
        "llm-council-join.service",
    ]


def test_remove_takes_away_what_was_named_else_all_and_nothing_of_others(own_home: Path) -> None:
    folder = Systemd().folder
    folder.mkdir(parents=True)
    (folder / "mine.service").write_text("[Service]\n")
    keep(service.home_directory(own_home / ".llm-council") / TOKEN, SECRET)
    for words in (UP, JOIN, (*JOIN, "--name", "second")):
        runner.invoke(program, ["service", "install", *words])
    assert runner.invoke(program, ["service", "remove", "join"]).exit_code == 0
    assert list(written(folder)) == ["llm-council-up.service", "mine.service"]
    assert "llm-council-up.service: systemd does not run here" in (
        runner.invoke(program, ["service", "status"]).output
    )
    runner.invoke(program, ["service", "remove"])
    assert list(written(folder)) == ["mine.service"]
    assert "no such service" in runner.invoke(program, ["service", "remove"]).output
    assert "service install up" in runner.invoke(program, ["service", "status"]).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ask", "why?"), "cannot be a service"),
        (("up", "10.0.0.1"), "goes with --lan"),
        (("up", "--port", "99999"), "COUNCIL_PORT"),
        (("join", "10.0.0.1", "--name", "../../x"), "COUNCIL_NODE_NAME"),
        (("join", "10.0.0.1", "--ollama-url", "http://169.254.169.254"), "metadata"),
    ],
)
def test_what_the_command_would_refuse_at_the_next_boot_is_refused_now(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    assert typed(monkeypatch, "install", *words) == 1
    assert said in capsys.readouterr().err
    assert not Systemd().folder.exists()


def test_an_option_that_the_command_does_not_have_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert typed(monkeypatch, "install", "up", "--frob") == 2


def test_the_token_of_a_council_that_runs_here_is_not_overwritten(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = service.home_directory(own_home / ".llm-council")
    keep(home / TOKEN, "its own")
    run_record.write(
        home,
        run_record.RunRecord(
            api_url="http://127.0.0.1:9",
            dashboard_url="",
            ray_address="127.0.0.1:6379",
            node_name="pc1",
            lan=True,
            engine="Ollama",
            started_at="2026-01-01T00:00:00+00:00",
        ),
    )
    marked = {**os.environ, "COUNCIL_RUN": str(home)}
    with subprocess.Popen(["cat"], env=marked, stdin=subprocess.PIPE) as one_of_ours:
        assert typed(monkeypatch, "install", *JOIN, "--token", SECRET) == 1
        assert one_of_ours.poll() is None
        assert one_of_ours.stdin is not None
        one_of_ours.stdin.close()
    assert "a council of its own" in capsys.readouterr().err
    assert (home / TOKEN).read_text() == "its own"


def test_a_system_service_needs_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service.os, "geteuid", lambda: 1000)
    assert typed(monkeypatch, "install", "up", "--system") == 1
    assert "needs root" in capsys.readouterr().err


def analyze(*words: str, runtime: Path) -> "subprocess.CompletedProcess[str]":
    """The real `systemd-analyze`; it needs no systemd that runs."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    runtime.mkdir(exist_ok=True)
    return subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )


def put(folder: Path, words: tuple[str, ...], user: str | None) -> Path:
    made = service_of(words, Settings.having(), user, None)
    path = folder / made.name
    path.write_text(unit(made))
    return path


@pytest.mark.parametrize("words", [UP, JOIN])
@pytest.mark.parametrize("kind", ["--user", "--system"])
def test_systemd_reads_the_unit_without_a_word(
    own_home: Path, words: tuple[str, ...], kind: str
) -> None:
    path = put(own_home, words, getpass.getuser() if kind == "--system" else None)
    said = analyze("verify", "--man=no", kind, str(path), runtime=own_home / "run")
    assert (said.returncode, own_lines(said, path)) == (0, [])


def test_systemd_reads_a_unit_of_odd_places_without_a_word(own_home: Path) -> None:
    odd = own_home / "a b %h $HOME ü"
    (odd / "bin").mkdir(parents=True)
    (odd / "bin" / "python").symlink_to("/bin/true")
    path = own_home / "llm-council-up.service"
    environment = {"COUNCIL_HOME": str(odd), "COUNCIL_MODELS": 'a"b\\c,d'}
    path.write_text(unit(Service(UP, odd / "bin" / "python", odd, environment)))
    said = analyze("verify", "--man=no", "--user", str(path), runtime=own_home / "run")
    assert (said.returncode, own_lines(said, path)) == (0, [])


@pytest.mark.parametrize("letter", ['"', "'", "\\"])
def test_a_program_that_systemd_would_not_start_is_refused_by_us_and_by_systemd(
    own_home: Path, letter: str
) -> None:
    odd = own_home / f"a{letter}b"
    odd.mkdir()
    (odd / "python").symlink_to("/bin/true")
    with pytest.raises(Unwritable):
        unit(a_service(python=str(odd / "python")))
    path = own_home / "odd.service"
    path.write_text(f"[Service]\nExecStart=:{quoted(str(odd / 'python'))}\n")
    said = analyze("verify", "--man=no", "--user", str(path), runtime=own_home / "run")
    assert said.returncode == 1
    assert "special characters" in said.stderr


def test_systemd_tells_a_mistake_so_that_the_tests_above_can_fail(own_home: Path) -> None:
    path = put(own_home, UP, None)
    path.write_text(path.read_text().replace("KillMode=mixed", "KillMode=gently"))
    said = analyze("verify", "--man=no", "--user", str(path), runtime=own_home / "run")
    assert own_lines(said, path)


def test_the_exposure_of_a_system_unit_stays_what_it_is(own_home: Path) -> None:
    """Systemd's own measure, 0 (safe) to 100; without any hardening it is 96."""
    path = put(own_home, UP, "daemon")
    words = ("security", "--offline=true", "--no-pager", "--threshold=53", str(path))
    said = analyze(*words, runtime=own_home / "run")
    if "unrecognized option" in said.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (older than 250)")
    assert said.returncode == 0, said.stdout + said.stderr


def own_lines(said: "subprocess.CompletedProcess[str]", path: Path) -> list[str]:
    """What was said of this unit, and not of others that it names."""
    return [line for line in said.stderr.splitlines() if path.name in line]
