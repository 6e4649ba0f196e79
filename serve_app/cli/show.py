"""`./council show`: a session as `ask` showed it; one that is open is followed to its end."""

from serve_app.cli import ask
from serve_app.cli.client import Client
from serve_app.cli.terminal import Stop, say, tell

LOOKED_AT = 200
WHOLE = 36
"""Characters of a session's id."""


def show(client: Client, session_id: str, as_json: bool, reasons: bool = False) -> int:
    """The exit code, as `ask` has it. Ctrl-C leaves the session alone."""
    found = whole_id(client, session_id)
    try:
        session = client.get(f"/api/council/sessions/{found}")
        if not as_json:
            say(f"# {session['query']}")
            if session.get("follows"):
                say(f"(goes on with {session['follows']})")
        ask.follow(client, session, as_json, reasons)
    except KeyboardInterrupt:
        tell(f"\nThe session goes on: ./council show {found}")
        return ask.CANCELLED
    return ask.conclude(client, found, as_json, reasons)


def whole_id(client: Client, given: str) -> str:
    """The id that begins so, among the newest sessions; `last` = the newest. Raises `Stop`."""
    if len(given) >= WHOLE:
        return given
    newest = client.get("/api/council/sessions", limit=LOOKED_AT)["sessions"]
    ids = [str(session["session_id"]) for session in newest]
    found = ids[:1] if given == "last" else [one for one in ids if one.startswith(given)]
    if len(found) != 1:
        several = f"{len(found)} sessions begin" if found else "No session begins"
        raise Stop(f"{several} with {given!r}.", "List them: ./council sessions")
    return found[0]
