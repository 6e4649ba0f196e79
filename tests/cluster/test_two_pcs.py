"""PC1 only coordinates, PC2 has the models: `up --lan`, `join`, questions, faults, the end."""

import base64
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import processes
from tests.cluster.boxes import Running, until
from tests.cluster.conftest import Keep
from tests.cluster.hosts import Host, Lan
from tests.cluster.testbed import stored
from tests.cluster.users import COUNCIL, STARTS_S, Council, ModelServer, Visitor, join, up

pytestmark = pytest.mark.cluster

OLD_COUNCIL = """
import http.server, json
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        told = {"status": "ok", "version": "0.1.0", "python": "3.11.2", "ray": "2.9.3"}
        self.wfile.write(json.dumps(told).encode())
server = http.server.HTTPServer(("", 8000), Health)
print("listening", flush=True)
server.serve_forever()
"""


@dataclass
class TwoPcs:
    pc1: Host
    pc2: Host
    council: Council
    ollama: ModelServer
    joined: Running
    line: list[str]


@pytest.fixture(scope="module")
def two(lan: Lan, keep: Keep) -> TwoPcs:
    """PC1 is up; PC2, with alpha and beta on its own Ollama, typed the line that PC1 printed."""
    pc1, pc2 = lan.host("pc1", "10.77.0.1"), lan.host("pc2", "10.77.0.2")
    ollama = keep(ModelServer(pc2, "alpha,beta"))
    line = up(pc1, "--no-models")
    council = keep(Council(pc1))
    joined = join(pc2, line)
    until(lambda: council.knows("alpha"), 60, "PC2 tells its models")
    return TwoPcs(pc1, pc2, council, ollama, joined, line)


def test_a_client_needs_the_key(two: TwoPcs, keep: Keep) -> None:
    """Off loopback: 401 without the key or with a wrong one, an answer with the one from PC1."""
    url = f"http://{two.pc1.ip}:8000"
    stranger = keep(Visitor(two.pc2, url))
    liar = keep(Visitor(two.pc2, url, "0" * 64))
    friend = keep(Council(two.pc1, seat=two.pc2))
    question = {"query": "Why?", "selected_agents": [{"name": "A", "model": "alpha"}]}

    for visitor in (stranger, liar):
        refused = visitor.post("/api/council/query", question)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    session = friend.ask("alpha", "beta")

    assert session["stage"] == "complete" and session["final_answer"]["content"]


def test_a_picture_reaches_a_model_on_pc2_whole(two: TwoPcs) -> None:
    """More than Ray sends within a call: it travels from PC1's object store to PC2's."""
    picture = base64.b64encode(random.Random(1).randbytes(300_000)).decode()
    url = {"url": f"data:image/png;base64,{picture}"}
    said = [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]
    answer = two.council.http.post("/v1/chat/completions", {"model": "alpha", "messages": said})
    assert answer.status_code == 200, answer.text
    assert two.ollama.asked()[-1]["json"]["messages"][-1]["images"] == [picture]


def test_agents_sit_on_pc2_and_the_council_on_pc1(two: TwoPcs) -> None:
    """By Ray's own account, by the session's, and by `/health/ollama`."""
    session = two.council.ask("alpha", "alpha", "beta", chairman_model="beta")

    assert [opinion["node"] for opinion in session["opinions"]] == ["pc2"] * 3
    assert not session["degraded"], session
    where = {actor["class_name"]: set[str]() for actor in two.council.actors()}
    for actor in two.council.actors():
        where[actor["class_name"]].add(actor["pc"])
    assert where["OllamaAgent"] == {"pc2"}
    assert where["CouncilOrchestrator"] == where["ChairmanActor"] == {"pc1"}
    assert where["ServeReplica:council:council"] == {"pc1"}
    agents = {a["name"] for a in two.council.actors() if a["class_name"] == "OllamaAgent"}
    assert agents == {"agent:pc2:alpha", "agent:pc2:beta"}
    told = two.council.http.get("/health/ollama").json()["nodes"]
    assert [(n["url"], n["connected"]) for n in told if n["name"] == "pc2"] == [
        ("http://127.0.0.1:11434", True)
    ]


