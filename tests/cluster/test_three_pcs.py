"""PC1 has a model, PC2 has models, PC3 joins in mid-run: shared work, a cut cable, a foreign PC."""

import signal
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.boxes import Running, until
from tests.cluster.conftest import Keep
from tests.cluster.hosts import Host, Lan
from tests.cluster.testbed import stored
from tests.cluster.users import STARTS_S, Council, ModelServer, join, up
from tests.cluster.verdicts import ANSWERS

pytestmark = pytest.mark.cluster

DEAD_S = 60
GONE_S = 15
"""Fault 7: after that long the agents of a PC without a cable are not counted on any more."""


@dataclass
class ThreePcs:
    lan: Lan
    pc1: Host
    pc2: Host
    council: Council
    ollama2: ModelServer
    ollama3: ModelServer
    joined2: Running
    line: list[str]
    pc3: Host


@pytest.fixture(scope="module")
def three(lan: Lan, keep: Keep) -> ThreePcs:
    """PC1 (own) and PC2 (alpha, beta) sit together; PC3 (alpha) is there and has not joined."""
    pc1, pc2 = lan.host("pc1", "10.77.0.1"), lan.host("pc2", "10.77.0.2")
    pc3 = lan.host("pc3", "10.77.0.3")
    keep(ModelServer(pc1, "own"))
    ollama2 = keep(ModelServer(pc2, "alpha,beta"))
    ollama3 = keep(ModelServer(pc3, "alpha"))
    line = up(pc1)
    council = keep(Council(pc1))
    joined2 = join(pc2, line)
    until(lambda: council.knows("beta"), 60, "PC2 tells its models")
    return ThreePcs(lan, pc1, pc2, council, ollama2, ollama3, joined2, line, pc3)


def test_a_pc_that_joins_in_mid_run_is_used_by_that_run(three: ThreePcs) -> None:
    """Two seats wait for the one slot on PC2; PC3 joins and serves them; nothing is restarted."""
    before = {a["actor_id"] for a in three.council.actors() if a["pc"] == "pc1"}
    three.ollama2.script("alpha", "silence", text="I think", always=True)
    session_id = three.council.open("alpha", "alpha", "alpha")
    until(lambda: three.ollama2.at_work() == ["alpha"], 60, "alpha speaks on PC2")

    join(three.pc3, three.line)

    def opinions() -> list[str]:
        return [opinion["node"] for opinion in three.council.session(session_id)["opinions"]]

    until(lambda: len(opinions()) == 2, 60, "PC3 serves the two that waited")
    assert opinions() == ["pc3", "pc3"]
    assert three.ollama2.at_work() == ["alpha"]
    three.ollama2.restart()
    session = three.council.ended(session_id, 60)
    assert session["stage"] == "complete" and len(session["opinions"]) == 3
    assert sorted(opinion["attempts"] for opinion in session["opinions"]) == [1, 1, 2]
    after = {a["actor_id"] for a in three.council.actors() if a["pc"] == "pc1"}
    assert before <= after


def test_two_pcs_with_the_same_model_share_its_work(three: ThreePcs) -> None:
    """Two seats of one model, each PC one slot: both PCs work at the same time."""
    until(lambda: _connected(three.council, "pc2"), 60, "PC2's Ollama is back")
    for ollama in (three.ollama2, three.ollama3):
        ollama.script("alpha", "answer", latency_s=6, always=True)
    session_id = three.council.open("alpha", "alpha")

    def both_at_work() -> bool:
        return three.ollama2.at_work() == three.ollama3.at_work() == ["alpha"]

    until(both_at_work, 60, "alpha speaks on both PCs at once")
    for ollama in (three.ollama2, three.ollama3):
        ollama.unscript()
    session = three.council.ended(session_id, 60)
    assert {opinion["node"] for opinion in session["opinions"]} == {"pc2", "pc3"}


def test_row_07_and_10_a_long_cut_is_done_without_and_heals(three: ThreePcs) -> None:
    """Without its cable PC2 is not counted on; the other PC takes over what it can, the rest is
    absent, the answer comes. Once even Ray has given it up the cable is in again: PC2 is back by
    itself and serves, and nothing of what it goes on saying is written down."""
    for model in ("alpha", "beta"):
        three.ollama2.script(model, "silence", text="I think", always=True)
    session_id = three.council.open("own", "beta", "alpha", "alpha", chairman_model="own")
    until(lambda: set(three.ollama2.at_work()) == {"alpha", "beta"}, 60, "PC2 speaks")

    three.lan.pull(three.pc2)

    until(lambda: "pc2" not in three.council.pcs(), GONE_S, "PC2 is not counted on")
    session = three.council.ended(session_id, 60)
    assert session["stage"] == "complete" and session["degraded"]
    assert session["final_answer"]["content"]
    nodes = {o["agent_id"]: (o["node"], o["attempts"]) for o in session["opinions"]}
    assert nodes.pop("agent_1") == ("pc1", 1)
    assert sorted(nodes.values()) == [("pc3", 1), ("pc3", 2)]
    absences = [(a["agent_id"], a["stage"], a["code"]) for a in session["absences"]]
    assert absences == [("agent_2", "opinions", "node_gone")]
    told = events(three, session_id)
    until(lambda: _state_of(three.council, "pc2") == "DEAD", DEAD_S, "Ray gives PC2 up")

    three.lan.plug(three.pc2)

    three.joined2.says("is part of the council", STARTS_S, times=2)
    until(lambda: three.council.knows("beta"), 60, "PC2 tells its models again")
    three.ollama2.unscript()
    assert three.council.generate("beta")["node"] == "pc2"
    assert three.ollama2.at_work() == []
    assert events(three, session_id) == told
    answers = Counter(
        (e["kind"], e["agent_id"], e.get("first")) for e in told if e["kind"] in ANSWERS
    )
    assert set(answers.values()) == {1}


def test_a_pc_without_ray_takes_part_through_its_ollama(three: ThreePcs, keep: Keep) -> None:
    """`join --ollama-url` on PC1 itself: a worker node there, whose agents talk to that URL."""
    mac = three.lan.host("mac", "10.77.0.9")
    ollama = keep(ModelServer(mac, "omega", address=mac.ip))

    joined = join(three.pc1, three.line, "--ollama-url", f"http://{mac.ip}:11434")
    until(lambda: three.council.knows("omega"), 60, "the new node tells its models")
    session = three.council.ask("own", "omega")

    assert session["stage"] == "complete" and not session["degraded"]
    assert [opinion["node"] for opinion in session["opinions"]] == ["pc1", mac.ip]
    assert ollama.chats("omega") >= 2
    assert [line for line in mac.processes() if "tests.fakes" not in line] == []
    joined.send(signal.SIGINT)
    assert joined.wait(60) == 0
    assert three.council.generate("own")["node"] == "pc1"


def _connected(council: Council, name: str) -> bool:
    nodes = council.http.get("/health/ollama").json()["nodes"]
    return any(node["name"] == name and node["connected"] for node in nodes)


def _state_of(council: Council, name: str) -> str:
    """ALIVE or DEAD, by Ray's own account; of the PC's latest node."""
    states = [node["state"] for node in council.nodes() if node["node_name"] == name]
    return "ALIVE" if "ALIVE" in states else "DEAD"


def events(three: ThreePcs, session_id: str) -> list[dict[str, Any]]:
    return stored(three.pc1.home / ".llm-council" / "sessions.db")[session_id]
