"""What a user does at a PC: a model server, `./council up`, the printed line at the next PC, HTTP.

Commands run as `python -m serve_app`, which is what `./council` runs once it is installed.
"""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.cluster.boxes import Running, enter_network, until
from tests.cluster.hosts import Host

COUNCIL = (sys.executable, "-m", "serve_app")
STARTS_S = 180
"""For a head or a node; a tenth of it on an idle machine."""


class Visitor:
    """HTTP from inside a PC: the same sockets as a browser there would open."""

    def __init__(self, host: Host, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=90)
        self._threads = ThreadPoolExecutor(4, initializer=enter_network, initargs=(host.pid,))

    def get(self, path: str) -> httpx.Response:
        return self._threads.submit(self._http.get, path).result()

    def post(self, path: str, body: Any) -> httpx.Response:
        return self._threads.submit(self._http.post, path, json=body).result()

    def close(self) -> None:
        self._http.close()
        self._threads.shutdown()


class ModelServer:
    """A fake Ollama on a PC."""

    def __init__(self, host: Host, models: str, *options: str, address: str = "127.0.0.1") -> None:
        self._host = host
        self._words = (
            *(sys.executable, "-m", "tests.fakes", "--host", address, "--port", "11434"),
            *("--models", models, *options),
        )
        self._visitor = Visitor(host, f"http://{address}:11434")
        self._process = self._start()

    def script(self, model: str, kind: str, always: bool = False, **wishes: Any) -> None:
        """How the next call (or every one) for the model is answered."""
        body = {"model": model, "always": always, "replies": [{"kind": kind, **wishes}]}
        self._visitor.post("/fake/script", body).raise_for_status()

    def unscript(self) -> None:
        self._visitor.post("/fake/unscript", {}).raise_for_status()

    def at_work(self) -> list[str]:
        """The models that are being asked just now."""
        return [r["json"]["model"] for r in self._chats() if not (r["finished"] or r["cancelled"])]

    def chats(self, model: str) -> int:
        """How often the model was asked."""
        return sum(r["json"]["model"] == model for r in self._chats())

    def loads(self) -> int:
        """How often a model was brought into memory."""
        return len(self._visitor.get("/fake/requests").json()["loads"])

    def asked(self) -> list[dict[str, Any]]:
        """Every call for an answer so far, as the fake tells it."""
        return self._chats()

    def restart(self) -> None:
        """Cuts every answer in the making, forgets the scripts."""
        self._process.end_inside()
        self._process = self._start()

    def close(self) -> None:
        self._visitor.close()

    def _chats(self) -> list[dict[str, Any]]:
        told = self._visitor.get("/fake/requests").json()["requests"]
        return [r for r in told if r["path"] == "/api/chat" and r["json"].get("messages")]

    def _start(self) -> Running:
        process = self._host.start(*self._words)
        process.says("http://", 30)
        return process


class Council:
    """The council of a PC1 that is up, as a client with the key sees it from `seat`."""

    def __init__(self, pc1: Host, seat: Host | None = None) -> None:
        home = pc1.home / ".llm-council"
        key = (home / "api_key").read_text().strip()
        token = (home / "ray_token").read_text().strip()
        self.url, self.key = f"http://{pc1.ip}:8000", key
        self.http = Visitor(seat or pc1, self.url, key)
        self._ray = Visitor(pc1, "http://127.0.0.1:8265", token)

    def open(self, *models: str, **more: Any) -> str:
        """A question for these seats; the session's id."""
        answer = self.http.post("/api/council/sessions", _question(models, more))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["session_id"])

    def session(self, session_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/api/council/sessions/{session_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def ended(self, session_id: str, within_s: float) -> dict[str, Any]:
        """The session once it has ended."""
        over = ("complete", "error")
        until(lambda: self.session(session_id)["stage"] in over, within_s, "the session's end")
        return self.session(session_id)

    def ask(self, *models: str, **more: Any) -> dict[str, Any]:
        """The whole session of a question."""
        answer = self.http.post("/api/council/query", _question(models, more))
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def generate(self, model: str) -> dict[str, Any]:
        answer = self.http.post("/api/generate", {"model": model, "prompt": "Who are you?"})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def knows(self, model: str) -> bool:
        """Whether some PC has told that it has the model."""
        answer = self.http.get("/health/models")
        nodes = answer.json()["nodes"] if answer.is_success else []
        return any(m["name"] == model for node in nodes for m in node["models"])

    def pcs(self) -> set[str]:
        """The PCs that the council counts on, by `/health/ollama`."""
        return {node["name"] for node in self.http.get("/health/ollama").json()["nodes"]}

    def actors(self) -> list[dict[str, Any]]:
        """The living actors by Ray's own account: `name`, `class_name`, `pid`, and `pc`."""
        names = {node["node_id"]: node["node_name"] for node in self.nodes()}
        alive = [a for a in self._state("actors") if a["state"] == "ALIVE"]
        return [{**actor, "pc": names[actor["node_id"]]} for actor in alive]

    def agents(self) -> list[dict[str, Any]]:
        """Every agent by Ray's own account, in whatever state."""
        return [a for a in self._state("actors") if a["class_name"] == "OllamaAgent"]

    def nodes(self) -> list[dict[str, Any]]:
        """Every node by Ray's own account, lost ones too."""
        return self._state("nodes")

    def close(self) -> None:
        self.http.close()
        self._ray.close()

    def _state(self, what: str) -> list[dict[str, Any]]:
        answer = self._ray.get(f"/api/v0/{what}?detail=1&limit=1000").raise_for_status()
        return answer.json()["data"]["result"]["result"]  # type: ignore[no-any-return]


def up(pc1: Host, *options: str, **environment: str) -> list[str]:
    """`./council up --lan`; the words after `./council` in the line that it prints for PC2."""
    said = pc1.run(*COUNCIL, "up", "--lan", *options, within_s=STARTS_S, **environment)
    line = re.search(r"^[^\n]*\./council (join .*)$", said, re.MULTILINE)
    assert line, said
    return line[1].split()


def join(pc: Host, line: list[str], *more: str, **environment: str) -> Running:
    """Types the line; returns once the PC is part of the council."""
    joined = pc.start(*COUNCIL, *line, *more, **environment)
    joined.says("is part of the council", STARTS_S)
    return joined


def _question(models: tuple[str, ...], more: dict[str, Any]) -> dict[str, Any]:
    seats = [{"name": f"Seat {n}", "model": model} for n, model in enumerate(models, 1)]
    return {"query": "Why is the sky blue?", "selected_agents": seats, **more}
