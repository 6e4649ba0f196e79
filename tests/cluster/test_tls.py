"""Ray's own TLS between two PCs, with certificates as `docs/tls.md` makes them."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cluster.boxes import until
from tests.cluster.conftest import Keep
from tests.cluster.hosts import ROOT, Host, Lan
from tests.cluster.users import COUNCIL, STARTS_S, Council, ModelServer, join, up

pytestmark = pytest.mark.cluster

PAGE = ROOT / "docs" / "tls.md"
FOLDER = "/root/tls"
HANDSHAKE = f"""
import socket, ssl, sys
trust = ssl.create_default_context(cafile="{FOLDER}/ca.crt")
trust.maximum_version = ssl.TLSVersion.TLSv1_2
trust.set_alpn_protocols(["h2"])
if sys.argv[3:]:
    trust.load_cert_chain(*("{FOLDER}/" + name for name in sys.argv[3:]))
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as plain:
    with trust.wrap_socket(plain, server_hostname=sys.argv[1]) as secret:
        print("settled" if secret.recv(9) else "closed")
"""
"""Ends well where the server takes the certificate; with TLS 1.2 it says so in the handshake."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands were typed, for PC1 and PC2."""
    if shutil.which("openssl") is None:
        pytest.skip("not installed: openssl")
    folder = tmp_path_factory.mktemp("authority")
    ours, each = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[:2]
    typed(ours, folder)
    for name, ip in (("pc1", "10.77.0.1"), ("pc2", "10.77.0.2")):
        typed(each.replace("192.168.1.11", ip).replace("pc2", name), folder)
    return folder


def typed(commands: str, folder: Path) -> None:
    words = ["bash", "-euo", "pipefail", "-c", commands]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, f"{commands}\n{ended.stderr}"


def test_a_council_between_two_pcs_over_tls(
    lan: Lan, keep: Keep, authority: Path, tmp_path: Path
) -> None:
    """`up` and `join` with the four variables: a council completes; Ray at both PCs speaks TLS, and
    to nobody without a certificate of ours."""
    pc1, pc2 = lan.host("pc1", "10.77.0.1"), lan.host("pc2", "10.77.0.2")
    keep(ModelServer(pc2, "alpha,beta"))
    environment = carried_over(authority, pc1, pc2)

    line = up(pc1, "--no-models", **environment)
    joined = join(pc2, line, **environment)
    council = keep(Council(pc1))
    until(lambda: council.knows("alpha"), STARTS_S, "PC2 tells its models")
    session = council.ask("alpha", "beta", chairman_model="alpha")

    assert session["stage"] == "complete" and not session["degraded"], session["notices"]
    assert [opinion["node"] for opinion in session["opinions"]] == ["pc2", "pc2"]
    for pc, port in ((pc1, 6379), (pc1, 6380), (pc2, 6380)):
        known = pc2.attempt(COUNCIL[0], "-c", HANDSHAKE, pc.ip, str(port), "pc.crt", "pc.key")
        stranger = pc2.attempt(COUNCIL[0], "-c", HANDSHAKE, pc.ip, str(port))
        assert known == (0, "settled\n"), (pc.name, port, known)
        assert stranger[0] == 1 and "settled" not in stranger[1], (pc.name, port, stranger)
    joined.send(signal.SIGINT)
    assert joined.wait(60) == 0
    pc1.run(*COUNCIL, "down")


def carried_over(authority: Path, *pcs: Host) -> dict[str, str]:
    """Each PC has its own key and certificate and the authority's; the variables for all."""
    for pc in pcs:
        folder = pc.home / "tls"
        folder.mkdir(mode=0o700)
        shutil.copy(authority / "ca.crt", folder)
        for kind in ("crt", "key"):
            shutil.copy(authority / f"{pc.name}.{kind}", folder / f"pc.{kind}")
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_SERVER_CERT": f"{FOLDER}/pc.crt",
        "RAY_TLS_SERVER_KEY": f"{FOLDER}/pc.key",
        "RAY_TLS_CA_CERT": f"{FOLDER}/ca.crt",
    }
