"""What `up` and `join` decide and say: addresses, lines to type, commands for Ray, versions."""

import json
import threading
from pathlib import Path

import httpx
import pytest

from cluster import ports, ray_node, run_record
from cluster.run_record import RunRecord
from cluster.secret_files import KEY, TOKEN, secret
from cluster.settings import Settings
from serve_app.cli import summary, tiers, welcome
from serve_app.cli.lan import join_line, join_line_without_token, lan_address
from serve_app.cli.terminal import Stop
from serve_app.cli.welcome import Head, check_versions, complain, head_address

RECORD = RunRecord(
    api_url="http://192.168.1.10:8000",
    dashboard_url="http://127.0.0.1:8265",
    ray_address="192.168.1.10:6379",
    node_name="pc1",
    lan=True,
    engine="Ollama",
    started_at="2026-01-01T00:00:00+00:00",
)


def test_the_join_line_names_only_what_is_not_the_default() -> None:
    usual = join_line(RECORD.api_url, RECORD.ray_address, "abc")
    assert usual == "./council join 192.168.1.10 --token abc"
    moved = RECORD.model_copy(
        update={"api_url": "http://192.168.1.10:9000", "ray_address": "192.168.1.10:6389"}
    )
    assert join_line(moved.api_url, moved.ray_address, "abc") == (
        "./council join 192.168.1.10:9000 --ray-port 6389 --token abc"
    )


def test_the_page_shows_the_line_without_the_token_and_only_where_others_can_join() -> None:
    lan = {"host": "192.168.1.10", "ray_address": "192.168.1.10:6389"}
    assert join_line_without_token(Settings.having(**lan)) == (
        "./council join 192.168.1.10 --ray-port 6389 --token -"
    )
    assert join_line_without_token(Settings.having()) is None
    assert join_line_without_token(Settings.having(host="192.168.1.10")) is None


def test_without_lan_the_summary_tells_how_to_get_it(tmp_path: Path) -> None:
    alone = RECORD.model_copy(update={"lan": False})
    lines = [line for _, line in summary.joining(Settings.having(home=tmp_path), alone)]
    assert any("up --lan" in line for line in lines)
    assert not any("--token" in line for line in lines)


@pytest.mark.parametrize(
    ("typed", "host", "url"),
    [
        ("192.168.1.10", "192.168.1.10", "http://192.168.1.10:8000"),
        ("pc1.lan:9000", "pc1.lan", "http://pc1.lan:9000"),
        ("http://192.168.1.10:8000/", "192.168.1.10", "http://192.168.1.10:8000"),
        ("[fd00::1]:9000", "fd00::1", "http://[fd00::1]:9000"),
    ],
)
def test_pc1_may_be_typed_as_host_port_or_url(typed: str, host: str, url: str) -> None:
    assert head_address(typed) == (host, url)


@pytest.mark.parametrize("typed", ["", "http://", "file:///etc/passwd", "a:b:c", "user@host"])
def test_what_is_no_address_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(Stop, match="not an address") as stop:
        head_address(typed)
    assert "192.168.1.10" in stop.value.lines[1]


def test_versions_that_differ_are_both_named_with_what_to_do() -> None:
    complain("pc1", [("Ray", "2.60.0", "2.60.0"), ("Python", "3.11.7", "3.11.7")])
    with pytest.raises(Stop) as stop:
        complain("pc1", [("Ray", "2.60.0", "2.60.0"), ("Python", "3.11.2", "3.11.7")])
    what, todo = stop.value.lines
    assert "Python 3.11.2" in what and "3.11.7" in what and "COUNCIL_PYTHON" in todo


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(401, json={}), "does not accept this token"),
        (httpx.Response(200, text="<html>"), "Something else"),
        (httpx.Response(200, json={"hello": 1}), "Something else"),
        (httpx.Response(500), "Something else"),
        (httpx.Response(200, json={"ray": "1.0", "python": "3.11.7"}), "runs Ray 1.0"),
        (httpx.ConnectError("refused"), "does not answer"),
    ],
)
def test_what_pc1_answers_before_joining_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception, said: str
) -> None:
    def health(self: Head) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        answer.request = httpx.Request("GET", "http://pc1:8000/health")
        return answer

    monkeypatch.setattr(welcome.Head, "health", health)
    with pytest.raises(Stop, match=said):
        check_versions(Head("pc1", "http://pc1:8000", "token"))


def test_a_head_for_one_pc_listens_on_loopback_and_one_for_the_lan_does_not(
    tmp_path: Path,
) -> None:
    alone = Settings.having(home=tmp_path, ray_address="127.0.0.1:6379")
    lan = Settings.having(home=tmp_path, ray_address="192.168.1.10:6379")
    assert ray_node.ray_environment(alone)["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert ray_node.ray_environment(lan)["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "1"
    assert "--node-ip-address=192.168.1.10" in ray_node.head_command(lan, ports.block(0), 3)


def test_every_node_has_its_token_its_mark_and_its_settings(tmp_path: Path) -> None:
    settings = Settings.having(home=tmp_path, node_name="pc7", ollama_url="10.0.0.7")
    environment = ray_node.ray_environment(settings)
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "ray_token")
    assert environment["COUNCIL_RUN"] == str(tmp_path)
    assert environment["COUNCIL_OLLAMA_URL"] == "http://10.0.0.7:11434"