def test_a_model_that_no_pc_has_is_refused_at_once(two: TwoPcs) -> None:
    """422 with its name and what there is; no actor is left pending."""
    body = {"query": "Why?", "selected_agents": [{"name": "A", "model": "nobody-has-it"}]}

    refused = two.council.http.post("/api/council/query", body)

    assert refused.status_code == 422
    assert refused.elapsed.total_seconds() < 5
    problem = refused.json()
    assert problem["code"] == "model_not_available"
    assert "nobody-has-it" in problem["detail"] and "alpha" in problem["detail"]


def test_a_killed_agent_is_asked_again(two: TwoPcs) -> None:
    """Fault 3: SIGKILL in mid-generation; the step is asked again, attempts = 2."""
    two.council.generate("alpha")
    two.ollama.script("alpha", "silence", text="Half an ans")
    session_id = two.council.open("alpha", "beta")
    until(lambda: two.ollama.at_work() == ["alpha"], 30, "alpha speaks")
    (agent,) = (a for a in two.council.actors() if a["name"] == "agent:pc2:alpha")

    two.pc2.run("kill", "-9", str(agent["pid"]))

    session = two.council.ended(session_id, 60)
    opinions = {opinion["model"]: opinion for opinion in session["opinions"]}
    assert session["stage"] == "complete"
    assert opinions["alpha"]["attempts"] == 2 and opinions["beta"]["attempts"] == 1
    assert "Half an ans" not in opinions["alpha"]["content"]


def test_another_version_is_refused_by_name(lan: Lan) -> None:
    """`join` says both versions, and starts nothing."""
    old, new = lan.host("old", "10.77.0.7"), lan.host("new", "10.77.0.8")
    old.start(COUNCIL[0], "-c", OLD_COUNCIL).says("listening", 20)

    code, said = new.attempt(*COUNCIL, "join", old.ip, "--token", "0" * 64)

    assert code == 1
    assert "10.77.0.7 runs Ray 2.9.3, this PC 2." in said and "runs Python 3.11.2" in said
    assert new.processes() == []


def test_a_council_in_a_box_is_not_ours(two: TwoPcs) -> None:
    """The same user and the same path, seen from outside a container: not ended by `down`."""
    home = Path("/root/.llm-council")
    marked = processes.MARK + "=" + str(home)
    inside = two.pc1.run("sh", "-c", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'").splitlines()

    assert marked in inside
    seen = {process.pid for process in processes.ours(home)}
    assert not seen & {process.pid for process in two.pc1.outside()}


def test_row_48_down_in_mid_answer_and_up_again(two: TwoPcs) -> None:
    """`down` on PC1 leaves no process there within 30 s and keeps the data; `up` shows the earlier
    session and goes on with the open one; PC2, where nobody typed anything, is back."""
    earlier = two.council.ask("alpha", "beta")["session_id"]
    two.ollama.script("alpha", "silence", text="I thi")
    interrupted = two.council.open("alpha", "beta")
    until(lambda: len(two.council.session(interrupted)["opinions"]) == 1, 30, "beta's opinion")

    two.pc1.run(*COUNCIL, "down", within_s=30)
    assert two.pc1.processes() == []
    store = two.pc1.home / ".llm-council" / "sessions.db"
    kept = stored(store)[interrupted]
    assert [event["kind"] for event in kept].count("opinion") == 1

    assert up(two.pc1, "--no-models") == two.line
    assert earlier in two.pc1.run(*COUNCIL, "sessions")
    assert two.council.session(earlier)["stage"] == "complete"
    two.joined.says("is part of the council", STARTS_S, times=2)
    session = two.council.ended(interrupted, 60)
    assert session["stage"] == "complete" and not session["degraded"], session["notices"]
    assert stored(store)[interrupted][: len(kept)] == kept
    asked = [e for e in stored(store)[interrupted] if e["kind"] == "agent_started"]
    opinions = [e for e in asked if (e["agent_id"], e["stage"]) == ("agent_2", "opinions")]
    assert len(opinions) == 1, "its opinion was not asked again"
    assert two.council.generate("alpha")["node"] == "pc2"


def test_ctrl_c_leaves_no_process(two: TwoPcs) -> None:
    """PC2 leaves: nothing of ours stays there, Ollama does; the council goes on without it."""
    two.joined.send(signal.SIGINT)

    assert two.joined.wait(60) == 0
    assert [line for line in two.pc2.processes() if "tests.fakes" not in line] == []
    until(lambda: two.council.pcs() == {"pc1"}, 15, "PC2 is not counted on")
    two.pc1.run(*COUNCIL, "down")
    assert two.pc1.processes() == []
