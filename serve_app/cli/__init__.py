"""The `./council` commands. Each is a thin shell: it starts, asks over HTTP, prints.

Reading order: `terminal.py` (what a user sees), `program.py` and `commands/` (what can be typed),
`up.py`, `join.py`, `ask.py`; `client.py` and `listening.py` talk to the API, `folding.py` makes a
`hearing.py` of its events, `waiting.py` looks up what no event tells, `views.py` draws. `bench.py`
asks many questions by `trials.py`.
"""
