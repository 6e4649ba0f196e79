"""Rows 8 to 11 and 48 on three PCs: what dies, stops or is cut off for a while loses nothing; and
which doors are open meanwhile.

PC1 coordinates, PC2 and PC3 have the models. After each fault: what the client is told, what the
store holds, and what the models were asked.
"""

import contextlib
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from cluster import run_record
from tests.cluster.bad_cable import Quality
from tests.cluster.boxes import until
from tests.cluster.clients import Inquiry
from tests.cluster.doors import HEAD, HTTP, NODE, OLLAMA, PORTS, doors, unlisted
from tests.cluster.ledger import Step
from tests.cluster.testbed import BACK_S, Testbed
from tests.cluster.users import STARTS_S, up
from tests.cluster.verdicts import ANSWERS

pytestmark = [pytest.mark.cluster, pytest.mark.timed]

RESUMED_S = 60
"""On a quiet machine; a busy one may take `BUSY` times as long to start Ray."""
BUSY = 3
STOPPED_S = 30
SILENT_S = 30
"""An agent gives a sign of life every 5 s; after four without one it is done without."""


@pytest.fixture(autouse=True)
def unscripted(bed: Testbed) -> Iterator[None]:
    yield
    for server in bed.servers.values():
        server.unscript()


def asked(bed: Testbed, number: int, *models: str, chairman: str) -> str:
    """A question whose calls can be told by its number (`ledger.py`); the session's id."""
    body = Inquiry(number, models, chairman, waits=False).body
    answer = bed.council.http.post("/api/council/sessions", body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["session_id"])


def calls(bed: Testbed, number: int) -> dict[Step, int]:
    """How often each step of the question was asked of a model."""
    return {step: len(chats) for step, chats in bed.ledger().items() if step[0] == number}


def agents(bed: Testbed) -> dict[str, int]:
    """Name and process of each living agent, by Ray's account."""
    every = (a for a in bed.council.actors() if a["class_name"] == "OllamaAgent")
    return {agent["name"]: agent["pid"] for agent in every}


def one_answer_each(bed: Testbed, session_id: str) -> list[dict[str, Any]]:
    """The session's events, of which none is there twice."""
    events = bed.stored()[session_id]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    heard = Counter(
        (e["kind"], e["agent_id"], e.get("first")) for e in events if e["kind"] in ANSWERS
    )
    assert set(heard.values()) == {1}, heard
    assert [event["kind"] for event in events].count("session_closed") == 1
    return events


def speaking(bed: Testbed, *models: str) -> None:
    """Waits until exactly these models are being asked, somewhere."""

    def at_work() -> list[str]:
        return sorted(m for server in bed.servers.values() for m in server.at_work())

    until(lambda: at_work() == sorted(models), 40, f"{models} speak")


def test_on_a_lan_the_doors_are_those_of_the_list(bed: Testbed) -> None:
    """PC1 has the head's and every node's; the dashboard is on loopback, the API at the address
    that was asked for. The others have every node's; their Ollama stays on loopback."""
    bed.council.ask("alpha", "beta", "gamma")
    found = {pc.name: doors(pc) for pc in bed.hosts}

    assert unlisted(found["pc1"], NODE | HEAD | {PORTS.dashboard, HTTP}) == set()
    for name in ("pc2", "pc3"):
        assert unlisted(found[name], NODE | {OLLAMA}) == set()
        assert all(door.is_loopback for door in found[name] if door.port == OLLAMA)
        assert {door.port for door in found[name]} >= {PORTS.node["node-manager-port"], OLLAMA}
    assert all(door.is_loopback for door in found["pc1"] if door.port == PORTS.dashboard)
    assert [d.address for d in found["pc1"] if d.port == HTTP] == [bed.pc1.ip]


def test_row_10_a_cut_of_ten_seconds_only_makes_it_slower(bed: Testbed) -> None:
    """PC2's cable is out while it speaks and is in again: the same agents, the same attempt."""
    pc2 = bed.workers[0]
    bed.council.ask("gamma", "delta")
    before = agents(bed)
    bed.servers["pc2"].script("gamma", "answer", latency_s=6)
    session_id = asked(bed, 101, "gamma", "delta", chairman="delta")
    until(lambda: "gamma" in bed.servers["pc2"].at_work(), 30, "gamma speaks on PC2")

    bed.lan.pull(pc2)
    time.sleep(10)  # the fault itself
    bed.lan.plug(pc2)

    session = bed.council.ended(session_id, 60)
    assert session["stage"] == "complete" and not session["degraded"], session["notices"]
    assert {opinion["attempts"] for opinion in session["opinions"]} == {1}
    assert agents(bed) == before
    assert set(calls(bed, 101).values()) == {1}
    one_answer_each(bed, session_id)


