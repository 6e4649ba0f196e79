"""`./council backup`, `restore`: what is said, and what is refused."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.store.session_contents import contents
from actors.store.sessions import SessionStore
from cluster.secret_files import KEY, TOKEN, secret
from serve_app import __main__
from tests.session_events import Summaries, closed, started


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A council's home with two sessions, one of them open."""
    monkeypatch.setenv("COUNCIL_HOME", str(tmp_path / "home"))
    asyncio.run(write(tmp_path / "home" / "sessions.db"))
    return tmp_path / "home"


async def write(path: Path) -> None:
    store = SessionStore(path, Summaries())
    await store.open()
    name = (await store.create(started())).session_id
    await store.append(name, [closed(name)])
    await store.create(started())
    await store.close()


def typed(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["council", *map(str, words)])
    return __main__.main()


def sessions_in(path: Path) -> int:
    return contents(path, 1).sessions


def test_backup_says_how_much_there_is_and_how_to_put_it_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "backup", tmp_path / "copy") == 0
    shown = capsys.readouterr()
    size = (tmp_path / "copy").stat().st_size
    assert f"{tmp_path / 'copy'}: 2 sessions (1 open), {size:,} bytes." in shown.out
    assert "./council restore" in shown.err


def test_backup_replaces_nothing_unasked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "copy"
    target.write_text("mine")
    assert typed(monkeypatch, "backup", target) == 1
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert typed(monkeypatch, "backup", target, "--force") == 0
    assert sessions_in(target) == 2


def test_no_secret_is_in_a_backup(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [secret(home, name).encode() for name in (TOKEN, KEY)]
    typed(monkeypatch, "backup", tmp_path / "copy")
    data = (tmp_path / "copy").read_bytes()
    assert b"session_started" in data
    assert not any(each in data for each in secrets)


@pytest.mark.parametrize("name", ["sessions.db", "sessions.db-wal", "../home/sessions.db-shm"])
def test_a_backup_never_goes_over_the_store_itself(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = (home / "sessions.db").read_bytes()
    assert typed(monkeypatch, "backup", home / name, "--force") == 1
    assert "the council itself writes" in capsys.readouterr().err
    assert (home / "sessions.db").read_bytes() == before


def test_a_folder_is_no_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "backup", tmp_path, "--force") == 1
    assert "is a folder" in capsys.readouterr().err


def test_a_pc_without_sessions_says_where_they_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNCIL_HOME", str(tmp_path / "nothing"))
    assert typed(monkeypatch, "backup", tmp_path / "copy") == 1
    assert "no sessions in" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_restore_puts_a_copy_back_and_keeps_what_was_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "backup", tmp_path / "copy")
    asyncio.run(write(home / "sessions.db"))
    assert typed(monkeypatch, "restore", tmp_path / "copy") == 0
    shown = capsys.readouterr()
    assert "2 sessions (1 open)" in shown.out and "go on at the next ./council up" in shown.err
    [aside] = home.glob("sessions.db.2*")
    assert f"kept: {aside}" in shown.out
    assert (sessions_in(home / "sessions.db"), sessions_in(aside)) == (2, 4)


def test_restore_into_an_empty_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "backup", tmp_path / "copy")
    monkeypatch.setenv("COUNCIL_HOME", str(tmp_path / "other"))
    assert typed(monkeypatch, "restore", tmp_path / "copy") == 0
    assert sessions_in(tmp_path / "other" / "sessions.db") == 2
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("carries_the_mark", [True, False])
def test_restore_is_refused_while_anyone_has_the_store_open(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    carries_the_mark: bool,
) -> None:
    typed(monkeypatch, "backup", tmp_path / "copy")
    before = (home / "sessions.db").read_bytes()
    mark = {"COUNCIL_RUN": str(home)} if carries_the_mark else {}
    code = f"f = open({str(home / 'sessions.db')!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        assert typed(monkeypatch, "restore", tmp_path / "copy") == 1
        other.communicate(b"\n")
    said = "./council down" if carries_the_mark else f"The process {other.pid} has"
    assert said in capsys.readouterr().err
    assert (home / "sessions.db").read_bytes() == before
    assert typed(monkeypatch, "restore", tmp_path / "copy") == 0


def test_restore_of_no_copy_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("not a database, and long enough to be read as a header" * 9)
    assert typed(monkeypatch, "restore", tmp_path / "text") == 1
    assert typed(monkeypatch, "restore", tmp_path / "gone") == 1
    shown = capsys.readouterr().err
    assert "is damaged" in shown and "There is no file" in shown
    assert sessions_in(home / "sessions.db") == 2
