"""Every message that crosses a process: frozen, closed (`extra="forbid"`) pydantic models.

Reading order: `requests.py` (what a client asks), `calls.py` (one model call and how it ended),
`events.py` (what was heard, in order), `sessions.py` (a session as clients see it),
`nodes.py` (what a PC tells of itself).
"""
