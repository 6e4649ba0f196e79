"""The commands on terminals of any width, without colours, without anything but text, in a pipe."""

import asyncio
import re
import signal
import subprocess
import termios
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from actors.messages.nodes import LoadedModel, NodeReport, NodeStanding, OllamaStatus
from actors.messages.requests import NOWHERE, CouncilRequest, Origin
from actors.messages.sessions import CouncilSession
from tests.fake_council import MODEL, FakeCouncil, report
from tests.terminals import ROOT, answering, commands, on_terminal, plain_environment

pytestmark = pytest.mark.wire

QUESTION = "Why is the sky blue " + "and the sea too " * 12 + "at noon?"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ESCAPES = "\x1b"


class Busy(FakeCouncil):
    """Two PCs, one of which has models in memory and loads one. A long question stays open."""

    async def open(
        self,
        request: CouncilRequest,
        idempotency_key: str | None = None,
        origin: Origin = NOWHERE,
    ) -> CouncilSession:
        self.held = len(request.query) > 99
        return await super().open(request, idempotency_key, origin)

    async def nodes(self) -> tuple[NodeReport, ...]:
        pc1, pc2 = await super().nodes()
        names = ("qwen2.5:0.5b", "llama3.2:1b", "gemma2:2b")
        server = OllamaStatus(
            url="http://192.168.100.100:11434", connected=True, version="0.20.1",
            loaded=tuple(LoadedModel(name=name) for name in names),
        )  # fmt: skip
        return (pc1.model_copy(update={"ollama": server}), report("pc2", "worker"))

    def _standing(self, node: str) -> NodeStanding:
        return super()._standing(node).model_copy(update={"loading": (MODEL,)})


@pytest.fixture(scope="module")
def council() -> Busy:
    sitting = Busy()

    async def ask() -> None:
        open_one = await sitting.open(CouncilRequest(query=QUESTION))
        sitting.sittings[open_one.session_id].created_at = datetime.now(UTC)
        done = await sitting.open(CouncilRequest(query=QUESTION))
        await sitting.finish(done.session_id)

    asyncio.run(ask())
    return sitting


@pytest.fixture(scope="module")
def env(council: Busy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = str(tmp_path_factory.mktemp("home"))
    with answering(council) as port:
        yield plain_environment(
            COUNCIL_HOME=home, COUNCIL_PORT=str(port), OLLAMA_HOST="127.0.0.1:9"
        )


def shown(env: dict[str, str], columns: int, *several: str) -> str:
    with on_terminal(commands(*several), env, columns) as terminal:
        return terminal.end()


def lines(text: str) -> list[str]:
    return STYLE.sub("", text).replace("\r", "").split("\n")


def words(text: str) -> str:
    return " ".join(STYLE.sub("", text).split())


FACTS = ("qwen2.5:0.5b", "llama3.2:1b", "gemma2:2b", "http://192.168.100.100:11434", "0 of 3")


def test_40_columns_are_enough_and_nothing_is_cut_that_matters(env: dict[str, str]) -> None:
    text = shown(env, 40, "status", "models", "sessions")
    assert max(map(len, lines(text))) <= 40
    for fact in FACTS:
        assert fact in words(text)
    assert "1 open:" in text and re.search(r"opinions, for \d+ s", words(text))


def test_status_is_a_table_where_there_is_room(env: dict[str, str]) -> None:
    [row] = [line for line in lines(shown(env, 200, "status")) if line.startswith("pc1")]
    for fact in FACTS:
        assert fact in row


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_without_colours_there_is_no_control_code_at_all(
    env: dict[str, str], plain: dict[str, str]
) -> None:
    several = ("status", "watch", "sessions", "show last", "ask Why?", "doctor", "--help", "frob")
    text = shown({**env, **plain}, 60, *several)
    assert ESCAPES not in text
    for part in ("# Answer", "It scatters.", "council    ready", "Usage", "No such command"):
        assert words(part) in words(text)


def test_ask_is_coloured_where_it_may_be_and_fits(env: dict[str, str]) -> None:
    text = shown(env, 40, "ask Why?")
    assert STYLE.search(text) and "It scatters." in text
    assert max(map(len, lines(CONTROL.sub("", text)))) <= 40


def test_that_a_pc_loads_the_model_of_a_seat_is_shown_while_it_waits(env: dict[str, str]) -> None:
    with on_terminal(commands(f"ask So {QUESTION}"), env, columns=40) as terminal:
        terminal.until(f"loading {MODEL} …")
        terminal.process.send_signal(signal.SIGINT)
        assert "Cancelled." in terminal.end()


def test_in_a_pipe_nothing_is_cut_and_there_is_no_control_code(env: dict[str, str]) -> None:
    done = subprocess.run(
        commands("status", "sessions", "show last"), env=env, cwd=ROOT,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ESCAPES not in done.stdout + done.stderr
    assert done.stdout.count(f"\n  {QUESTION}\n") == 3, "one that is open, and both in the list"
    [row] = [line for line in done.stdout.splitlines() if line.startswith("pc1")]
    assert all(fact in row for fact in FACTS)


def test_watch_shows_what_fits_says_what_does_not_and_leaves_the_terminal_as_it_was(
    env: dict[str, str],
) -> None:
    with on_terminal(commands("watch --every 0.2"), env, columns=40, lines=8) as terminal:
        text = terminal.until("Ctrl-C ends this.")
        assert "pc1" in text and re.search(r"\d+ more lines", text)
        assert "opinions, for" not in text
        termios.tcsetwinsize(terminal.master, (40, 200))
        terminal.until("opinions, for")  # a larger one is made use of at once
        terminal.process.send_signal(signal.SIGINT)
        assert "\x1b[?1049l" in terminal.end(), "what was there before comes back"
