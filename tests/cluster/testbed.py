"""Three simulated PCs for faults: PC1 coordinates, PC2 and PC3 have the models, each by a fake.

Kills what it is told to kill, sees what came back, reads the store from outside. Decides nothing.
"""

import json
import signal
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import psutil

from tests.cluster import victims
from tests.cluster.boxes import until
from tests.cluster.clients import Clients, Inquiry, questions
from tests.cluster.hosts import Host, Lan
from tests.cluster.ledger import Chat, Step, ledger
from tests.cluster.users import COUNCIL, STARTS_S, Council, ModelServer, join, up
from tests.cluster.verdicts import Kill

MODELS = {"pc2": "alpha,beta,gamma", "pc3": "alpha,beta,delta"}
SEATINGS = (
    ("alpha", "beta", "gamma"),
    ("beta", "delta", "alpha"),
    ("alpha", "alpha"),
    ("beta", "gamma", "delta"),
)
"""Models of the seats; some have one PC only. No more models than slots: none has to make room."""
SPEECH = ("--latency-ms", "250", "--tokens", "10")
PART = "is part of the council"
BACK_S = 90.0
FIRST = 1000
"""Clients' questions are numbered from here; lower numbers are for tests that ask themselves."""
AT_REST = {"orchestrator": 1, "chairman": 1, "replica": 1, "agent": 6, "probe": 3, "raylet": 3}
"""Processes on all PCs while nothing is asked; an agent for each model of each PC."""


