"""A council in a process of its own that dies by SIGKILL between an answer and its commit.

`python -m tests.dying_council HOME URL KIND MOMENT`: asks one question; when the last seat's event
of that KIND is to be stored the process dies at the MOMENT: `before` its transaction, `inside` it
(written, not committed), or `after` the commit and before anybody is told.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from actors.messages.events import AnswerEvent, StoredEvent
from actors.messages.requests import AgentSpec, CouncilRequest
from actors.store import session_rows, session_writer
from tests.local_council import LocalPc, local_council

MODELS = ("one:1b", "two:1b", "three:1b")
CHAIR = "chair:1b"
LAST = {"opinion": "agent_3", "review": "agent_3", "final_answer": "chairman"}
REQUEST = CouncilRequest(
    query="Why is the sky blue?",
    selected_agents=tuple(AgentSpec(model=model) for model in MODELS),
    chairman_model=CHAIR,
)


def pc(url: str) -> LocalPc:
    return LocalPc("pc1", url, max_models=4, num_parallel=3, is_head=True)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arrange_death(kind: str, moment: str) -> None:
    append, tell = session_rows.append, session_writer._tell
    stored = False

    def dying_append(
        db: sqlite3.Connection, session_id: str, events: Sequence[StoredEvent]
    ) -> list[StoredEvent]:
        nonlocal stored
        ours = any(
            event.kind == kind and isinstance(event, AnswerEvent) and event.agent_id == LAST[kind]
            for event in events
        )
        if ours and moment == "before":
            die()
        done = append(db, session_id, events)
        if ours and moment == "inside":
            die()
        stored = stored or ours
        return done

    def dying_tell(outcomes: list[session_writer.Outcome]) -> None:
        if stored:
            die()
        tell(outcomes)

    session_rows.append, session_writer._tell = dying_append, dying_tell


async def main(home: str, url: str, kind: str, moment: str) -> None:
    arrange_death(kind, moment)
    async with local_council(Path(home), pc(url)) as council:
        await council.ask(REQUEST)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
