"""`./council doctor` about all PCs: clocks, versions, models; the settings of this PC's Ollama."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.council.table.recommended import RECOMMENDED
from cluster.settings import Settings
from serve_app.cli.doctor import clocks, council, models, ollama, rounds
from serve_app.cli.doctor.finding import Finding
from tests.fakes import FakeOllama, threaded
from tests.ports import port_for_later

PC1 = {"ray": "2.60.0", "python": "3.11.7"}


def of(findings: Iterable[Finding], state: str) -> list[Finding]:
    return [finding for finding in findings if finding.state == state]


def node(name: str, **told: Any) -> dict[str, Any]:
    return {"name": name, "clock": None, **PC1, **told}


@pytest.mark.parametrize(
    ("ahead_s", "bound_s", "told"),
    [
        (7.0, 0.01, "7 s ahead of PC1's"),
        (-3600.0, 2.0, "3,600 s behind PC1's"),
        (4.9, 0.01, ""),
        (9.0, 5.0, ""),
        (-2.0, 0.0, ""),
    ],
)
def test_a_clock_that_surely_differs_is_a_warning(
    ahead_s: float, bound_s: float, told: str
) -> None:
    clock = {"ahead_s": ahead_s, "bound_s": bound_s}
    found = list(clocks.of_pcs([node("pc2", clock=clock)]))
    warned = of(found, "warning")
    assert [told in f.says and "set-ntp" in f.mend for f in warned] == ([True] if told else [])
    assert told or f"{abs(ahead_s) + bound_s:.1f} s" in found[0].says, "how sure it is, is told"


def test_a_pc_that_has_not_told_its_time_is_named() -> None:
    [found] = clocks.of_pcs([node("pc3")])
    assert found.state == "ok" and "pc3" in found.says


@pytest.mark.parametrize("change", [{"ray": "2.59.0"}, {"python": "3.11.2"}])
def test_a_pc_of_other_versions_than_pc1_is_a_fault(change: dict[str, str]) -> None:
    found = list(council.versions_of_pcs(PC1, [node("pc1"), node("pc2", **change)]))
    [fault] = of(found, "fault")
    assert fault.about == "pc2" and next(iter(change.values())) in fault.says and fault.mend
    assert found == [fault]
    assert of(council.versions_of_pcs(PC1, [node("pc1")]), "ok")
    assert not list(council.versions_of_pcs(PC1, [node("pc1", ray=None, python=None)]))


def catalogue(*installed: str) -> dict[str, Any]:
    known = [{"name": m.name, "installed": m.name in installed} for m in RECOMMENDED]
    return {"installed": installed, "nodes": {}, "recommended": known}


def test_a_model_that_the_settings_name_and_no_pc_has_is_a_fault_with_the_line_to_type() -> None:
    found = list(models.check(catalogue("phi3.5:latest"), ("a:1b", "phi3.5", "a:1b")))
    [fault] = of(found, "fault")
    assert fault.mend == "On a PC: ollama pull a:1b"
    named = Settings.having(models=("a:1b",), chairman_model="b:2b")
    assert rounds.configured(named) == ("a:1b", "b:2b")


def test_recommended_models_that_are_missing_are_told_and_a_warning_only_without_any() -> None:
    [some] = models.check(catalogue("tinyllama"), ())
    assert some.state == "ok" and "ollama pull phi3.5" in some.mend
    assert "tinyllama" not in some.says + some.mend
    [none] = models.check(catalogue("mine:7b"), ())
    assert none.state == "warning" and "ollama pull tinyllama" in none.mend
    [all_of_them] = models.check(catalogue(*(m.name for m in RECOMMENDED)), ())
    assert all_of_them.state == "ok" and not all_of_them.mend


@contextmanager
def an_ollama(folder: Path, **environment: str) -> Iterator[None]:
    """A process that looks like `ollama serve`: only its environment counts."""
    script = folder / "ollama"
    script.write_text("#!/bin/sh\necho there\nread word\n")
    script.chmod(0o755)
    with subprocess.Popen(
        [str(script), "serve"], env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == b"there\n"
        yield
        process.communicate(b"\n")


def settings(port: int, **changes: Any) -> Settings:
    return Settings.having(ollama_url=f"http://127.0.0.1:{port}", **changes)


@pytest.fixture
def port() -> int:
    return port_for_later()


def test_the_settings_of_an_ollama_are_read_from_its_process(tmp_path: Path, port: int) -> None:
    told = {"OLLAMA_HOST": f"0.0.0.0:{port}", "OLLAMA_NUM_PARALLEL": "2"}
    with an_ollama(tmp_path, **told, OLLAMA_MAX_LOADED_MODELS='"1"'):
        found = list(ollama.check(settings(port, num_parallel=4, max_loaded_models=3)))
        assert {f.state for f in found} == {"warning"}
        assert "OLLAMA_NUM_PARALLEL=4" in found[0].mend and "--slots 1" in found[1].mend
        fits = ollama.check(settings(port, num_parallel=2, max_loaded_models=1))
        assert not of(fits, "warning")
        [spare, _] = ollama.check(settings(port, num_parallel=1, max_loaded_models=1))
        assert spare.state == "ok" and "OLLAMA_NUM_PARALLEL=2" in spare.mend
        assert ollama.of_process(f"http://127.0.0.1:{port + 1}") is None, "another Ollama"


def test_without_settings_of_its_own_ollama_has_its_defaults(tmp_path: Path, port: int) -> None:
    with an_ollama(tmp_path, OLLAMA_HOST=f":{port}"):
        assert not of(ollama.check(settings(port, num_parallel=1, max_loaded_models=3)), "warning")
        assert of(ollama.check(settings(port, num_parallel=2, max_loaded_models=3)), "warning")


def test_what_cannot_be_seen_is_said(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(ollama, "SYSTEMCTL", ("/nowhere/systemctl",))
    [found] = ollama.check(settings(port, num_parallel=2, max_loaded_models=5))
    assert found.state == "ok" and "cannot be seen" in found.says and "2 and 5" in found.says


def test_a_service_tells_its_environment_as_systemd_quotes_it() -> None:
    line = 'Environment=PATH=/bin OLLAMA_NUM_PARALLEL=4 "OLLAMA_ORIGINS=a b"'
    told = ollama.shown(f"ActiveState=active\n{line}\n")
    assert told == {"PATH": "/bin", "OLLAMA_NUM_PARALLEL": "4", "OLLAMA_ORIGINS": "a b"}
    assert ollama.shown(f"ActiveState=inactive\n{line}\n") is None
    assert ollama.shown("") is None


def test_the_findings_about_ollama_are_among_those_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], port: int
) -> None:
    with threaded(FakeOllama(models=("a",))) as fake:
        rounds.go(Settings.having(home=tmp_path, ollama_url=fake.url, port=port), as_json=True)
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert any("OLLAMA_NUM_PARALLEL" in finding["says"] for finding in findings)
