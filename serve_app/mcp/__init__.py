"""The council as tools and resources of the Model Context Protocol, over HTTP at `/mcp` and over
standard input and output (`./council mcp`).

Reading order: `caller.py` (who asks, and whom), `arguments.py` and `tools.py` (what can be asked
for), `asking.py` (a question), `results.py`, `resources.py`, `server.py`; then
`endpoint.py` (HTTP) and `stdio.py` with `http_council.py` (a command). Nothing but these imports
the SDK, which takes most of a second.
"""
