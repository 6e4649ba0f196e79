"""`ray up ray_config.yaml` from PC1 over real SSH, `./council deploy`, a lost raylet, the end."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.boxes import until
from tests.cluster.conftest import Keep
from tests.cluster.hosts import ROOT, Host, Lan
from tests.cluster.users import COUNCIL, STARTS_S, Council, ModelServer

pytestmark = pytest.mark.cluster

RAY = str(Path(sys.prefix) / "bin" / "ray")
LAUNCHER = "/root/llm-council/council"
SSHD = "/usr/sbin/sshd"
NEEDED = {SSHD: "openssh-server", "ssh": "openssh-client", "rsync": "rsync"}


@pytest.fixture(scope="module")
def ssh() -> None:
    missing = [package for tool, package in NEEDED.items() if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def pcs(ssh: None, lan: Lan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Host, Host]:
    """PC1 and PC2 as the head of ray_config.yaml wants them."""
    pc1, pc2 = lan.host("pc1", "10.77.0.1"), lan.host("pc2", "10.77.0.2")
    key = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for pc in (pc1, pc2):
        _accept_ssh(pc, key)
        _installed(pc)
    return pc1, pc2


@pytest.fixture(scope="module")
def council(pcs: tuple[Host, Host], keep: Keep) -> Council:
    """What a newcomer does on PC1: edits the addresses and the user, then the three lines."""
    pc1, pc2 = pcs
    keep(ModelServer(pc2, "alpha,beta"))
    config = (ROOT / "ray_config.yaml").read_text()
    (pc2.home / ".bashrc").write_text("export OLLAMA_MAX_LOADED_MODELS=2\n")
    for before, after in (
        ("head_ip: 192.168.1.10 ", f"head_ip: {pc1.ip} "),
        ("- 192.168.1.11", f"- {pc2.ip}"),
        ("ssh_user: user ", "ssh_user: root "),
    ):
        assert config.count(before) == 1, before
        config = config.replace(before, after)
    (pc1.home / "ray_config.yaml").write_text(config)
    pc1.run(*COUNCIL, "token")
    pc1.run(RAY, "up", "-y", "/root/ray_config.yaml", within_s=STARTS_S)
    pc1.run(LAUNCHER, "deploy", within_s=STARTS_S, COUNCIL_HOST=pc1.ip)
    council = keep(Council(pc1))
    until(lambda: council.knows("alpha"), STARTS_S, "PC1 starts PC2, and PC2 tells its models")
    return council


def test_a_question_is_answered_by_agents_on_pc2(council: Council) -> None:
    """The council on PC1, the agents on PC2, by Ray's own account."""
    session = council.ask("alpha", "beta")

    assert session["stage"] == "complete" and not session["degraded"]
    assert [opinion["node"] for opinion in session["opinions"]] == ["pc2", "pc2"]
    where = {(actor["class_name"], actor["pc"]) for actor in council.actors()}
    assert {("OllamaAgent", "pc2"), ("CouncilOrchestrator", "pc1")} <= where
    assert {("OllamaAgent", "pc1"), ("ChairmanActor", "pc2")}.isdisjoint(where)
    (offered,) = (n["resources_total"] for n in council.nodes() if n["node_name"] == "pc2")
    assert (offered["ollama"], offered["pc:pc2"]) == (2, 1), "as PC2's own ~/.bashrc says"


def test_the_token_is_shipped_and_kept_secret(council: Council, pcs: tuple[Host, Host]) -> None:
    """Without it nobody gets in; on each PC only its owner can read it."""
    pc1, pc2 = pcs
    files = [pc.home / ".llm-council" / "ray_token" for pc in pcs]

    assert len({file.read_text() for file in files}) == 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    code, said = pc2.attempt(RAY, "status", "--address", f"{pc1.ip}:6379", RAY_AUTH_MODE="disabled")
    assert code != 0 and "InvalidAuthToken" in said, said


def test_a_killed_raylet_is_started_again(council: Council, pcs: tuple[Host, Host]) -> None:
    """PC1's autoscaler does it, over SSH; nobody types anything."""
    (raylet,) = (p for p in pcs[1].outside() if p.name() == "raylet")

    raylet.kill()

    until(lambda: "pc2" not in council.pcs(), 30, "PC2 is counted as gone")
    until(lambda: council.knows("alpha"), STARTS_S, "PC2 is back")
    assert council.generate("alpha")["node"] == "pc2"


def test_down_on_each_pc_leaves_no_process(council: Council, pcs: tuple[Host, Host]) -> None:
    """PC1 first, since it would start the others again; SSH and Ollama are not ours."""
    for pc in pcs:
        pc.run(LAUNCHER, "down")

    for pc in pcs:
        left = [p for p in pc.processes() if "sshd" not in p and "tests.fakes" not in p]
        assert left == [], pc.name
    assert (pcs[0].home / ".llm-council" / "sessions.db").exists()


def _accept_ssh(pc: Host, key: Path) -> None:
    folder = pc.home / ".ssh"
    folder.mkdir(mode=0o700)
    for name in ("id_ed25519", "host_key"):
        shutil.copy(key, folder / name)
    shutil.copy(key.with_suffix(".pub"), folder / "authorized_keys")
    pc.run("sh", "-c", "mount -t tmpfs run /run && mkdir /run/sshd")
    options = ("PidFile=none", "StrictModes=no", "UsePAM=no", "PermitRootLogin=yes")
    chosen = [word for option in options for word in ("-o", option)]
    words = (SSHD, "-D", "-e", "-f", "/dev/null", "-h", "/root/.ssh/host_key", *chosen)
    pc.start(*words).says("Server listening", 20)


def _installed(pc: Host) -> None:
    """`~/llm-council/.venv` as the launcher would have made it: this one, with its stamps."""
    venv = pc.home / "llm-council" / ".venv"
    venv.mkdir(parents=True)
    for part in Path(sys.prefix).iterdir():
        if not part.name.startswith(".installed-"):
            (venv / part.name).symlink_to(part)
    python = (venv / "bin" / "python").resolve()
    for name in ("run", "model"):
        with (ROOT / "requirements" / f"{name}.lock").open("rb") as lock:
            sum_of = subprocess.run(["cksum"], stdin=lock, capture_output=True, check=True)
        (venv / f".installed-{name}").write_text(f"{sum_of.stdout.decode().strip()} {python}\n")
