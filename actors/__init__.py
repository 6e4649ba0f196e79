"""What the council does: messages, the pure protocol, and the actors that act it out.

Reading order: `messages/` (the words), `errors.py` (what can go wrong), `council/` (the protocol,
pure), `sessions/` (one session as it is heard), the adapters `ollama/`, `store/`, `pc/`, `meters/`,
`telemetry/`, then the shells `agent.py`, `chairman.py`, `orchestrator.py`, `remote.py`.
Knows nothing of nodes, placement or HTTP serving.
"""