def test_row_09_what_a_stopped_agent_says_too_late_is_refused(bed: Testbed) -> None:
    """SIGSTOP in mid-answer for longer than silence is borne: the other PC is asked, and what the
    first one says after SIGCONT is not taken."""
    for server in bed.servers.values():
        server.script("beta", "answer", latency_s=4, text="The first to be asked says so.")
    session_id = asked(bed, 102, "beta", "gamma", chairman="gamma")
    until(lambda: "beta" in _at_work(bed), 30, "beta speaks")
    (first,) = (name for name, server in bed.servers.items() if "beta" in server.at_work())
    (other,) = bed.servers.keys() - {first}
    bed.servers[other].unscript()
    stopped = _agent(bed, f"agent:{first}:beta")

    stopped.send_signal(signal.SIGSTOP)
    try:
        until(lambda: "beta" in _opinions(bed, session_id), SILENT_S, "the other PC's opinion")
    finally:
        stopped.send_signal(signal.SIGCONT)

    session = bed.council.ended(session_id, 60)
    opinions = {opinion["model"]: opinion for opinion in session["opinions"]}
    assert session["stage"] == "complete"
    assert (opinions["beta"]["node"], opinions["beta"]["attempts"]) == (other, 2)
    until(lambda: "beta" not in bed.servers[first].at_work(), 10, "the first call is over")
    events = one_answer_each(bed, session_id)
    assert "The first to be asked says so." not in str(
        [event for event in events if event["kind"] in ANSWERS]
    )
    assert calls(bed, 102)[102, "opinions", "agent_1"] == 2
    assert agents(bed)[f"agent:{first}:beta"] == _own_pid(stopped), "the same process goes on"


def test_row_11_over_a_bad_cable_a_council_completes(bed: Testbed) -> None:
    """5 % of the frames are lost, the others take 300 ± 200 ms, 64 kbit/s each way: nothing is
    given up, nothing is asked twice, and what crosses the cable is little. Very seldom
    chance keeps it silent for half a minute: then Ray gives the PC up, and it joins again."""
    before, joins = agents(bed), bed.joins("pc2")
    with bed.lan.bad_cable(bed.workers[0], Quality()) as cable:
        session_id = asked(bed, 103, "gamma", "delta", chairman="gamma")
        session = bed.council.ended(session_id, 150)
        crossed, lost = cable.up.carried + cable.down.carried, cable.up.lost + cable.down.lost

    assert session["stage"] == "complete" and not session["degraded"], session["notices"]
    assert {o["model"]: o["node"] for o in session["opinions"]} == {"gamma": "pc2", "delta": "pc3"}
    assert set(calls(bed, 103).values()) == {1}
    assert lost > 0 and crossed < 1_500_000
    if not before.items() <= agents(bed).items():
        until(lambda: bed.joins("pc2") > joins, BACK_S, "PC2 is back that Ray gave up")
    one_answer_each(bed, session_id)


def test_row_08_after_pc1_died_every_open_session_goes_on(bed: Testbed) -> None:
    """All of PC1 killed with a session in each stage; `up` typed again: they are complete within a
    minute, agents are the same processes, and only what was being said is asked again."""
    for model in ("gamma", "delta"):  # a bad cable may have cost a PC its place for a moment
        until(lambda m=model: bed.council.knows(m), STARTS_S, f"the PC of {model} is there")
    bed.council.ask("alpha", "beta", "gamma")
    bed.council.ask("alpha", "beta", "delta")
    bed.servers["pc2"].script("gamma", "silence", text="As chairm")
    bed.servers["pc3"].script("delta", "answer")
    bed.servers["pc3"].script("delta", "silence", text="{")
    in_synthesis = asked(bed, 104, "alpha", "alpha", chairman="gamma")
    in_review = asked(bed, 105, "delta", "alpha", chairman="alpha")
    speaking(bed, "gamma", "delta")
    for server in bed.servers.values():
        server.script("beta", "silence", text="I thi")
    in_opinions = asked(bed, 106, "beta", "alpha", chairman="alpha")
    speaking(bed, "gamma", "delta", "beta")
    until(lambda: _opinions(bed, in_opinions) == ["alpha"], 30, "the other opinion")
    stages = [bed.council.session(s)["stage"] for s in (in_synthesis, in_review, in_opinions)]
    assert stages == ["synthesis", "review", "opinions"]
    before, loads = agents(bed), {pc: server.loads() for pc, server in bed.servers.items()}
    for server in bed.servers.values():
        server.unscript()

    kill = bed.kill_head()
    ended = {s: bed.council.ended(s, 120) for s in (in_synthesis, in_review, in_opinions)}

    took_s = time.monotonic() - kill.at
    assert took_s <= BUSY * RESUMED_S, took_s
    for session_id, session in ended.items():
        assert session["stage"] == "complete" and not session["degraded"], session["notices"]
        one_answer_each(bed, session_id)
    assert agents(bed) == before
    assert {pc: server.loads() for pc, server in bed.servers.items()} == loads, "models stayed"
    asked_twice = {
        step: times for n in (104, 105, 106) for step, times in calls(bed, n).items() if times > 1
    }
    assert sorted(asked_twice.values()) == [2, 2, 2]
    assert sorted((number, stage) for number, stage, _ in asked_twice) == [
        (104, "synthesis"),
        (105, "review"),
        (106, "opinions"),
    ]