@pytest.mark.parametrize(
    ("slots", "offered"), [(3, {"ollama": 3, "pc:pc7": 1}), (0, {"pc:pc7": 1})]
)
def test_a_worker_offers_its_room_and_its_name(
    tmp_path: Path, slots: int, offered: dict[str, int]
) -> None:
    settings = Settings.having(home=tmp_path, node_name="pc7", ray_address="192.168.1.10:6379")
    command = ray_node.worker_command(settings, ports.block(0), slots)
    assert "--address=192.168.1.10:6379" in command
    resources = next(word for word in command if word.startswith("--resources="))
    assert json.loads(resources.removeprefix("--resources=")) == offered


def test_a_second_node_on_pc1_reaches_the_loopback_head(tmp_path: Path) -> None:
    settings = Settings.having(home=tmp_path, ray_address="127.0.0.1:6389")
    command = ray_node.worker_command(settings, ports.block(1), 1)
    assert "--address=0.0.0.0:6389" in command


def test_ray_keeps_its_sockets_in_our_home_unless_the_path_is_too_long(tmp_path: Path) -> None:
    short = ray_node.worker_command(Settings.having(home=Path("/h")), ports.block(0), 1)
    assert "--temp-dir=/h/ray" in short
    long = Settings.having(home=Path("/" + "h" * 90))
    assert not [w for w in ray_node.worker_command(long, ports.block(0), 1) if "temp-dir" in w]


def test_blocks_of_ports_do_not_overlap() -> None:
    blocks = [set(ports.block(number).all()) for number in range(ports.BLOCKS)]
    assert sum(map(len, blocks)) == len(set().union(*blocks))


def test_a_taken_port_moves_the_whole_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port, host="": port != 6379)
    assert ports.free_ports() == ports.block(1)
    monkeypatch.setattr(ports, "is_free", lambda port, host="": False)
    with pytest.raises(ports.NoFreePorts, match="COUNCIL_RAY_PORT"):
        ports.free_ports()


def test_secrets_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    token = secret(home, TOKEN)
    assert secret(home, TOKEN) == token != secret(home, KEY)
    assert len(token) == 64
    assert (home / TOKEN).stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_what_runs_is_written_down_and_forgotten(tmp_path: Path) -> None:
    assert run_record.read(tmp_path) is None
    run_record.write(tmp_path, RECORD)
    assert run_record.read(tmp_path) == RECORD
    (tmp_path / "run.json").write_text("{half")
    assert run_record.read(tmp_path) is None
    run_record.forget(tmp_path)
    run_record.forget(tmp_path)


def test_an_address_that_this_pc_has_not_is_refused_with_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serve_app.cli.lan.own_addresses", lambda: ["10.0.0.5", "10.1.0.5"])
    assert lan_address("10.1.0.5") == "10.1.0.5"
    with pytest.raises(Stop) as stop:
        lan_address("1.2.3.4")
    assert "10.0.0.5, 10.1.0.5" in stop.value.lines[1]


def test_a_tier_without_tests_or_tools_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tiers.why_not("unit") == ""
    monkeypatch.setattr(tiers, "find_spec", lambda name: None)
    assert tiers._missing_modules("xllamacpp") == "not installed: xllamacpp"
    monkeypatch.setattr(tiers.os, "geteuid", lambda: 1000)
    assert tiers._missing_for_hosts() == "network namespaces need root"
    assert tiers.why_not("browser") == "not installed: playwright, axe_playwright_python"
    monkeypatch.setattr(tiers, "find_spec", lambda name: name)
    monkeypatch.setattr(tiers.shutil, "which", lambda name: None)
    assert tiers.why_not("browser").startswith("not installed: chromium")


def test_sets_of_tiers_run_side_by_side_and_are_reported_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = []
    meeting = {
        tier: gate
        for together in tiers.SIDE_BY_SIDE
        for gate in [threading.Barrier(len(together), timeout=10)]
        for tier in together
    }

    def run(tier: str, rest: list[str], quiet: bool = False) -> tiers.Outcome:
        if tier in meeting:
            meeting[tier].wait()
        ran.append((tier, quiet))
        return tiers.Outcome(tier, passed=1)

    monkeypatch.setattr(tiers, "_run_tier", run)
    outcomes = tiers._run_all(list(tiers.TIERS), [])
    assert [outcome.tier for outcome in outcomes] == list(tiers.TIERS)
    assert ran[-1] == ("timed", False), "alone, and last"
    assert {tier for tier, quiet in ran if quiet} == {"wire", "browser", "real", "chaos"}
    monkeypatch.setattr(tiers, "_run_tier", lambda tier, rest, quiet=False: tiers.Outcome(tier))
    assert [outcome.tier for outcome in tiers._run_all(["wire"], [])] == ["wire"]


@pytest.mark.parametrize(
    ("outcomes", "code", "last"),
    [
        ([tiers.Outcome("unit", 0, 10, 0, 1)], 0, "10 passed, 0 failed, 1 skipped"),
        (
            [tiers.Outcome("unit", 0, 10), tiers.Outcome("cluster", why_not="no root")],
            0,
            "10 passed, 0 failed, 1 skipped",
        ),
        ([tiers.Outcome("unit", 1, 9, 1)], 1, "9 passed, 1 failed, 0 skipped"),
        ([tiers.Outcome("unit", 2)], 1, "0 passed, 1 failed, 0 skipped"),
        ([tiers.Outcome("real", why_not="x")], 5, "0 passed, 0 failed, 1 skipped"),
    ],
)
def test_the_last_line_counts_over_all_tiers(
    capsys: pytest.CaptureFixture[str], outcomes: list[tiers.Outcome], code: int, last: str
) -> None:
    assert tiers._report(outcomes) == code
    assert capsys.readouterr().out.splitlines()[-1] == last