class Testbed:
    """PCs that are up and joined. `kills` is what was killed so far."""

    __test__ = False
    """Its name is no test's, whatever pytest makes of it."""

    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self.pc1 = lan.host("pc1", "10.77.0.1")
        self.workers = (lan.host("pc2", "10.77.0.2"), lan.host("pc3", "10.77.0.3"))
        self.servers = {pc.name: ModelServer(pc, MODELS[pc.name], *SPEECH) for pc in self.workers}
        self._line = up(self.pc1, "--no-models")
        self.joined = {pc.name: join(pc, self._line) for pc in self.workers}
        self.council = Council(self.pc1)
        for model in ("gamma", "delta"):
            until(lambda m=model: self.council.knows(m), STARTS_S, f"the PC of {model} is known")
        self.kills: list[Kill] = []
        self._asked = FIRST

    @property
    def hosts(self) -> tuple[Host, ...]:
        return (self.pc1, *self.workers)

    @property
    def store(self) -> Path:
        return self.pc1.home / ".llm-council" / "sessions.db"

    def clients(self, count: int, seed: int) -> Clients:
        """Their questions are numbered on from those of the clients before."""
        asks = questions(seed, SEATINGS)

        def question(_: int) -> Inquiry:
            self._asked += 1
            return asks(self._asked)

        return Clients(self.pc1, self.council.url, self.council.key, count, question)

    def inside(self, pc: Host) -> list[psutil.Process]:
        """The PC's processes as this machine sees them, without what holds the box open."""
        return [process for process in pc.outside() if process.pid != pc.pid]

    def kill(self, kind: str, chance: Random) -> Kill:
        """SIGKILL to one process of that kind, as soon as there is one. After a head's end `up` is
        typed again."""
        if kind == "raylet":
            return self._kill_raylet(chance)
        if kind == "head":
            return self.kill_head()
        found = until(lambda: victims.every(self.hosts, kind), BACK_S, f"a living {kind}")
        pc, process = chance.choice(found)
        process.kill()
        return self._note(Kill(time.monotonic(), kind, pc.name))

    def kill_head(self) -> Kill:
        """All of PC1 at once, as when its plug is pulled; then `up`. While the others are in: after
        it nobody knows what a PC had that was away, and questions for that are refused."""
        try:
            until(self.look, BACK_S, "every PC is in")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._away()}") from None
        at = time.monotonic()
        for process in self.inside(self.pc1):
            process.kill()
        up(self.pc1, "--no-models")
        return self._note(Kill(at, "head", self.pc1.name, back_at=time.monotonic()))

    def look(self) -> bool:
        """Notes which of the killed PCs are back; whether all of them are."""
        for number, kill in enumerate(self.kills):
            if kill.kind == "raylet" and kill.back_at is None and self.joins(kill.pc) > kill.joins:
                self.kills[number] = replace(kill, back_at=time.monotonic())
        return all(kill.back_at for kill in self.kills if kill.kind == "raylet")

    def wait(self, seconds: float) -> None:
        """Lets so much time pass, in which PCs come back."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            self.look()
            time.sleep(min(0.2, left))

    def joins(self, pc: str) -> int:
        """How often the PC has joined so far."""
        return self.joined[pc].said().count(PART)

    def at_rest(self) -> None:
        """Waits until every process of the council is there once, and no other."""
        until(lambda: self.roles() == AT_REST, 60, f"{AT_REST}, not {self.roles()}")

    def every_slot_works(self) -> None:
        """All six agents are at work at once: no slot was kept by a call that is long over."""
        for model in ("gamma", "delta"):
            until(lambda m=model: self.council.knows(m), STARTS_S, f"the PC of {model} is there")
        for server in self.servers.values():
            server.script("*", "answer", latency_s=40, always=True)
        asked = self.council.open("alpha", "alpha", "beta", "beta", "gamma")
        also = self.council.open("delta")
        try:
            until(self._all_at_work, 90, "all are at work at once")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._standing(asked, also)}") from None
        finally:
            for server in self.servers.values():
                server.unscript()
        for session_id in (asked, also):
            assert self.council.ended(session_id, 120)["stage"] == "complete"

    def integrity(self) -> str:
        """SQLite's own verdict on the store, while the council goes on: `ok`, or what is wrong."""
        with reader(self.store) as db:
            return ", ".join(row[0] for row in db.execute("PRAGMA integrity_check"))

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """Every session's events, as they are on disk."""
        return stored(self.store)

    def ledger(self, of: Iterable[Inquiry] | None = None) -> dict[Step, list[Chat]]:
        """The calls that models were asked, of these questions or of all that have a number."""
        numbers = None if of is None else {inquiry.number for inquiry in of}
        told = ledger((name, server.asked()) for name, server in self.servers.items())
        return {s: chats for s, chats in told.items() if numbers is None or s[0] in numbers}

    def roles(self) -> dict[str, int]:
        """How many processes of each role there are on all PCs."""
        names = [victims.role(p) for host in self.hosts for p in host.outside()]
        return {name: names.count(name) for name in AT_REST}

    def leave(self) -> list[str]:
        """Ctrl-C on the workers, `down` on PC1; who stays all the same, and the processes left."""
        for joined in self.joined.values():
            joined.send(signal.SIGINT)
        stayed = [
            f"{pc} does not leave:\n{j.said()}" for pc, j in self.joined.items() if j.lives(60)
        ]
        self.pc1.run(*COUNCIL, "down")
        every = [line for host in self.hosts for line in host.processes()]
        return [*stayed, *(line for line in every if "tests.fakes" not in line)]

    def close(self) -> None:
        self.council.close()
        for server in self.servers.values():
            server.close()

    def _standing(self, *session_ids: str) -> str:
        """Who is at work by the fakes' account, and what the council says of PCs and sessions."""
        at_work = {pc: server.at_work() for pc, server in self.servers.items()}
        standings = self.council.http.get("/api/cluster/nodes").text
        seats = [self.stored()[s][1:] for s in session_ids]
        agents = [(a["name"], a["state"], a["pid"]) for a in self.council.agents()]
        return f"{at_work}\n{standings}\n{agents}\n{seats}"

    def _away(self) -> str:
        """The PCs whose raylet was killed and is not back, with the last that was said there."""
        away = [kill for kill in self.kills if kill.kind == "raylet" and not kill.back_at]
        return "\n".join(
            f"{kill.pc}, killed as number {self.kills.index(kill) + 1}:\n"
            + "\n".join(self.joined[kill.pc].said().splitlines()[-12:])
            for kill in away
        )

    def _all_at_work(self) -> bool:
        at_work = {pc: sorted(server.at_work()) for pc, server in self.servers.items()}
        return at_work == {pc: MODELS[pc].split(",") for pc in self.servers}

    def _kill_raylet(self, chance: Random) -> Kill:
        found = until(self._raylets, BACK_S, "the raylet of a worker that has joined")
        pc, process = chance.choice(found)
        kill = Kill(time.monotonic(), "raylet", pc.name, joins=self.joins(pc.name))
        process.kill()
        return self._note(kill)

    def _raylets(self) -> list[tuple[Host, psutil.Process]]:
        self.look()
        out = {kill.pc for kill in self.kills if kill.kind == "raylet" and not kill.back_at}
        return [(pc, p) for pc, p in victims.every(self.workers, "raylet") if pc.name not in out]

    def _note(self, kill: Kill) -> Kill:
        self.kills.append(kill)
        return kill


def stored(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Every session's events in a council's store, while the council goes on."""
    found: dict[str, list[dict[str, Any]]] = {}
    with reader(store) as db:
        rows = db.execute("SELECT session_id, body FROM events ORDER BY session_id, seq")
        for session_id, body in rows:
            found.setdefault(session_id, []).append(json.loads(body))
    return found


@contextmanager
def reader(store: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=30)) as db:
        yield db
