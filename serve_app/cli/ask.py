"""`./council ask`: a question, the council's three stages as they happen, the answer."""

import json
import sys
import uuid
from collections.abc import Iterable
from time import monotonic
from typing import Any

from rich.live import Live

from serve_app.cli.client import Client
from serve_app.cli.session import matrix, scores, views
from serve_app.cli.session.folding import heard
from serve_app.cli.session.hearing import Event, Hearing
from serve_app.cli.session.panels import facts, heading
from serve_app.cli.session.voice import Voice
from serve_app.cli.session.waiting import followed
from serve_app.cli.terminal import Stop, out, rich_wanted, say, tell

ANSWERED, FAILED, CANCELLED = 0, 1, 130


def ask(client: Client, request: dict[str, Any], as_json: bool, reasons: bool = False) -> int:
    """The exit code: 0 only for an answer. Ctrl-C cancels the session."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    opened = client.send("POST", "/api/council/sessions", json=request, headers=key)
    try:
        follow(client, opened, as_json, reasons)
    except KeyboardInterrupt:
        return _cancel(client, opened["session_id"])
    return conclude(client, opened["session_id"], as_json, reasons)


def follow(client: Client, session: dict[str, Any], as_json: bool, reasons: bool) -> None:
    """Shows a session as it goes on, until its end; `reasons`: also why judges gave what."""
    live = rich_wanted() and not as_json
    events = followed(client, session, closely=live)
    if as_json:
        for _ in events:
            pass
    elif live:
        _watch(events, reasons)
    else:
        _read_out(events, reasons)


def conclude(client: Client, session_id: str, as_json: bool, reasons: bool) -> int:
    """Shows how the session ended. The exit code; raises `Stop` where there is no answer."""
    session = client.get(f"/api/council/sessions/{session_id}")
    if as_json:
        sys.stdout.write(json.dumps(session, ensure_ascii=False, indent=2) + "\n")
    else:
        views.print_end(session, rich_wanted(), reasons)
    if session["stage"] == "complete" and session["final_answer"]:
        return ANSWERED
    why = f"{session['error'] or 'No answer came of it.'} ({session['error_code'] or 'no code'})"
    raise Stop(why, "What each PC says: ./council status", f"The session is kept: {session_id}")


def question_of(words: list[str]) -> str:
    """The words of the command line; `-` (or nothing, with something piped in) = standard input."""
    text = " ".join(words)
    if text == "-" or (not text and not sys.stdin.isatty()):
        text = sys.stdin.read()
    if not text.strip():
        raise Stop("There is no question.", 'Type: ./council ask "Why is the sky blue?"')
    return text.strip()


def seats_of(agents: list[str]) -> list[dict[str, str]] | None:
    """`model` or `model=name`, each a seat."""
    seats = []
    for agent in agents:
        model, _, name = agent.partition("=")
        seats.append({"model": model, "name": name} if name else {"model": model})
    return seats or None


def _watch(events: Iterable[Event], reasons: bool) -> None:
    """Live panels of the running stage; what is over stays above them."""
    hearing, shown = Hearing(), set[str]()
    with Live(console=out, transient=True, refresh_per_second=12) as display:
        for event in events:
            hearing = heard(hearing, event, monotonic())
            for part, drawing in views.finished(hearing, reasons):
                if part not in shown:
                    display.console.print(drawing)
                shown.add(part)
            display.update(views.live(hearing, out.size))


def _read_out(events: Iterable[Event], reasons: bool) -> None:
    """Plain text for a pipe: each opinion and review when it is complete."""
    hearing, told = Hearing(), set[tuple[str, str, str]]()
    for event in events:
        hearing = heard(hearing, event)
        if event.get("kind") == "queued" and event["place"] > 1:
            tell(views.queued(event))
        if event.get("kind") == "stage_started" and hearing.stage != "synthesis":
            say(f"\n# {views.TITLES[hearing.stage]}")
        for (stage, agent_id), voice in hearing.voices.items():
            if (
                stage != "synthesis"
                and voice.state in ("done", "absent")
                and _is_over(stage, hearing)
            ):
                if (stage, agent_id, voice.text) not in told:
                    say(_plain(voice))
                told.add((stage, agent_id, voice.text))
        if event.get("kind") == "ranking":
            say(f"\n# Scores\n{scores.plain(hearing)}")
            if why := [*matrix.reasons(hearing)] if reasons else []:
                say("\n# Reasons\n" + "\n".join(why))


def _is_over(stage: str, hearing: Hearing) -> bool:
    """Whether nobody says more in that stage: judges of one opinion at a time, and of the guard,
    speak more than once."""
    if stage == "guard":
        return hearing.answer is not None
    return stage != "review" or not hearing.ballots.one_by_one or bool(hearing.ranking)


def _plain(voice: Voice) -> str:
    what = voice.text.strip() if voice.state == "done" else f"absent: {voice.detail}"
    return f"\n## {' · '.join((heading(voice), *facts(voice)))}\n{what}"


def _cancel(client: Client, session_id: str) -> int:
    tell("\nCancelling …")
    try:
        client.send("DELETE", f"/api/council/sessions/{session_id}")
    except Stop as stop:
        tell(f"(It could not be cancelled: {stop.lines[0]})")
    tell(f"Cancelled. What was heard is kept: session {session_id}")
    return CANCELLED
