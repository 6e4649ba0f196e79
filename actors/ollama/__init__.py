"""Talks to one Ollama server, and turns every way it can fail into one of our errors.

Reading order: `client.py` (what we ask of it), `deadlines.py` (how long silence may last),
`stream.py` (the answer while it is written), `cost.py` (what it cost), `failures.py` (what a
refusal means), `status.py` (what a server has), `wire.py` (HTTP). Only `client.py` and `wire.py` do
I/O.
"""