def test_row_48_pc1_that_is_being_stopped_takes_nothing_new(bed: Testbed) -> None:
    """What `down` does first: not ready, 503 with Retry-After and nothing stored; what was accepted
    goes on and can be read."""
    home = bed.pc1.home / ".llm-council"
    accepted = asked(bed, 107, "alpha", "beta", chairman="alpha")
    before = len(bed.stored())
    run_record.stop_begins(home)
    try:
        ready = bed.council.http.get("/health/ready")
        refused = bed.council.http.post("/api/council/sessions", {"query": "Why?"})
        ended = bed.council.ended(accepted, 60)
    finally:
        run_record.stop_is_over(home)

    for answer in (ready, refused):
        assert answer.status_code == 503
        assert answer.json()["code"] == "council_unavailable"
        assert int(answer.headers["Retry-After"]) > 0
    assert ended["stage"] == "complete"
    assert len(bed.stored()) == before
    assert bed.council.http.get("/health/ready").status_code == 200


def test_row_48_what_was_accepted_outlives_a_sigterm_to_all_of_pc1(bed: Testbed) -> None:
    """As when PC1 is shut down in mid-answer: all ends within 30 s; after the next `up` sessions
    complete, and what was stored is not asked again. (`down`: `test_two_pcs.py`.)"""
    for model in ("gamma", "delta"):
        until(lambda m=model: bed.council.knows(m), STARTS_S, f"the PC of {model} is there")
    bed.servers["pc2"].script("gamma", "silence", text="I thi")
    seats = ("gamma", "alpha"), ("beta", "gamma"), ("delta", "gamma")
    first = 110
    accepted = [asked(bed, first + n, *two, chairman=two[0]) for n, two in enumerate(seats)]
    until(lambda: [len(_opinions(bed, s)) for s in accepted] == [1, 1, 1], 60, "the other seats")
    bed.servers["pc2"].unscript()
    began = time.monotonic()

    for process in bed.inside(bed.pc1):
        with contextlib.suppress(psutil.NoSuchProcess):  # ended with what had started it
            process.send_signal(signal.SIGTERM)
    until(lambda: bed.pc1.processes() == [], STOPPED_S, "all of PC1's processes have ended")

    assert time.monotonic() - began <= STOPPED_S
    assert bed.pc1.processes() == []
    assert bed.integrity() == "ok"
    kept = {session_id: bed.stored()[session_id] for session_id in accepted}
    assert all(events[-1]["kind"] != "session_closed" for events in kept.values())
    up(bed.pc1, "--no-models")
    for session_id in accepted:
        session = bed.council.ended(session_id, STARTS_S)
        assert session["stage"] == "complete" and not session["degraded"], session["notices"]
        events = one_answer_each(bed, session_id)
        assert events[: len(kept[session_id])] == kept[session_id]
    twice = {s for n in range(3) for s, times in calls(bed, first + n).items() if times > 1}
    assert {(stage, _seat(bed, accepted[n - first], who)) for n, stage, who in twice} <= {
        ("opinions", "gamma")
    }


def _seat(bed: Testbed, session_id: str, who: str) -> str:
    """The model of `agent_n`."""
    (number,) = who.removeprefix("agent_")
    seats = bed.stored()[session_id][0]["seats"]
    return str(seats[int(number) - 1]["model"])


def _at_work(bed: Testbed) -> list[str]:
    return [model for server in bed.servers.values() for model in server.at_work()]


def _opinions(bed: Testbed, session_id: str) -> list[str]:
    return [opinion["model"] for opinion in bed.council.session(session_id)["opinions"]]


def _agent(bed: Testbed, name: str) -> psutil.Process:
    """The agent's process as this machine sees it."""
    pid = agents(bed)[name]
    (pc,) = (pc for pc in bed.workers if pc.name == name.split(":")[1])
    (found,) = (p for p in bed.inside(pc) if _own_pid(p) == pid)
    return found


def _own_pid(process: psutil.Process) -> int:
    """Its number inside its PC."""
    with open(f"/proc/{process.pid}/status") as told:
        (line,) = (line for line in told if line.startswith("NSpid:"))
    return int(line.split()[-1])
